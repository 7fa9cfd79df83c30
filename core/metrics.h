/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: counters, gauges and histograms in the Prometheus text format.
 *
 * A metric is declared once, as a row of a static table with name, kind, unit and one line of help, and used by its
 * index or pointer; adding is atomic and cheap (relaxed), from any thread. Labels are fixed at declaration
 * (`labels` is the literal text inside the braces, e.g. "outcome=\"failed\""); creator and user are never labels.
 * Names: millrace_<stage>_..._total|_seconds|_bytes.
 */
#ifndef MILLRACE_CORE_METRICS_H
#define MILLRACE_CORE_METRICS_H

#include <stdatomic.h>

#include "core/bytes.h"

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_SECONDS /* a histogram of durations, fixed buckets */
};

#define METRIC_BUCKETS 16 /* 0.5 ms, doubling, the last is +Inf */

struct metric {
    const char *name;
    const char *labels; /* NULL: none */
    enum metric_kind kind;
    const char *help;
    /* private to metrics.c from here on */
    _Atomic int64_t value;
    _Atomic int64_t buckets[METRIC_BUCKETS];
    _Atomic int64_t sum_us;
};

/* Adds a table of `count` metrics to the registry; called at start, before threads. The table lives for ever. */
void metrics_register(struct metric *table, size_t count);
void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
void metric_observe_us(struct metric *m, int64_t us); /* METRIC_SECONDS */
int64_t metric_get(const struct metric *m);
/* All registered metrics, plus process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds,
 * process_start_time_seconds and millrace_build_info{version}. */
void metrics_text(struct buf *out);

#endif
