/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: see metrics.h. The registry is a fixed array of tables, filled at start and only read afterwards,
 * so that neither adding nor printing takes a lock. A print is not a snapshot of one instant: counters go on
 * while it runs.
 */
#include "core/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

enum { TABLES_MAX = 64, FIRST_BUCKET_US = 500 };

static struct {
    struct metric *metrics;
    size_t count;
} tables[TABLES_MAX];
static size_t table_count;

void metrics_register(struct metric *table, size_t count)
{
    for (size_t i = 0; i < table_count; i++) {
        if (tables[i].metrics == table)
            return;
    }
    MUST(table_count < TABLES_MAX);
    tables[table_count].metrics = table;
    tables[table_count].count = count;
    table_count++;
}

void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

int64_t metric_get(const struct metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

static int bucket_of(int64_t us)
{
    int bucket = 0;
    for (int64_t limit = FIRST_BUCKET_US; bucket < METRIC_BUCKETS - 1 && us > limit; limit *= 2)
        bucket++;
    return bucket;
}

void metric_observe_us(struct metric *m, int64_t us)
{
    if (us < 0)
        us = 0;
    atomic_fetch_add_explicit(&m->buckets[bucket_of(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
    metric_add(m, 1);
}

/* Micros as decimal seconds without trailing zeros: exact, unlike a double. */
static void add_seconds(struct buf *out, int64_t us)
{
    buf_printf(out, "%" PRId64, us / 1000000);
    int64_t rest = us % 1000000;
    if (rest == 0)
        return;
    char digits[8];
    snprintf(digits, sizeof(digits), "%06d", (int)rest);
    size_t len = 6;
    while (digits[len - 1] == '0')
        len--;
    buf_add_char(out, '.');
    buf_add(out, digits, len);
}

static void add_braces(struct buf *out, const char *labels)
{
    if (labels)
        buf_printf(out, "{%s}", labels);
}

static void add_histogram(struct buf *out, const struct metric *m)
{
    const char *labels = m->labels ? m->labels : "";
    const char *comma = m->labels ? "," : "";
    int64_t limit_us = FIRST_BUCKET_US;
    int64_t below = 0;

    for (int i = 0; i < METRIC_BUCKETS; i++) {
        below += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"", m->name, labels, comma);
        if (i < METRIC_BUCKETS - 1)
            add_seconds(out, limit_us);
        else
            buf_add_text(out, "+Inf");
        buf_printf(out, "\"} %" PRId64 "\n", below);
        limit_us *= 2;
    }
    buf_printf(out, "%s_sum", m->name);
    add_braces(out, m->labels);
    buf_add_char(out, ' ');
    add_seconds(out, atomic_load_explicit(&m->sum_us, memory_order_relaxed));
    buf_printf(out, "\n%s_count", m->name);
    add_braces(out, m->labels);
    buf_printf(out, " %" PRId64 "\n", below);
}

static void add_metric(struct buf *out, const struct metric *m)
{
    if (m->kind == METRIC_SECONDS) {
        add_histogram(out, m);
        return;
    }
    buf_add_text(out, m->name);
    add_braces(out, m->labels);
    buf_printf(out, " %" PRId64 "\n", metric_get(m));
}

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *kind_name(enum metric_kind kind)
{
    switch (kind) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_SECONDS:
        return "histogram";
    }
    return "untyped";
}

/* The format wants all lines of a name together, under one head: the first row of a name prints them all. */
static void add_family(struct buf *out, const struct metric *first)
{
    bool reached = false;

    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            const struct metric *m = &tables[t].metrics[i];
            if (m != first && strcmp(m->name, first->name) != 0)
                continue;
            if (!reached) {
                if (m != first)
                    return; /* an earlier row has printed it */
                reached = true;
                add_head(out, first->name, kind_name(first->kind), first->help);
            }
            add_metric(out, m);
        }
    }
}

static int64_t resident_bytes(void)
{
    long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    int got = fscanf(f, "%lld %lld", &size, &resident);
    fclose(f);
    return got == 2 ? (int64_t)resident * sysconf(_SC_PAGESIZE) : 0;
}

static int64_t open_fds(void)
{
    int64_t count = -1; /* the folder's own descriptor doesn't count */
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Field 22 of stat is the start in clock ticks since boot; the name in field 2 may hold spaces and
 * parentheses. */
static int64_t start_time_us(void)
{
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return 0;
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[len] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0;
    int64_t ticks = strtoll(at + 1, NULL, 10);
    int64_t started_us = ticks * 1000000 / sysconf(_SC_CLK_TCK);
    return clock_utc_ms() * 1000 - clock_boot_us() + started_us;
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static void add_process(struct buf *out)
{
    add_head(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
    buf_printf(out, "process_resident_memory_bytes %" PRId64 "\n", resident_bytes());
    add_head(out, "process_cpu_seconds_total", "counter", "User and system CPU time spent in seconds.");
    buf_add_text(out, "process_cpu_seconds_total ");
    add_seconds(out, cpu_us());
    buf_add_char(out, '\n');
    add_head(out, "process_open_fds", "gauge", "Number of open file descriptors.");
    buf_printf(out, "process_open_fds %" PRId64 "\n", open_fds());
    add_head(
        out, "process_start_time_seconds", "gauge", "Start time of the process in seconds since 1970, UTC.");
    buf_add_text(out, "process_start_time_seconds ");
    add_seconds(out, start_time_us());
    buf_add_char(out, '\n');
    add_head(out, "millrace_build_info", "gauge", "The program's version; always 1.");
    buf_printf(out, "millrace_build_info{version=\"%s\"} 1\n", MILLRACE_VERSION);
}

void metrics_text(struct buf *out)
{
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].count; i++)
            add_family(out, &tables[t].metrics[i]);
    }
    add_process(out);
}
