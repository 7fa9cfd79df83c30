/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: one executor process. One epoll loop owns the rules, the engines and the Kafka clients; clerks do what blocks and answer through
 * the desk. Every turn serves what is there, then lets the rules begin what is ready.
 *
 * Stopping: no more starts and no more intake; running jobs have drain_ms; then engines are killed, and once they are dead
 * their jobs go back to the queue, uncharged. A second signal ends the wait at once. A drain that somebody ordered (jobs.control) is
 * the same.
 */
#include "executor/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/folder.h"
#include "core/log.h"
#include "executor/cached.h"
#include "executor/engine_slots.h"
#include "executor/lock.h"
#include "executor/outgoing.h"
#include "executor/records.h"

#define SECOND_MS 1000
#define OTHER_DESCRIPTORS 256
#define GIVE_UP_MS 15000 /* after the drain: the servers don't answer */

/* ---- opening ---- */

static void name_instance(struct executor *x)
{
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];
    if (gethostname(x->host, sizeof x->host - 1) != 0 || !x->host[0])
        memcpy(x->host, "localhost", sizeof "localhost");
    uuid_v7(&u, clock_utc_ms());
    uuid_format(&u, text);
    snprintf(
        x->instance, sizeof x->instance, "%.36s-%ld-%s", x->host, (long)getpid(), text + UUID_TEXT_LEN - 8);
}

static bool open_engines(struct executor *x, struct error *e)
{
    const struct executor_settings *s = x->settings;
    static char work_dir[512];
    snprintf(
        work_dir, sizeof work_dir, "%s/work-%s-%d", s->state_dir, s->pool, neighbours_number(x->neighbours));
    folder_remove(work_dir);
    struct engines_settings es = {.engines_dir = s->engines_dir,
        .results_dir = s->results_dir,
        .work_dir = work_dir,
        .idle_ms = s->idle_ms,
        .max_processes = s->max_processes,
        .grace_ms = s->grace_ms,
        .start_timeout_ms = s->start_timeout_ms,
        .isolation = s->isolation,
        .lock_fd = neighbours_lock_fd(x->neighbours)};
    memcpy(es.instance, x->instance, sizeof es.instance);
    x->engines = engines_open(&es, &running_engine_events, x, e);
    return x->engines != NULL;
}

/* Each engine process has three pipes here, a job that runs may have a file of results; what else there is, are connections. Without
 * enough of them jobs would fail, or our own lease. */
static bool have_descriptors(const struct executor_settings *s, struct error *e)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)(3 * s->max_processes + s->slots + OTHER_DESCRIPTORS);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return true;
    if (limit.rlim_max < needed)
        return error_set(e, "too_few_descriptors",
            "engine.processes=%lld and slots=%lld need %llu open files, the limit is %llu (ulimit -n)",
            (long long)s->max_processes, (long long)s->slots, (unsigned long long)needed,
            (unsigned long long)limit.rlim_max);
    limit.rlim_cur = needed;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
           error_set(e, "too_few_descriptors", "the limit of open files can't be raised to %llu: %s",
               (unsigned long long)needed, strerror(errno));
}

/* Before any thread: the lock, and the guard that holds it with us. */
bool executor_prepare(void *settings, void **self, struct error *e)
{
    const struct executor_settings *s = settings;
    struct executor *x = calloc(1, sizeof *x);
    if (!x)
        log_fatal("out_of_memory", "what=executor");
    *self = x;
    if (s->lease_watch_ms <= s->lease_hold_ms || s->lease_hold_ms <= s->lease_renew_ms)
        return error_set(e, "bad_setting", "lease.renew < lease.hold < lease.watch must hold");
    if (!engine_slots_read(bytes_of(s->engine_slots), NULL, NULL, e) || !have_descriptors(s, e))
        return false;
    x->settings = s;
    TAILQ_INIT(&x->running);
    TAILQ_INIT(&x->dirty);
    TAILQ_INIT(&x->waiting);
    TAILQ_INIT(&x->napping);
    name_instance(x);
    x->neighbours = neighbours_open(s->state_dir, s->pool, x->instance, s->results_dir, e);
    if (!x->neighbours)
        return false;
    if (mkdir(s->results_dir, 0755) != 0 && access(s->results_dir, W_OK) != 0)
        return error_set(e, "no_folder", "results.dir %s can't be written", s->results_dir);
    return open_engines(x, e);
}

bool executor_open(struct stage_world *w, void **self, struct error *e)
{
    static const char *const names[ASK_LANES] = {"intake", "start", "finish", "house", "lease"};
    (void)e;
    struct executor *x = *self;
    x->world = w;
    x->ledger = (struct ledger){w->store, x->settings->pool, x->instance, x->settings->keep_ms};
    metrics_register(executor_metrics, EXECUTOR_METRICS);
    x->outgoing = outgoing_new(w->producer);
    x->records = records_new(x);
    x->desk = desk_new();
    for (int lane = 0; lane < ASK_LANES; lane++)
        x->clerks[lane] = clerk_new(x->desk, names[lane]);
    x->burier = clerk_new(x->desk, "burier");
    x->cached = cached_new(x);
    return true;
}

/* ---- the loop ---- */

static void take_bells(struct executor *x)
{
    struct bus_record record;
    while (consumer_poll(x->control, 0, &record)) {
        struct arena a;
        struct control c;
        struct error e;
        arena_init(&a);
        if (!record.value.data ||
            codec_decode(x->world->codec, &shape_control, record.value, false, &a, &c, &e) != CODEC_OK)
            log_warn("control_unreadable", "partition=%d offset=%lld", (int)record.partition,
                (long long)record.offset);
        else
            rules_bell(x->rules, &c);
        arena_release(&a);
        consumer_release(x->control, &record);
    }
}

static void show_figures(struct executor *x)
{
    const struct scheduler *s = rules_scheduler(x->rules);
    struct scheduler_figures f = scheduler_figures(s);
    int64_t owned = 0;
    for (int32_t i = 0; i < scheduler_partitions(s); i++)
        owned += scheduler_owns(s, i);
    metric_set(&executor_metrics[M_PARTITIONS], owned);
    metric_set(&executor_metrics[M_RUNNING], (int64_t)f.tasks);
    metric_set(&executor_metrics[M_GROUPS], (int64_t)f.groups);
    metric_set(&executor_metrics[M_READY], (int64_t)f.ready);
    metric_set(&executor_metrics[M_OUTGOING], (int64_t)outgoing_pending(x->outgoing));
}

static void every_second(struct executor *x, int64_t now)
{
    if (now < x->next_second)
        return;
    x->next_second = now + SECOND_MS;
    show_figures(x);
    if (!rules_is_draining(x->rules)) {
        world_bury(x);
        world_refresh_limits(x, now);
    }
}

static void heed_stop(struct executor *x, int64_t now)
{
    size_t running = scheduler_task_count(rules_scheduler(x->rules));
    int stops = *x->world->stop;
    if (stops > 0)
        rules_drain(x->rules, stops > 1);
    if (rules_is_draining(x->rules) && !x->draining) {
        x->draining = true;
        log_info("draining", "running=%zu drain_ms=%lld ordered=%d", running,
            (long long)x->settings->drain_ms, stops == 0);
    }
    if (x->killing && now >= x->killed_at + GIVE_UP_MS) {
        records_take_back(x->records);
        log_fatal("drain_incomplete", "running=%zu outgoing=%zu reason=servers_do_not_answer", running,
            outgoing_pending(x->outgoing));
    }
}

/* A draining executor takes nothing any more: others go on with its partitions while its last jobs run. */
static void leave_early(struct executor *x)
{
    if (!rules_is_draining(x->rules) || records_busy(x->records) || x->left)
        return;
    records_give_back(x->records); /* a held one */
    x->left = consumer_leave(x->consumer);
}

/* Has everything that we began come to its end? */
static bool is_drained(const struct executor *x)
{
    return rules_is_draining(x->rules) && rules_is_drained(x->rules) && !records_busy(x->records) &&
           !x->limits_busy && !x->bury_busy && !cached_busy(x->cached) && outgoing_pending(x->outgoing) == 0;
}

static int watch_descriptors(struct executor *x)
{
    const int fds[] = {consumer_fd(x->consumer), consumer_fd(x->control), producer_fd(x->world->producer),
        desk_fd(x->desk), engines_fd(x->engines)};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        log_fatal("no_descriptor", "what=epoll");
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fds[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &ev) != 0)
            log_fatal("no_descriptor", "what=epoll_add");
    }
    return epoll;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One turn; returns the boot ms of the next one that must not be missed. */
static int64_t turn(struct executor *x)
{
    struct bus_record none;
    stage_tick(x->world);
    (void)consumer_poll(x->consumer, 0, &none);
    int64_t now = clock_boot_ms(); /* it may have taken a while */
    neighbours_member(x->neighbours, consumer_member_id(x->consumer));
    (void)producer_poll(x->world->producer, 0);
    take_bells(x);
    (void)desk_serve(x->desk);
    engines_hold_output(x->engines, outgoing_is_full(x->outgoing));
    int64_t next = engines_serve(x->engines, now);
    every_second(x, now);
    heed_stop(x, now);
    next = least(next, running_serve(x, now));
    next = least(next, records_serve(x->records, now));
    leave_early(x);
    rules_turn(x->rules);
    executor_metrics_of_rules(rules_counts(x->rules));
    outgoing_serve(x->outgoing);
    return least(least(next, x->next_second), rules_next(x->rules));
}

bool executor_run(void *self, struct stage_world *w, struct error *e)
{
    struct executor *x = self;
    struct epoll_event events[8];
    if (!executor_join(x, e))
        return *w->stop != 0;
    int epoll = watch_descriptors(x);
    while (!is_drained(x)) {
        int64_t began_us = clock_boot_us(), next = turn(x), now = clock_boot_ms();
        metric_observe_us(&executor_metrics[M_TURN_SECONDS], clock_boot_us() - began_us);
        (void)epoll_wait(epoll, events, 8, next > now ? (int)(next - now) : 0);
    }
    close(epoll);
    show_figures(x);
    log_info("drained", "instance=%s", x->instance);
    return true;
}

/* ---- the end ---- */

/* Nothing runs any more: nobody must wait for our lease. */
static void end_lease(struct executor *x)
{
    struct error e;
    bool ended;
    if (x->enlisted)
        (void)ledger_end_lease(&x->ledger, bytes_of(x->instance), -1, clock_utc_ms(), &ended, &e);
}

void executor_close(void *self)
{
    struct executor *x = self;
    if (!x)
        return;
    for (int lane = 0; lane < ASK_LANES; lane++) {
        clerk_free(x->clerks[lane]);
        x->clerks[lane] = NULL;
    }
    clerk_free(x->burier);
    cached_stop(x->cached);
    /* What these threads have answered still speaks of all that is closed below. */
    if (x->desk)
        (void)desk_serve(x->desk);
    records_give_back(x->records);
    consumer_close(x->consumer);
    records_free(x->records);
    consumer_close(x->control);
    engines_close(x->engines);
    end_lease(x);
    desk_free(x->desk);
    cached_free(x->cached);
    rules_free(x->rules);
    limits_free(x->limits);
    outgoing_free(x->outgoing);
    neighbours_close(x->neighbours);
    free(x);
}
