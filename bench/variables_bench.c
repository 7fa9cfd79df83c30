/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables-bench: jobs per second that one core converts: a job of 300 bytes and one of 50 KB, without variables, with few, with nothing but them, and with the
 * defaults of four selectors.
 *     variables-bench [SECONDS]
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
        for (int i = 0; i < 20; i++, done++) {
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

int main(int argc, char **argv)
{
    static const char plain[] =
        "select customer_id, sum(amount) as total from sales.orders where day = '2024-05-15' "
        "group by customer_id;\n";
    static const char filled[] =
        "select customer_id, sum(amount) * ${n*2} from ${schema}.orders where day between '${run_date-7}' "
        "and '&{yyyy-MM-dd%-1d}' group by 1;\n";
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    struct pair pair = {BYTES("d"), BYTES("v")};
    struct job_default items[] = {default_of("*", &pair), default_of("ide/*", &pair),
        default_of("ide/ann", &pair), default_of("ide/ann,engine=sqlite", &pair)};
    struct error e;
    struct buf code;

    error_clear(&e);
    struct engine_list *engines = engine_list_open("engines", &e);
    struct zones *zones = engines != NULL ? zones_open("/usr/share/zoneinfo", &e) : NULL;
    if (zones == NULL) {
        fprintf(stderr, "%s (run it in the project's folder)\n", e.text);
        return 1;
    }
    struct defaults *defaults = defaults_of(items, 4);
    struct convert_rules rules = {.engines = engines,
        .submission_max_bytes = 1 << 20,
        .derived_max_bytes = 8 << 20,
        .limits = {0, 1000, 1000, 1000},
        .most = {1000, 1000, 1000, 1000},
        .retry = {.max_attempts = 1, .backoff_ms = 1, .max_backoff_ms = 1, .on_lost = ON_LOST_RETRY},
        .zones = zones,
        .timezone = "UTC"};
    buf_init(&code);
    for (int with = 0; with < 2; with++) {
        rules.defaults = with ? defaults : NULL;
        repeat(&code, plain, 280);
        run(with ? "small, defaults" : "small", &rules, buf_bytes(&code), seconds);
        repeat(&code, filled, 280);
        run(with ? "small, variables, defaults" : "small, variables", &rules, buf_bytes(&code), seconds);
        repeat(&code, plain, 50 * 1024);
        run(with ? "50 KB, defaults" : "50 KB", &rules, buf_bytes(&code), seconds);
        buf_add_text(&code, filled);
        run(with ? "50 KB, 4 variables, defaults" : "50 KB, 4 variables", &rules, buf_bytes(&code), seconds);
        repeat(&code, filled, 50 * 1024);
        run(with ? "50 KB, 1800 variables, defaults" : "50 KB, 1800 variables", &rules, buf_bytes(&code),
            seconds);
    }
    buf_release(&code);
    defaults_free(defaults);
    zones_close(zones);
    engine_list_close(engines);
    return 0;
}
