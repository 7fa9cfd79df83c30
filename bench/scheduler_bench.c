/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler_bench: the executor's rules without their servers: how much memory 1,000,000 queued jobs in 10,000 groups take, and how many
 * starts a second the scheduler decides with 10, 1,000 and 10,000 groups. The ledger's answers are made up here: job n of group g lies at
 * place n * groups + g. Prints JSON.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "executor/scheduler.h"

#define WINDOW 32
#define SLOTS 32
#define PAGE 1000
#define STARTS 400000
#define QUEUED 1000000
#define QUEUED_GROUPS 10000
#define NAME_MAX_BYTES 32

struct queue {
    int64_t groups, total;
    int64_t *ended; /* by group: how many of its jobs are over */
    struct run runs[PAGE];
    char names[PAGE][NAME_MAX_BYTES];
};

static void drop_nothing(void *payload)
{
    free(payload);
}

static struct uuid id_of(int64_t place)
{
    struct uuid u = {{0}};
    memcpy(u.bytes, &place, sizeof place);
    return u;
}

static void fill_run(struct queue *q, size_t at, int64_t place)
{
    int n = snprintf(q->names[at], sizeof q->names[at], "bench/u%lld", (long long)(place % q->groups));
    q->runs[at] = (struct run){.id = id_of(place),
        .seq = place,
        .group = {q->names[at], (size_t)n},
        .engine = BYTES("noop"),
        .state = RUN_QUEUED,
        .queued_at = NO_TIME,
        .started_at = NO_TIME,
        .wake_at = NO_TIME,
        .retry_at = NO_TIME};
}

static void tell_all(struct scheduler *s, struct queue *q)
{
    scheduler_assigned(s, 0, 1);
    for (int64_t from = 0; from < q->total; from += PAGE) {
        size_t n = 0;
        for (; n < PAGE && from + (int64_t)n < q->total; n++)
            fill_run(q, n, from + (int64_t)n);
        scheduler_unfinished(s, 0, 1, q->runs, n, from + PAGE >= q->total);
    }
}

static void answer_looks(struct scheduler *s, struct queue *q)
{
    struct bytes group;
    size_t limit;
    while (scheduler_next_look(s, &group, &limit)) {
        char name[NAME_MAX_BYTES] = "";
        size_t n = 0;
        MUST(group.len < sizeof name && limit <= PAGE);
        memcpy(name, group.data, group.len);
        int64_t g = strtoll(name + strlen("bench/u"), NULL, 10);
        for (int64_t k = q->ended[g]; n < limit && k * q->groups + g < q->total; k++)
            fill_run(q, n++, k * q->groups + g);
        scheduler_looked(s, bytes_of(name), q->runs, n);
    }
}

static struct scheduler *open_scheduler(struct queue *q, int64_t groups, int64_t total)
{
    struct scheduler_options o = {SLOTS, WINDOW, drop_nothing, drop_nothing};
    memset(q, 0, sizeof *q);
    q->groups = groups;
    q->total = total;
    q->ended = calloc((size_t)groups, sizeof *q->ended);
    MUST(q->ended);
    return scheduler_new(&o);
}

static double start_rate(struct queue *q, int64_t groups)
{
    struct scheduler *s = open_scheduler(q, groups, STARTS);
    struct task *running[SLOTS];
    size_t head = 0, count = 0;
    int64_t started = 0;
    tell_all(s, q);
    int64_t began = clock_boot_us();
    while (started < STARTS) {
        struct task *t = scheduler_next_start(s);
        if (t) {
            scheduler_start_won(s, t);
            running[(head + count++) % SLOTS] = t;
            started++;
            continue;
        }
        if (count > 0) {
            struct task *over = running[head];
            int64_t place;
            memcpy(&place, over->id.bytes, sizeof place);
            q->ended[place % groups]++;
            head = (head + 1) % SLOTS;
            count--;
            scheduler_ended(s, over, true);
        }
        answer_looks(s, q);
    }
    double seconds = (double)(clock_boot_us() - began) / 1e6;
    for (; count > 0; count--, head = (head + 1) % SLOTS)
        scheduler_ended(s, running[head], true);
    scheduler_free(s);
    free(q->ended);
    return STARTS / seconds;
}

static double memory_mb(struct queue *q)
{
    struct mallinfo2 before = mallinfo2();
    struct scheduler *s = open_scheduler(q, QUEUED_GROUPS, QUEUED);
    tell_all(s, q);
    struct mallinfo2 after = mallinfo2();
    double mb = (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / 1e6;
    scheduler_free(s);
    free(q->ended);
    return mb;
}

int main(void)
{
    static struct queue q;
    double mb = memory_mb(&q);
    double ten = start_rate(&q, 10), thousand = start_rate(&q, 1000), many = start_rate(&q, 10000);
    printf("{\"queued\": %d, \"groups\": %d, \"memory_mb\": %.1f, \"starts_per_s\": {\"10\": %.0f, \"1000\": "
           "%.0f, "
           "\"10000\": %.0f}}\n",
        QUEUED, QUEUED_GROUPS, mb, ten, thousand, many);
    return 0;
}
