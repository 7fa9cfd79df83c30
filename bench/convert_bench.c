/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_bench: how many codes of 300 bytes and of 50 KB a second core splits, limits and checks. In
 * processor time, so that other programs on the machine count less. Usage: convert-bench [SECONDS for each row]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "converter/dangers.h"
#include "converter/row_limit.h"
#include "converter/split.h"
#include "converter/verbs.h"

enum { SMALL_BYTES = 300, LARGE_BYTES = 50000 };

struct bench {
    struct bytes sql, shell, python;
    struct arena arena;
};

static const char sql_piece[] =
    "select o.id, c.name, sum(o.price * o.amount) as total -- per customer\n"
    "from orders o join customers c on c.id = o.customer\n"
    "where o.day between '2026-01-01' and '2026-01-31' and c.country in ('de', 'at', 'ch')\n"
    "group by o.id, c.name order by total desc;\n";
static const char shell_piece[] =
    "for f in /data/in/*.csv; do\n"
    "  name=\"$(basename \"$f\" .csv)\" # without its end\n"
    "  sort -u \"$f\" | gzip -c > \"/data/out/${name}.gz\" || echo \"failed: $name\" >&2\n"
    "done\n";
static const char python_piece[] = "import pandas as pd\n"
                                   "def load(path):\n"
                                   "    frame = pd.read_csv(path, sep=';')  # as exported\n"
                                   "    return frame[frame['amount'] > 0].groupby('customer').sum()\n"
                                   "print(f'{load(\"/data/in/orders.csv\")}')\n";

static struct bytes repeat(struct arena *a, const char *piece, size_t size)
{
    struct bytes part = bytes_of(piece);
    struct buf b;

    buf_init(&b);
    do
        buf_add_bytes(&b, part);
    while (b.len + part.len <= size);
    struct bytes whole = arena_copy(a, buf_bytes(&b));
    buf_release(&b);
    return whole;
}

static struct bytes text_of(struct bytes code, const struct job_statement *s)
{
    return bytes_slice(code, (size_t)s->offset, (size_t)s->length);
}

static size_t split(struct bench *b)
{
    struct split s;

    if (split_sql(b->sql, SQL_POSTGRES, SPLIT_STATEMENTS_MAX, &b->arena, &s) != SPLIT_OK)
        exit(1);
    return b->sql.len;
}

static size_t split_and_limit(struct bench *b)
{
    struct row_limit limited;
    struct split s;

    if (split_sql(b->sql, SQL_POSTGRES, SPLIT_STATEMENTS_MAX, &b->arena, &s) != SPLIT_OK)
        exit(1);
    for (size_t i = 0; i < s.count; i++) {
        if (row_limit_apply(text_of(b->sql, &s.items[i]), SQL_POSTGRES, 5000, &b->arena, &limited) !=
            ROW_LIMIT_ADDED)
            exit(1);
    }
    return b->sql.len;
}

static size_t verbs(struct bench *b)
{
    struct bytes phrases[] = {BYTES("drop"), BYTES("truncate"), BYTES("delete without where")};
    struct strings list = {phrases, 3};
    struct findings f = {.count = 0};

    verbs_check(b->sql, SQL_POSTGRES, &list, &b->arena, &f);
    return b->sql.len;
}

static size_t all_of_sql(struct bench *b)
{
    verbs(b);
    return split_and_limit(b);
}

static size_t dangers(struct bench *b, struct bytes code, enum language language)
{
    struct bytes names[] = {BYTES("shell"), BYTES("python")};
    struct strings list = {names, 2};
    struct findings f = {.count = 0};

    dangers_check(code, language, &list, &b->arena, &f);
    return code.len;
}

static size_t shell(struct bench *b)
{
    return dangers(b, b->shell, LANGUAGE_SHELL);
}

static size_t python(struct bench *b)
{
    return dangers(b, b->python, LANGUAGE_PYTHON);
}

static double processor_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(struct bench *b, const char *name, size_t (*call)(struct bench *), double seconds)
{
    double start = processor_seconds();

    int64_t calls = 0;
    double now;
    size_t bytes = 0;

    do {
        for (int i = 0; i < 100; i++)
            bytes = call(b);
        arena_reset(&b->arena);
        calls += 100;
        now = processor_seconds();
    } while (now < start + seconds);
    double rate = (double)calls / (now - start);
    printf("%-22s %6zu bytes %10.0f codes/s %7.1f MB/s\n", name, bytes, rate, rate * (double)bytes / 1e6);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t (*call)(struct bench *);
    } rows[] = {
        {"split", split},
        {"split, row limit", split_and_limit},
        {"verbs", verbs},
        {"split, limit, verbs", all_of_sql},
        {"dangers of shell", shell},
        {"dangers of python", python},
    };
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    struct arena texts;

    arena_init(&texts);
    for (int large = 0; large < 2; large++) {
        size_t size = large ? LARGE_BYTES : SMALL_BYTES;
        struct bench b = {.sql = repeat(&texts, sql_piece, size),
            .shell = repeat(&texts, shell_piece, size),
            .python = repeat(&texts, python_piece, size)};
        arena_init(&b.arena);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            measure(&b, rows[i].name, rows[i].call, seconds);
        arena_release(&b.arena);
    }
    arena_release(&texts);
    return 0;
}
