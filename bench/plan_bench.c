/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-bench: how many jobs a second one core plans: a JobConverted is decoded, planned, and encoded as a JobPlanned and as the event
 * that tells of it, as the planner does; and how many it plans alone, without reading and writing records. Of 300 bytes and of 50 KB of
 * code in 50 and 500 statements, and of parts and strategies. In processor time, so that others on the machine count less.
 *     plan-bench [SECONDS for each row]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/codec.h"
#include "planner/plan_world.h"

enum { SMALL_BYTES = 300, LARGE_BYTES = 50 * 1024, BATCH = 50 };

struct row {
    const char *name;
    size_t bytes, statements, parts; /* parts: of one statement each */
    const char *strategy;
    const char *conf_session;
    bool changed; /* variables were filled in: each statement has its text */
    bool cached;
};

static const struct row rows[] = {
    {"300 bytes", SMALL_BYTES, 1, 0, NULL, NULL, false, false},
    {"300 bytes, variables", SMALL_BYTES, 1, 0, NULL, NULL, true, false},
    {"300 bytes, cache", SMALL_BYTES, 1, 0, NULL, NULL, false, true},
    {"300 bytes, race of 3", SMALL_BYTES, 1, 0, "race", NULL, false, false},
    {"300 bytes, 3 parts", SMALL_BYTES, 3, 3, NULL, NULL, false, false},
    {"50 KB, 50 statements", LARGE_BYTES, 50, 0, NULL, NULL, false, false},
    {"50 KB, 500 statements", LARGE_BYTES, 500, 0, NULL, NULL, false, false},
    {"50 KB, 50 with variables", LARGE_BYTES, 50, 0, NULL, NULL, true, false},
    {"50 KB, 500 with variables", LARGE_BYTES, 500, 0, NULL, NULL, true, false},
    {"50 KB, 500 nodes", LARGE_BYTES, 500, 0, NULL, "statement", false, false},
    {"50 KB, 500 parts", LARGE_BYTES, 500, 500, NULL, NULL, false, false},
};

static struct bytes make_code(size_t bytes, struct arena *a)
{
    static const char piece[] = "select customer_id, sum(amount) as total from sales.orders ";
    char *code = arena_alloc(a, bytes + 1);

    for (size_t i = 0; i < bytes; i++)
        code[i] = piece[i % (sizeof(piece) - 1)];
    return (struct bytes){code, bytes};
}

/* A third waits for the first, a third for the part before, a third for nobody. */
static void add_parts(struct job *j, size_t count, struct arena *a)
{
    j->parts.items = arena_array(a, count, sizeof(*j->parts.items));
    j->parts.count = count;
    for (size_t i = 0; i < count; i++) {
        struct job_part *p = &j->parts.items[i];
        *p = (struct job_part){.id = arena_printf(a, "part%zu", i),
            .engine = j->engine,
            .code_type = j->code_type,
            .code = BYTES(""),
            .after = {arena_array(a, 1, sizeof(struct bytes)), i % 3 == 0 ? 0 : 1}};
        p->after.items[0] = i > 0 ? j->parts.items[i % 3 == 1 ? 0 : i - 1].id : BYTES_NONE;
        j->statements.items[i].part = p->id;
    }
}

static void add_pair(struct pairs *pairs, const char *key, const char *value, struct arena *a)
{
    pairs->items = arena_array(a, 1, sizeof(*pairs->items));
    pairs->count = 1;
    pairs->items[0] = (struct pair){bytes_of(key), bytes_of(value)};
}

/* As the converter hands it on. */
static void make_job(const struct row *r, struct job *j, struct arena *a)
{
    static const char *const targets[] = {"a", "b", "c"};
    size_t length = r->bytes / r->statements;

    shape_clear(&shape_converted, j);
    j->job_id = BYTES("019a0000-0000-7000-8000-000000000001");
    j->creator = BYTES("ide");
    j->user = j->submitter = BYTES("ann");
    j->engine = BYTES("words");
    j->code_type = BYTES("text");
    j->timezone = BYTES("UTC");
    j->limits = (struct job_limits){0, 86400000, 1 << 24, 1000000};
    j->retry = (struct job_retry){
        .max_attempts = 1, .backoff_ms = 1000, .max_backoff_ms = 300000, .node_attempts = 1};
    j->submitted_at = j->times.accepted = j->times.converted = 1715851812345;
    j->code = make_code(r->bytes, a);
    add_pair(&j->variables, "day", "2026-01-31", a);
    add_pair(&j->labels, r->cached ? "cache" : "team", r->cached ? "10m" : "analytics", a);
    if (r->conf_session != NULL)
        add_pair(&j->conf, "session", r->conf_session, a);
    j->statements.items = arena_array(a, r->statements, sizeof(*j->statements.items));
    j->statements.count = r->statements;
    for (size_t i = 0; i < r->statements; i++) {
        struct job_statement s = {.index = (int64_t)i,
            .offset = (int64_t)(i * length),
            .length = (int64_t)length - 1,
            .first_line = (int64_t)i + 1};
        s.text = r->changed ? bytes_slice(j->code, i * length, length - 1) : BYTES_NONE;
        j->statements.items[i] = s;
    }
    if (r->parts > 0)
        add_parts(j, r->parts, a);
    if (r->strategy != NULL) {
        j->strategy = arena_alloc(a, sizeof(*j->strategy));
        *j->strategy =
            (struct job_strategy){bytes_of(r->strategy), {arena_array(a, 3, sizeof(struct bytes)), 3}};
        for (size_t i = 0; i < 3; i++)
            j->strategy->targets.items[i] = bytes_of(targets[i]);
    }
}

struct bench {
    struct codec *codec;
    struct plan_rules rules;
    struct job job; /* that is planned alone */
    struct buf in, out;
    struct arena arena;
};

static void must(bool ok, const char *what, const struct error *e)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, e->text);
    exit(1);
}

/* What the planner's step does with a record. */
static void plan_one(struct bench *b)
{
    struct event event;
    struct error e;
    struct job j;

    error_clear(&e);
    must(codec_decode(b->codec, &shape_converted, buf_bytes(&b->in), false, &b->arena, &j, &e) == CODEC_OK,
        "decode", &e);
    must(plan_job(&b->rules, &j, &b->arena), "plan", &e);
    shape_clear(&shape_event, &event);
    event.job_id = j.job_id;
    event.group = job_group(&b->arena, &j);
    event.origin = j.origin;
    event.phase = PHASE_PLANNED;
    event.at = j.times.converted;
    event.stage = BYTES("planner");
    event.times = j.times;
    event.plan = &j;
    buf_clear(&b->out);
    must(codec_encode(b->codec, &shape_event, &event, &b->out, &e), "encode", &e);
    must(codec_encode(b->codec, &shape_planned, &j, &b->out, &e), "encode", &e);
}

/* Of this process: others on the machine don't count. */
static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void plan_alone(struct bench *b)
{
    struct job j = b->job;
    struct error e;

    error_clear(&e);
    must(plan_job(&b->rules, &j, &b->arena), "plan", &e);
}

static double jobs_a_second(struct bench *b, void (*call)(struct bench *), double seconds)
{
    double start = cpu_seconds(), took = 0;
    size_t done = 0;

    while (took < seconds) {
        for (size_t i = 0; i < BATCH; i++)
            call(b);
        arena_reset(&b->arena);
        done += BATCH;
        took = cpu_seconds() - start;
    }
    return (double)done / took;
}

static void run(struct bench *b, const struct row *r, double seconds)
{
    struct arena a;
    struct error e;

    arena_init(&a);
    make_job(r, &b->job, &a);
    buf_clear(&b->in);
    must(codec_encode(b->codec, &shape_converted, &b->job, &b->in, &e), "encode", &e);
    double whole = jobs_a_second(b, plan_one, seconds);
    double alone = jobs_a_second(b, plan_alone, seconds);
    printf("%-28s %6zu bytes  %9.0f jobs/s  %7.1f MB/s  %9.0f jobs/s alone\n", r->name, r->bytes, whole,
        whole * (double)r->bytes / 1e6, alone);
    arena_release(&a);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    struct bench b = {.codec = codec_new(NULL)};
    const struct plan_settings settings = {
        "default,fast", "team=analytics pool/fast; team=finance pool/default"};
    struct arena a;
    struct error e;

    error_clear(&e);
    arena_init(&a);
    arena_init(&b.arena);
    buf_init(&b.in);
    buf_init(&b.out);
    struct engine_list *engines = engine_list_open("engines/examples", &e);
    must(engines != NULL && plan_rules_read(&settings, engines, &a, &b.rules, &e),
        "run it in the project's folder", &e);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run(&b, &rows[i], seconds);
    engine_list_close(engines);
    codec_free(b.codec);
    buf_release(&b.in);
    buf_release(&b.out);
    arena_release(&b.arena);
    arena_release(&a);
    return 0;
}
