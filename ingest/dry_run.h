/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run: what would come of a submission: the checks of ingest, the converter's work and the planner's, by their own code (the library
 * targets `convert` and `plan`), one after the other and without what lies between. Pure: nothing is sent, written or asked; what it
 * must know of the world comes in with the rules.
 */
#ifndef MILLRACE_INGEST_DRY_RUN_H
#define MILLRACE_INGEST_DRY_RUN_H

#include "converter/convert.h"
#include "converter/told.h"
#include "ingest/submit.h"
#include "planner/plan.h"

struct dry_run_rules {
    const struct submit_rules *submit;
    struct convert_rules convert; /* with the snapshots; `told` is set here */
    const struct plan_rules *plan;
    /* The bytes of the record that would be sent. */
    size_t (*size)(void *self, const struct shape *s, const struct job *j);
    void *self;
};

struct dry_run {
    const struct refusal *refusal; /* refused by ingest; NULL: it was converted */
    struct submission submission;  /* the job, as far as it came: with its error, or planned */
    struct told told;
};

/* `text`, `key`: as submit_parse. `now` UTC ms. True: the job would run. */
bool dry_run_make(const struct dry_run_rules *rules, struct bytes text, struct bytes key, int64_t now,
    struct arena *a, struct dry_run *out);

#endif
