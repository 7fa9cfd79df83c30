/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: one executor process. One epoll loop owns the scheduler, the engines and the Kafka clients; clerks and the lease's thread do
 * what blocks and answer through the desk. Every turn serves what is there, then hands out the next batch of each kind.
 *
 * Stopping: no more starts and no more intake; running jobs have drain_ms; then engines are killed, and once they are dead
 * their jobs go back to the queue, uncharged. A second signal ends the wait at once.
 */
#include "executor/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/folder.h"
#include "core/log.h"
#include "executor/executor.h"
#include "executor/lease.h"
#include "executor/lock.h"

#define SECOND_MS 1000
#define UNSENT_EVERY 5   /* seconds */
#define CANCELS_EVERY 10 /* seconds */
#define GIVE_UP_MS 15000 /* after the drain: the servers don't answer */

#define ROW(name, type, field, value, min, max, help)                                                        \
    {                                                                                                        \
        name, type, offsetof(struct executor_settings, field), value, min, max, help                         \
    }
const struct setting executor_settings_table[] = {
    ROW("http.port", SETTING_INT, stage.http_port, "8423", 0, 65535, "port of /metrics, /healthz, /readyz"),
    ROW("pool", SETTING_TEXT, pool, "default", 1, 32, "whose planned topic is read"),
    ROW("slots", SETTING_INT, slots, "32", 1, 10000, "jobs that run at once in this process"),
    ROW("window", SETTING_INT, window, "64", 1, 10000, "queued jobs of a group known in memory"),
    ROW("engines.dir", SETTING_TEXT, engines_dir, "engines", 1, 400,
        "folder of the engines and their manifests"),
    ROW("results.dir", SETTING_TEXT, results_dir, "results", 1, 400, "folder of the result files"),
    ROW("state.dir", SETTING_TEXT, state_dir, "state", 1, 400,
        "folder of lock files and the jobs' working folders"),
    ROW("isolation", SETTING_TEXT, isolation, "auto", 4, 4,
        "auto: PID namespaces where permitted; none: never"),
    ROW("lease.renew", SETTING_MS, lease_renew_ms, "3s", 100, 3600000, "how often the lease is renewed"),
    ROW("lease.hold", SETTING_MS, lease_hold_ms, "30s", 500, 3600000,
        "an executor without a renewal for so long kills its engines and ends"),
    ROW("lease.watch", SETTING_MS, lease_watch_ms, "40s", 500, 3600000,
        "another's lease is ended when its counter stood still for so long; must be more than lease.hold"),
    ROW("drain", SETTING_MS, drain_ms, "30s", 0, 86400000,
        "how long running jobs have when the executor is stopped"),
    ROW("grace", SETTING_MS, grace_ms, "5s", 0, 3600000, "between SIGTERM and SIGKILL of a cancelled job"),
    ROW("engine.idle", SETTING_MS, idle_ms, "60s", 0, 86400000, "an idle engine process ends after so long"),
    ROW("engine.start_timeout", SETTING_MS, start_timeout_ms, "20s", 100, 3600000,
        "an engine must be ready within"),
    ROW("engine.processes", SETTING_INT, max_processes, "64", 1, 10000,
        "engine processes of all engines at once"),
    ROW("ledger.keep", SETTING_MS, keep_ms, "192h", 3600000, 31536000000,
        "how long ended runs are remembered (dedupe)"),
    ROW("payload_cache", SETTING_SIZE, payload_cache_bytes, "16m", 0, 1099511627776,
        "memory for payloads of queued jobs; without room they are read again at the start"),
    SETTING_END,
};

#define COUNTER(name, labels, help)                                                                          \
    {                                                                                                        \
        name, labels, METRIC_COUNTER, help, 0, {0}, 0                                                        \
    }
#define GAUGE(name, help)                                                                                    \
    {                                                                                                        \
        name, NULL, METRIC_GAUGE, help, 0, {0}, 0                                                            \
    }
#define SECONDS(name, help)                                                                                  \
    {                                                                                                        \
        name, NULL, METRIC_SECONDS, help, 0, {0}, 0                                                          \
    }
struct metric executor_metrics[EXECUTOR_METRICS] = {
    [M_STARTED] = COUNTER("millrace_executor_started_total", NULL, "jobs started"),
    [M_SUCCEEDED] =
        COUNTER("millrace_executor_ended_total", "outcome=\"succeeded\"", "jobs ended, by outcome"),
    [M_FAILED] = COUNTER("millrace_executor_ended_total", "outcome=\"failed\"", "jobs ended, by outcome"),
    [M_CANCELLED] =
        COUNTER("millrace_executor_ended_total", "outcome=\"cancelled\"", "jobs ended, by outcome"),
    [M_TIMED_OUT] =
        COUNTER("millrace_executor_ended_total", "outcome=\"timed_out\"", "jobs ended, by outcome"),
    [M_REJECTED] = COUNTER("millrace_executor_ended_total", "outcome=\"rejected\"", "jobs ended, by outcome"),
    [M_DISCARDED] = COUNTER(
        "millrace_executor_discarded_total", NULL, "ends refused by the ledger: another closed the run"),
    [M_DUPLICATES] =
        COUNTER("millrace_executor_duplicates_total", NULL, "records that were in the ledger already"),
    [M_TAKEOVERS] =
        COUNTER("millrace_executor_takeovers_total", NULL, "runs of dead executors put back into the queue"),
    [M_REQUEUED] =
        COUNTER("millrace_executor_requeued_total", NULL, "own runs put back (drained, forgotten starts)"),
    [M_RENEWALS] = COUNTER("millrace_executor_renewals_total", NULL, "lease renewals acknowledged"),
    [M_RUNNING] = GAUGE("millrace_executor_running", "jobs that hold a slot"),
    [M_GROUPS] = GAUGE("millrace_executor_groups", "groups in memory"),
    [M_READY] = GAUGE("millrace_executor_ready_groups", "groups that wait for a slot"),
    [M_QUEUE_SECONDS] = SECONDS("millrace_executor_queue_seconds", "from the ledger to the start"),
    [M_RUN_SECONDS] = SECONDS("millrace_executor_run_seconds", "from the launch to the end"),
    [M_LOG_BYTES] = COUNTER("millrace_executor_log_bytes_total", NULL, "log text sent"),
};

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
    x->settings = s;
    STAILQ_INIT(&x->ends);
    TAILQ_INIT(&x->running);
    TAILQ_INIT(&x->dirty);
    name_instance(x);
    x->neighbours = neighbours_open(s->state_dir, s->pool, x->instance, s->results_dir, e);
    if (!x->neighbours)
        return false;
    if (mkdir(s->results_dir, 0755) != 0 && access(s->results_dir, W_OK) != 0)
        return error_set(e, "no_folder", "results.dir %s can't be written", s->results_dir);
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

static void on_renewed(void *self, int64_t until_boot_ms, const struct runs *mine)
{
    struct executor *x = self;
    metric_add(&executor_metrics[M_RENEWALS], 1);
    engines_lease(x->engines, until_boot_ms);
    elsewhere_reconcile(x, mine);
}

static void on_lease_over(void *self)
{
    struct executor *x = self;
    engines_kill_all(x->engines);
    log_fatal("lease_over", "instance=%s reason=ended_by_another", x->instance);
}

static bool open_clients(struct executor *x, struct error *e)
{
    static char client_id[96];
    const struct executor_settings *s = x->settings;
    struct buf topic;
    buf_init(&topic);
    bus_planned_topic(s->pool, &topic);
    snprintf(x->planned_topic, sizeof x->planned_topic, "%.*s", BYTES_ARG(buf_bytes(&topic)));
    buf_release(&topic);
    const char *topics[] = {x->planned_topic};
    snprintf(client_id, sizeof client_id, "executor-%d", neighbours_number(x->neighbours));
    char group[64];
    snprintf(group, sizeof group, "executor%s%s", strcmp(s->pool, "default") ? "." : "",
        strcmp(s->pool, "default") ? s->pool : "");
    struct consumer_options o = {.group = group,
        .topics = topics,
        .topic_count = 1,
        .by_partition = true,
        .events = &intake_events,
        .self = x,
        .stop = x->world->stop};
    x->control = follower_open(&s->stage.bus, client_id, "jobs.control", x->world->stop, e);
    x->consumer = x->control ? consumer_open(&s->stage.bus, client_id, &o, e) : NULL;
    return x->consumer != NULL;
}

bool executor_open(struct stage_world *w, void **self, struct error *e)
{
    (void)e;
    struct executor *x = *self;
    const struct executor_settings *s = x->settings;
    x->world = w;
    x->ledger = (struct ledger){w->store, s->pool, x->instance, s->keep_ms};
    struct scheduler_options so = {(size_t)s->slots, (size_t)s->window, payload_drop, cancel_order_free};
    x->scheduler = scheduler_new(&so);
    metrics_register(executor_metrics, EXECUTOR_METRICS);
    x->desk = desk_new();
    x->intake_clerk = clerk_new(x->desk, "intake");
    x->start_clerk = clerk_new(x->desk, "start");
    x->finish_clerk = clerk_new(x->desk, "finish");
    x->house_codec = codec_new(w->registry);
    x->house_clerk = clerk_new(x->desk, "house");
    x->watch = watch_new();
    return true;
}

/* Asks the servers, so not before they are known to answer: /healthz and /readyz are served meanwhile. */
static bool join(struct executor *x, struct error *e)
{
    const struct executor_settings *s = x->settings;
    /* The dead before us first: their leases are over before we ask for partitions. */
    (void)neighbours_bury(x->neighbours, &x->ledger, clock_utc_ms(), e);
    struct lease_options lo = {.ledger = &x->ledger,
        .host = x->host,
        .renew_ms = s->lease_renew_ms,
        .hold_ms = s->lease_hold_ms,
        .renewed = on_renewed,
        .over = on_lease_over,
        .self = x,
        .desk = x->desk};
    x->lease = lease_open(&lo, e);
    if (!x->lease)
        return false;
    log_info("instance", "instance=%s pool=%s slots=%lld", x->instance, s->pool, (long long)s->slots);
    return open_clients(x, e);
}

/* ---- the loop ---- */

struct bury_request {
    struct request request;
    struct executor *x;
};

static void bury_work(struct request *r)
{
    struct bury_request *b = (struct bury_request *)r;
    struct error e;
    (void)neighbours_bury(b->x->neighbours, &b->x->ledger, clock_utc_ms(), &e);
}

static void bury_done(struct request *r)
{
    ((struct bury_request *)r)->x->bury_busy = false;
    free(r);
}

static void bury_pump(struct executor *x)
{
    if (x->bury_busy || x->draining || !neighbours_any(x->neighbours))
        return;
    struct bury_request *b = calloc(1, sizeof *b);
    if (!b)
        log_fatal("out_of_memory", "what=bury");
    *b = (struct bury_request){{.work = bury_work, .done = bury_done}, x};
    x->bury_busy = true;
    clerk_ask(x->house_clerk, &b->request);
}

static void every_second(struct executor *x, int64_t now)
{
    if (now < x->next_second)
        return;
    x->next_second = now + SECOND_MS;
    x->seconds++;
    if (now >= lease_until(x->lease)) {
        engines_kill_all(x->engines);
        log_fatal("lease_over", "instance=%s reason=not_renewed", x->instance);
    }
    struct scheduler_figures f = scheduler_figures(x->scheduler);
    metric_set(&executor_metrics[M_RUNNING], (int64_t)f.tasks);
    metric_set(&executor_metrics[M_GROUPS], (int64_t)f.groups);
    metric_set(&executor_metrics[M_READY], (int64_t)f.ready);
    elsewhere_pump(x);
    bury_pump(x);
    if (x->seconds % UNSENT_EVERY == 1)
        finish_unsent(x);
    if (x->seconds % CANCELS_EVERY == 2)
        cancel_look(x);
}

static void pump(struct executor *x)
{
    intake_looks(x);
    cancel_pump(x);
    start_pump(x);
    finish_pump(x);
    intake_pump(x);
    finish_settle(x);
    requeue_pump(x);
}

/* Has everything that we began come to its end? */
static bool is_drained(const struct executor *x)
{
    return scheduler_figures(x->scheduler).tasks == 0 && !x->intake_busy && !x->start_busy &&
           x->ends_under_way == 0 && x->publications == 0 && x->settle.count == 0 && !x->settle_busy &&
           x->requeues.count == 0 && !x->requeue_busy && !x->cancel_busy && !x->unsent_busy &&
           !x->elsewhere_busy && !x->bury_busy && x->pages_due == 0 &&
           producer_pending(x->world->producer) == 0;
}

static void drain(struct executor *x, int stops, int64_t now)
{
    if (!x->draining) {
        x->draining = true;
        x->drain_until = now + x->settings->drain_ms;
        scheduler_drain(x->scheduler);
        log_info("draining", "running=%zu drain_ms=%lld", scheduler_figures(x->scheduler).tasks,
            (long long)x->settings->drain_ms);
    }
    if (!x->killing && (stops > 1 || now >= x->drain_until)) {
        x->killing = true;
        x->drain_until = now;
        log_warn("drain_over", "running=%zu", scheduler_figures(x->scheduler).tasks);
        engines_kill_all(x->engines);
    }
    if (x->killing && now >= x->drain_until + GIVE_UP_MS)
        log_fatal("drain_incomplete", "running=%zu ends=%zu reason=servers_do_not_answer",
            scheduler_figures(x->scheduler).tasks, x->ends_under_way);
}

static int64_t wait_ms(const struct executor *x, int64_t engines_next, int64_t now)
{
    int64_t until = x->next_second < engines_next ? x->next_second : engines_next;
    if (!TAILQ_EMPTY(&x->dirty) && x->flush_at < until)
        until = x->flush_at;
    return until > now ? until - now : 0;
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

bool executor_run(void *self, struct stage_world *w, struct error *e)
{
    struct executor *x = self;
    struct epoll_event events[8];
    struct bus_record none;
    if (!join(x, e))
        return *w->stop != 0;
    int epoll = watch_descriptors(x);
    while (!(x->draining && is_drained(x))) {
        int64_t now = clock_boot_ms();
        stage_tick(w);
        (void)consumer_poll(x->consumer, 0, &none);
        (void)producer_poll(w->producer, 0);
        cancel_poll(x);
        (void)desk_serve(x->desk);
        int64_t engines_next = engines_serve(x->engines, now);
        running_flush(x, now);
        every_second(x, now);
        if (*w->stop)
            drain(x, *w->stop, now);
        pump(x);
        (void)epoll_wait(epoll, events, 8, (int)wait_ms(x, engines_next, clock_boot_ms()));
    }
    close(epoll);
    log_info("drained", "instance=%s", x->instance);
    return true;
}

void executor_close(void *self)
{
    struct executor *x = self;
    if (!x)
        return;
    consumer_close(x->consumer);
    consumer_close(x->control);
    clerk_free(x->intake_clerk);
    clerk_free(x->start_clerk);
    clerk_free(x->finish_clerk);
    clerk_free(x->house_clerk);
    codec_free(x->house_codec);
    /* What these threads have answered still speaks of all that is closed below. */
    lease_stop(x->lease);
    (void)desk_serve(x->desk);
    engines_close(x->engines);
    lease_close(x->lease);
    desk_free(x->desk);
    scheduler_free(x->scheduler);
    watch_free(x->watch);
    intake_free(x);
    neighbours_close(x->neighbours);
    free(x->settle.items);
    free(x->cancels.items);
    free(x->requeues.items);
    free(x);
}
