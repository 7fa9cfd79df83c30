/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage_main: the whole of a program's main: settings, log, metrics, http, connections, signals, the loop,
 * the end.
 *
 * One more thread, the caretaker: it is woken by signals (a handler may only count and post), ends waits for
 * the store at shutdown, looks after the store for /readyz, ends a process whose loop is stuck in a step (a
 * restart is the recovery), and ends one whose shutdown is stuck.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/registry.h"
#include "core/stage_loop.h"

enum {
    LOOK_MS = 1000,       /* the caretaker's round */
    LOOK_ENDING_MS = 100, /* the same during shutdown */
    STORE_PING_MS = 1000,
    SAY_EVERY_MS = 60000,
    END_LOOP_MS = 4000, /* from the signal to the end of a program that reads topics */
    END_RUN_MS = 15000, /* from the end of a program's own loop to its end */
    HTTP_WORKERS = 8,
    HTTP_CONNECTIONS = 1000,
    HTTP_IDLE_S = 60
};

#define OF(member) offsetof(struct stage_settings, member)
const struct setting stage_settings_table[] = {
    BUS_SETTINGS(struct stage_settings, bus),
    STORE_SETTINGS(struct stage_settings, store),
    {"http.address", SETTING_TEXT, OF(http_address), "127.0.0.1", 1, 255,
        "address that /metrics, /healthz and the program's routes listen on"},
    {"log.level", SETTING_TEXT, OF(log_level), "info", 4, 5, "debug, info, warn or error"},
    {"schema_registry_url", SETTING_TEXT, OF(registry_url), "", 0, 1000,
        "a Confluent-compatible schema registry; empty: records name their schema by fingerprint"},
    {"batch_records", SETTING_INT, OF(batch_records), "1000", 1, 100000,
        "most records that are taken at once; fewer when fewer are there"},
    {"batch_bytes", SETTING_SIZE, OF(batch_bytes), "4m", 1, 1LL << 30, "most bytes that are taken at once"},
    {"step_limit", SETTING_MS, OF(step_limit_ms), "60s", 1000, 3600000,
        "a loop that does not turn for so long ends the process"},
    SETTING_END,
};

/* Signals: the stop flag and the caretaker's bell are the only globals. */
static volatile int stop_count;
static sem_t bell;

static void on_signal(int number)
{
    int saved = errno;

    (void)number;
    stop_count = stop_count + 1;
    sem_post(&bell);
    errno = saved;
}

struct program {
    const struct stage *stage;
    const struct stage_settings *settings;
    struct stage_world world;
    struct stage_pulse pulse;
    struct metric metrics[STAGE_METRICS];
    struct http_health health;
    void *self;
    bool opened;
    pthread_t caretaker;
    atomic_bool caretaker_ends;
    _Atomic int64_t end_by; /* boot ms; 0: no shutdown is under way */
};

/* ---- metrics ---- */

static const struct {
    const char *suffix;
    enum metric_kind kind;
    const char *help;
} metric_rows[STAGE_METRICS] = {
    [STAGE_RECORDS] = {"records_total", METRIC_COUNTER, "records taken and finished"},
    [STAGE_BATCHES] = {"batches_total", METRIC_COUNTER, "batches finished"},
    [STAGE_REJECTED] = {"rejected_total", METRIC_COUNTER, "records sent to jobs.dead"},
    [STAGE_RETRIES] = {"retries_total", METRIC_COUNTER, "batches tried again"},
    [STAGE_BATCH_SECONDS] = {"batch_seconds", METRIC_SECONDS,
        "from the first record of a batch to its commit"},
    [STAGE_AGE] = {"record_age_seconds", METRIC_SECONDS,
        "from the broker's timestamp to the end of processing"},
    [STAGE_LAG] = {"lag", METRIC_GAUGE, "records of the assigned partitions that wait"},
    [STAGE_UP] = {"up", METRIC_GAUGE, "1 while the program runs"},
};

static const char *metric_name(const char *stage, const char *suffix)
{
    size_t size = strlen("millrace__") + strlen(stage) + strlen(suffix) + 1;
    char *name = malloc(size); /* lives as long as the process */

    if (name == NULL)
        log_fatal("out_of_memory", "what=metrics");
    snprintf(name, size, "millrace_%s_%s", stage, suffix);
    return name;
}

/* A program with its own loop has only `up` of these. */
static void register_metrics(struct program *p)
{
    for (int i = 0; i < STAGE_METRICS; i++) {
        p->metrics[i].name = metric_name(p->stage->name, metric_rows[i].suffix);
        p->metrics[i].kind = metric_rows[i].kind;
        p->metrics[i].help = metric_rows[i].help;
    }
    if (p->stage->inputs != NULL)
        metrics_register(p->metrics, STAGE_METRICS);
    else
        metrics_register(&p->metrics[STAGE_UP], 1);
    metric_set(&p->metrics[STAGE_UP], 1);
}

/* ---- health ---- */

/* Boot ms since the loop last turned, or -1 when nothing is to be said about it. */
static int64_t stuck_ms(struct program *p)
{
    int64_t busy = atomic_load(&p->pulse.busy_since);
    int64_t turned = atomic_load(&p->pulse.turned_at);
    int64_t since = busy != 0 ? busy : turned;

    return since == 0 ? -1 : clock_boot_ms() - since;
}

static bool is_alive(void *self, struct error *e)
{
    struct program *p = self;
    int64_t stuck = stuck_ms(p);

    if (stuck < p->settings->step_limit_ms / 2)
        return true;
    return error_set(e, "stuck", "the loop did not turn for %lld ms", (long long)stuck);
}

static bool is_ready(void *self, struct error *e)
{
    struct program *p = self;

    if (stop_count > 0)
        return error_set(e, "stopping", "the program is shutting down");
    if (producer_is_away(p->world.producer))
        return error_set(
            e, "kafka_away", "kafka does not answer at %s (setting kafka.brokers)", p->settings->bus.brokers);
    if (p->world.store != NULL && !p->stage->store_may_be_away && !atomic_load(&p->pulse.store_answers))
        return error_set(e, "store_away", "mongodb does not answer (setting mongo.uri)");
    if (!atomic_load(&p->pulse.ready))
        return error_set(e, "starting", "not connected yet; the log tells what it waits for");
    return true;
}

void stage_tick(struct stage_world *w)
{
    atomic_store(&w->pulse->turned_at, clock_boot_ms());
    atomic_store(&w->pulse->ready, true);
}

/* ---- the caretaker ---- */

static void look_after_store(struct program *p)
{
    struct error e;

    error_clear(&e);
    if (p->world.store != NULL)
        atomic_store(&p->pulse.store_answers, store_ping(p->world.store, STORE_PING_MS, &e));
}

static void await_bell(int64_t ms)
{
    const struct timespec until = clock_after(CLOCK_REALTIME, ms);
    sem_timedwait(&bell, &until);
}

static void *take_care(void *arg)
{
    struct program *p = arg;
    bool told_store = false;

    while (!atomic_load(&p->caretaker_ends)) {
        await_bell(atomic_load(&p->end_by) != 0 ? LOOK_ENDING_MS : LOOK_MS);
        int64_t end_by = atomic_load(&p->end_by);
        if (end_by == 0 && stop_count > 0 && p->stage->inputs != NULL) {
            end_by = clock_boot_ms() + END_LOOP_MS;
            atomic_store(&p->end_by, end_by);
        }
        if (stop_count > 0 && p->stage->inputs != NULL && p->world.store != NULL && !told_store) {
            store_stop(p->world.store); /* a program with its own loop still needs it to drain */
            told_store = true;
        }
        if (end_by != 0 && clock_boot_ms() > end_by) {
            log_warn(
                "ended_early", "text=\"a server does not answer; what was not finished is repeated later\"");
            _exit(EXIT_DONE);
        }
        if (stuck_ms(p) > p->settings->step_limit_ms)
            log_fatal("stuck", "text=\"the loop did not turn\" ms=%lld", (long long)stuck_ms(p));
        if (stop_count == 0)
            look_after_store(p);
    }
    return NULL;
}

static void start_caretaker(struct program *p)
{
    if (pthread_create(&p->caretaker, NULL, take_care, p) != 0)
        log_fatal("no_resources", "what=thread");
}

static void catch_signals(void)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    sigemptyset(&act.sa_mask);
    act.sa_flags = SA_RESTART;
    act.sa_handler = on_signal;
    sem_init(&bell, 0, 0);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
}

/* ---- start ---- */

/* --help=routes: the page docs/reference/routes.md is made from the tables. */
static bool print_routes(const struct stage *stage, int argc, char **argv)
{
    struct buf page;

    if (argc != 2 || strcmp(argv[1], "--help=routes") != 0)
        return false;
    buf_init(&page);
    buf_printf(&page, "# Routes\n\nMade by `millrace-%s --help=routes`.\n\n", stage->name);
    if (stage->routes != NULL) {
        http_markdown(stage->routes, &page);
        buf_add_text(&page, "\n");
    }
    buf_add_text(&page, "Every program has these:\n\n");
    http_markdown(http_health_routes, &page);
    fwrite(page.data, 1, page.len, stdout);
    buf_release(&page);
    return true;
}

/* Exit code, or -1: go on. */
static int read_settings(struct program *p, int argc, char **argv)
{
    const struct setting *tables[] = {stage_settings_table, p->stage->settings, NULL};
    char program[64];
    struct error e;
    enum log_level level = LOG_INFO;

    if (print_routes(p->stage, argc, argv))
        return EXIT_DONE;
    snprintf(program, sizeof(program), "millrace-%s", p->stage->name);
    error_clear(&e);
    switch (config_load(tables, p->world.settings, program, p->stage->about, argc, argv, &e)) {
    case CONFIG_RUN:
        break;
    case CONFIG_EXIT:
        return EXIT_DONE;
    case CONFIG_BAD:
        fprintf(stderr, "%s: %s\n", program, e.text);
        return EXIT_SETTINGS;
    }
    if (!log_level_parse(p->settings->log_level, &level)) {
        fprintf(
            stderr, "%s: log.level=%s: use debug, info, warn or error\n", program, p->settings->log_level);
        return EXIT_SETTINGS;
    }
    log_init(p->stage->name, level);
    return -1;
}

static bool open_http(struct program *p, struct error *e)
{
    struct http_table tables[] = {{http_health_routes, &p->health}, {p->stage->routes, p->self}};
    struct http_options options = {.address = p->settings->http_address,
        .port = (int)p->settings->http_port,
        .max_connections = HTTP_CONNECTIONS,
        .idle_timeout_s = HTTP_IDLE_S,
        .program = p->stage->name};

    p->health = (struct http_health){is_alive, is_ready, p, p->stage->name};
    for (const struct http_route *r = p->stage->routes; r != NULL && r->method != NULL; r++) {
        if (r->where == HTTP_WORKER)
            options.workers = HTTP_WORKERS;
    }
    p->world.http = http_open(&options, tables, p->stage->routes != NULL ? 2 : 1, e);
    return p->world.http != NULL;
}

/* Objects that will connect; nothing here waits for a server. */
static bool open_world(struct program *p, struct error *e)
{
    struct stage_world *w = &p->world;
    char client[64];

    snprintf(client, sizeof(client), "millrace-%s", p->stage->name);
    if (p->settings->registry_url[0] != '\0')
        w->registry = registry_new(p->settings->registry_url, p->settings->bus.topic_prefix);
    w->codec = codec_new(w->registry);
    w->producer = producer_open(&p->settings->bus, client, e);
    if (w->producer == NULL)
        return false;
    if (p->stage->uses_store) {
        w->store = store_open(&p->settings->store, client, e);
        if (w->store == NULL)
            return false;
    }
    if (p->stage->open != NULL && !p->stage->open(w, &p->self, e))
        return false;
    p->opened = true;
    return open_http(p, e);
}

static bool wait_for_store(struct program *p)
{
    struct error e;
    int64_t said_ms = 0;

    while (stop_count == 0) {
        error_clear(&e);
        if (store_ping(p->world.store, STORE_PING_MS, &e)) {
            atomic_store(&p->pulse.store_answers, true);
            return true;
        }
        int64_t now = clock_boot_ms();
        if (said_ms == 0 || now - said_ms >= SAY_EVERY_MS) {
            said_ms = now;
            log_warn("waiting",
                "text=\"waiting for mongodb, which does not answer; it is asked again and again\" "
                "setting=mongo.uri "
                "reason=%s",
                log_quote(bytes_of(e.text)));
        }
        const struct timespec pause = {0, 200 * 1000000L};
        nanosleep(&pause, NULL); /* a start-up wait, on no job's path */
    }
    return false;
}

/* False: asked to stop before the servers were there. */
static bool wait_for_servers(struct program *p)
{
    const char *topics[64];
    size_t count = 0;

    for (const struct stage_input *i = p->stage->inputs; i != NULL && i->topic != NULL; i++) {
        MUST(count < sizeof(topics) / sizeof(topics[0]));
        topics[count++] = i->topic;
    }
    for (const char *const *t = p->world.outputs; t != NULL && *t != NULL; t++) {
        MUST(count < sizeof(topics) / sizeof(topics[0]));
        topics[count++] = *t;
    }
    if (!producer_warm(p->world.producer, topics, count, &stop_count))
        return false;
    return p->world.store == NULL || wait_for_store(p);
}

/* ---- the end ---- */

static void close_world(struct program *p)
{
    struct stage_world *w = &p->world;

    if (p->stage->inputs == NULL)
        atomic_store(&p->end_by, clock_boot_ms() + END_RUN_MS);
    http_close(w->http); /* handlers use self: first */
    if (p->opened && p->stage->close != NULL)
        p->stage->close(p->self);
    producer_close(w->producer);
    atomic_store(&p->caretaker_ends, true);
    sem_post(&bell);
    pthread_join(p->caretaker, NULL);
    store_close(w->store);
    codec_free(w->codec);
    registry_free(w->registry);
}

static bool work(struct program *p, struct error *e)
{
    if (p->stage->run != NULL) {
        if (p->stage->inputs == NULL && !wait_for_servers(p))
            return true;
        return p->stage->run(p->self, &p->world, e);
    }
    if (!wait_for_servers(p))
        return true;
    return stage_loop(&p->world, p->self, p->metrics, e);
}

/* A start that no restart can mend is told apart by its exit code. */
static _Noreturn void fail_to_start(const struct error *e)
{
    if (!error_is(e, "bad_setting"))
        log_fatal("start", "code=%s reason=%s", e->code, log_quote(bytes_of(e->text)));
    log_error("start", "code=%s reason=%s", e->code, log_quote(bytes_of(e->text)));
    _exit(EXIT_SETTINGS); /* as log_fatal: other threads may run */
}

int stage_main(const struct stage *stage, int argc, char **argv)
{
    static struct program p; /* its metrics live in the registry */
    struct error e;

    error_clear(&e);
    p.stage = stage;
    p.world = (struct stage_world){
        .stage = stage, .stop = &stop_count, .outputs = stage->outputs, .pulse = &p.pulse};
    p.world.settings = calloc(1, stage->settings_size);
    if (p.world.settings == NULL)
        log_fatal("out_of_memory", "what=settings");
    p.settings = p.world.settings;
    int code = read_settings(&p, argc, argv);
    if (code >= 0) {
        free(p.world.settings);
        return code;
    }
    catch_signals();
    register_metrics(&p);
    if (stage->prepare != NULL && !stage->prepare(p.world.settings, &p.self, &e))
        fail_to_start(&e);
    if (!open_world(&p, &e))
        fail_to_start(&e);
    start_caretaker(&p);
    log_info("started", "version=%s pid=%ld http=%s:%lld kafka=%s", MILLRACE_VERSION, (long)getpid(),
        p.settings->http_address, (long long)p.settings->http_port, p.settings->bus.brokers);
    bool done = work(&p, &e);
    if (!done)
        log_fatal("broken", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
    close_world(&p);
    log_info("stopped", "pid=%ld", (long)getpid());
    free(p.world.settings);
    return EXIT_DONE;
}
