/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage_loop: what stage_main and the loop share. Private to the library stage.
 */
#ifndef MILLRACE_CORE_STAGE_LOOP_H
#define MILLRACE_CORE_STAGE_LOOP_H

#include <stdatomic.h>

#include "core/metrics.h"
#include "core/stage.h"

/* What other threads may know of the loop. */
struct stage_pulse {
    _Atomic int64_t busy_since; /* boot ms; inside decode and step since then, 0: not inside */
    _Atomic int64_t turned_at;  /* boot ms of the last stage_tick; 0: this program does not tick */
    atomic_bool ready;          /* connected, and in its loop */
    atomic_bool store_answers;  /* as of the last look, at most a few seconds ago */
};

enum stage_metric {
    STAGE_RECORDS,
    STAGE_BATCHES,
    STAGE_REJECTED,
    STAGE_RETRIES,
    STAGE_BATCH_SECONDS,
    STAGE_AGE,
    STAGE_LAG,
    STAGE_UP,
    STAGE_METRICS
};

/* Reads, steps, writes, sends, commits until *w->stop. `metrics`: STAGE_METRICS of them. False: e says why it
 * can't start. */
bool stage_loop(struct stage_world *w, void *self, struct metric *metrics, struct error *e);

#endif
