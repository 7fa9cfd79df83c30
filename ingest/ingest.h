/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest: what the program is made of, shared by its handlers. Everything in it is set before the first
 * request and not changed afterwards; the parts have their own locks.
 */
#ifndef MILLRACE_INGEST_INGEST_H
#define MILLRACE_INGEST_INGEST_H

#include "core/engine_list.h"
#include "core/stage.h"
#include "ingest/book.h"
#include "ingest/intake.h"
#include "ingest/meters.h"
#include "ingest/sweep.h"

struct ingest_settings {
    struct stage_settings stage; /* first: stage_main fills it */
    const char *engines_dir;
    const char *results_dir;
    int64_t submission_max_bytes;
    int64_t ack_timeout_ms;
    int64_t store_patience_ms;
    int64_t sweep_after_ms;
};

struct ingest {
    const struct ingest_settings *settings;
    struct stage_world *world;
    struct engine_list *engines;
    struct submit_rules rules;
    struct pen pen;
    struct book *book;
    struct intake *intake;
    struct sweep *sweep;
};

extern const struct setting ingest_settings_table[];
extern const struct http_route ingest_routes[];

bool ingest_open(struct stage_world *w, void **self, struct error *e);
bool ingest_run(void *self, struct stage_world *w, struct error *e);
void ingest_close(void *self);

#endif
