/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest: what the program is made of, shared by its handlers. Everything in it is set before the first
 * request and not changed afterwards; the parts have their own locks.
 */
#ifndef MILLRACE_INGEST_INGEST_H
#define MILLRACE_INGEST_INGEST_H

#include "converter/convert_world.h"
#include "core/stage.h"
#include "ingest/alive.h"
#include "ingest/book.h"
#include "ingest/intake.h"
#include "ingest/meters.h"
#include "ingest/sweep.h"
#include "planner/plan_world.h"

struct ingest_settings {
    struct stage_settings stage;     /* first: stage_main fills it */
    struct convert_settings convert; /* as the converter's */
    struct plan_settings plan;       /* as the planner's */
    const char *results_dir;
    int64_t ack_timeout_ms;
    int64_t store_patience_ms;
    int64_t sweep_after_ms;
};

struct ingest {
    const struct ingest_settings *settings;
    struct stage_world *world;
    struct convert_world convert;
    struct plan_world plan;
    struct submit_rules rules;
    struct pen pen;
    struct book *book;
    struct alive *alive;
    struct pen scale; /* weighs records that are not sent: knows no schema registry */
    struct intake *intake;
    struct sweep *sweep;
};

extern const struct setting ingest_settings_table[];
extern const struct http_route ingest_routes[];

bool ingest_open(struct stage_world *w, void **self, struct error *e);
bool ingest_run(void *self, struct stage_world *w, struct error *e);
void ingest_close(void *self);

#endif
