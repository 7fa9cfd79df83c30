/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables-bench: jobs per second that one core converts: of 300 bytes and of 50 KB of SQL, without variables, with some, with nothing but
 * them; alone, with the defaults of four selectors, with the rules of a creator; one statement of 1 KB to 10 MB; and a text that lines cut
 * into parts. In processor time, so that others on the machine count less.
 *     variables-bench [SECONDS for each row]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "converter/convert.h"

#define NOW 1715851812345LL

static struct job_default default_of(const char *selector, struct pair *pair)
{
    struct job_default d;

    shape_clear(&shape_default, &d);
    d.selector = bytes_of(selector);
    d.variables = (struct pairs){pair, 1};
    return d;
}

static void make_job(struct job *j, struct bytes code, struct pairs variables)
{
    shape_clear(&shape_submitted, j);
    j->creator = BYTES("ide");
    j->user = BYTES("ann");
    j->engine = BYTES("sqlite");
    j->code_type = BYTES("sql");
    j->code = code;
    j->variables = variables;
    j->timezone = BYTES("Europe/Berlin");
}

/* Of this process: others on the machine don't count. */
static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(const char *what, const struct convert_rules *rules, struct bytes code, double seconds)
{
    struct pair pairs[] = {
        {BYTES("schema"), BYTES("sales")}, {BYTES("n"), BYTES("12.5")}, {BYTES("other"), BYTES("x")}};
    double start = cpu_seconds(), took = 0;
    int64_t done = 0, refused = 0;
    struct arena a;
    struct job j;

    arena_init(&a);
    while (took < seconds) {
        for (size_t i = 0; i < 1 + 20000 / code.len; i++, done++) {
            make_job(&j, code, (struct pairs){pairs, 3});
            refused += convert_job(rules, &j, code.len + 200, NOW, &a) ? 0 : 1;
            arena_reset(&a);
        }
        took = cpu_seconds() - start;
    }
    printf("%-34s %6zu bytes  %9.0f jobs/s  %7.1f MB/s%s\n", what, code.len, (double)done / took,
        (double)done * (double)code.len / took / 1e6, refused > 0 ? "  REFUSED" : "");
    arena_release(&a);
}

static void repeat(struct buf *out, const char *piece, size_t bytes)
{
    buf_clear(out);
    while (out->len < bytes)
        buf_add_text(out, piece);
}

struct kind {
    const char *name;
    const struct defaults *defaults;
    const struct limits *groups;
};

static void run_kind(struct convert_rules *rules, const struct kind *kind, struct buf *code, double seconds)
{
    static const char plain[] =
        "select customer_id, sum(amount) as total from sales.orders where day = '2024-05-15' "
        "group by customer_id;\n";
    static const char filled[] =
        "select customer_id, sum(amount) * ${n*2} from ${schema}.orders where day between '${run_date-7}' "
        "and '&{yyyy-MM-dd%-1d}' group by 1;\n";
    char name[64];

    rules->defaults = kind->defaults;
    rules->groups = kind->groups;
    for (int large = 0; large < 2; large++) {
        size_t bytes = large ? 50 * 1024 : 280;
        const char *size = large ? "50 KB" : "small";
        repeat(code, plain, bytes);
        snprintf(name, sizeof(name), "%s%s", size, kind->name);
        run(name, rules, buf_bytes(code), seconds);
        buf_add_text(code, filled);
        snprintf(name, sizeof(name), "%s, 4 variables%s", size, kind->name);
        run(name, rules, buf_bytes(code), seconds);
        repeat(code, filled, bytes);
        snprintf(name, sizeof(name), "%s, all variables%s", size, kind->name);
        run(name, rules, buf_bytes(code), seconds);
    }
}

/* One long statement, to see that the time is linear: the figures should be alike. */
static void run_sizes(struct convert_rules *rules, const struct kind *kind, struct buf *code, double seconds)
{
    char name[64];

    rules->defaults = NULL;
    rules->groups = kind->groups;
    for (size_t kb = 1; kb <= 10240; kb *= kb == 1024 ? 10 : 4) {
        buf_clear(code);
        buf_add_text(code, "select customer_id from sales.orders where amount = 0");
        while (code->len < kb * 1024)
            buf_add_text(code, " or day = '${run_date-7}' and note <> 'it''s; so'");
        snprintf(name, sizeof(name), "%zu KB, one statement%s", kb, kind->name);
        run(name, rules, buf_bytes(code), seconds);
    }
}

/* A text that lines cut into parts, each of which waits for the one before: the time is that of the text, not of their number squared. */
static void run_parts(struct convert_rules *rules, struct buf *code, double seconds)
{
    static const size_t counts[] = {50, 500, 1000};
    static const char statement[] = "select 1 where day = '2024-05-15';\n";
    char name[64];

    rules->defaults = NULL;
    rules->groups = NULL;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        buf_clear(code);
        for (size_t part = 0; part < counts[i]; part++) {
            size_t begin = code->len;
            buf_printf(code, "--@part n%zu", part);
            if (part > 0)
                buf_printf(code, " after=n%zu", part - 1);
            buf_add_char(code, '\n');
            do
                buf_add_text(code, statement);
            while (code->len - begin < 50 * 1024 / counts[i]);
        }
        snprintf(name, sizeof(name), "50 KB in %zu parts", counts[i]);
        run(name, rules, buf_bytes(code), seconds);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    struct pair pair = {BYTES("d"), BYTES("v")};
    struct job_default items[] = {default_of("*", &pair), default_of("ide/*", &pair),
        default_of("ide/ann", &pair), default_of("ide/ann,engine=sqlite", &pair)};
    struct bytes phrases[] = {BYTES("drop"), BYTES("truncate"), BYTES("delete without where")};
    struct limit limit;
    struct error e;
    struct buf code;

    error_clear(&e);
    struct engine_list *engines = engine_list_open("engines", &e);
    struct zones *zones = engines != NULL ? zones_open("/usr/share/zoneinfo", &e) : NULL;
    if (zones == NULL) {
        fprintf(stderr, "%s (run it in the project's folder)\n", e.text);
        return 1;
    }
    shape_clear(&shape_limit, &limit);
    limit.selector = BYTES("ide/*");
    limit.forbidden_sql = (struct strings){phrases, 3};
    limit.row_limit = 5000;
    struct defaults *defaults = defaults_of(items, 4);
    struct limits *groups = limits_of(&limit, 1);
    struct convert_rules rules = {.engines = engines,
        .submission_max_bytes = 16 << 20,
        .derived_max_bytes = 32 << 20,
        .limits = {0, 1000, 1000, 1000},
        .most = {1000, 1000, 1000, 1000},
        .retry = {.max_attempts = 1, .backoff_ms = 1, .max_backoff_ms = 1, .on_lost = ON_LOST_RETRY},
        .zones = zones,
        .timezone = "UTC"};
    const struct kind kinds[] = {
        {"", NULL, NULL}, {", defaults", defaults, NULL}, {", verbs and row limit", NULL, groups}};
    buf_init(&code);
    for (size_t i = 0; i < 3; i++)
        run_kind(&rules, &kinds[i], &code, seconds);
    run_sizes(&rules, &kinds[2], &code, seconds);
    run_parts(&rules, &code, seconds);
    buf_release(&code);
    limits_free(groups);
    defaults_free(defaults);
    zones_close(zones);
    engine_list_close(engines);
    return 0;
}
