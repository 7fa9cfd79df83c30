/* SPDX-License-Identifier: Apache-2.0 */
/* bench: how many runs a second one thread inserts, starts and closes, in batches of a given size. Figures, no verdict. */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "tests/ledger/world.h"

static void told(const char *what, size_t total, size_t batch, int64_t began_ms)
{
    int64_t ms = clock_boot_ms() - began_ms;
    printf("%-16s batches of %5zu: %7lld a second\n", what, batch,
        (long long)((int64_t)total * 1000 / (ms > 0 ? ms : 1)));
}

/* Ways that a batch goes; each is one function over the runs from `from`. */
struct bench {
    struct ledger ledger;
    struct arena arena;
    struct run_insert *inserts;
    struct run_start *starts;
    struct run_close *closes;
};

static bool bench_insert(struct bench *b, size_t from, size_t count, struct error *e)
{
    arena_reset(&b->arena);
    return ledger_insert(&b->ledger, b->inserts + from, count, NULL, NOW, &b->arena, e);
}

static bool bench_start(struct bench *b, size_t from, size_t count, struct error *e)
{
    int64_t modified;
    return ledger_start(&b->ledger, b->starts + from, count, NOW, &modified, e) && modified == (int64_t)count;
}

static bool bench_close(struct bench *b, size_t from, size_t count, struct error *e)
{
    int64_t modified;
    return ledger_close(&b->ledger, b->closes + from, count, OUTCOME, NOW, &modified, e) &&
           modified == (int64_t)count;
}

int bench(size_t total, size_t batch)
{
    static char payload[1000];
    static const struct {
        const char *name;
        bool (*run)(struct bench *b, size_t from, size_t count, struct error *e);
        bool each_its_own; /* retries: no two of them are equal */
        int64_t attempt;
    } steps[] = {
        {"insert", bench_insert, false, 0},
        {"start", bench_start, false, 0},
        {"close: retry", bench_close, true, 1},
        {"start again", bench_start, false, 1},
        {"close: end", bench_close, false, 2},
    };
    struct bench b = {.ledger = {store, "bench", "bench-1", 3600000},
        .inserts = calloc(total, sizeof *b.inserts),
        .starts = calloc(total, sizeof *b.starts),
        .closes = calloc(total, sizeof *b.closes)};
    struct error e;
    bool ok = b.inserts && b.starts && b.closes && batch > 0;
    error_clear(&e);
    arena_init(&b.arena);
    for (size_t s = 0; ok && s < sizeof steps / sizeof steps[0]; s++) {
        for (size_t i = 0; i < total; i++) {
            if (s == 0)
                b.inserts[i] = (struct run_insert){new_id(), (int32_t)(i % 24), (int64_t)i, NO_TIME,
                    BYTES("bench/user"), BYTES("shell"), {payload, sizeof payload}, RUN_QUEUED, false};
            b.starts[i] = (struct run_start){b.inserts[i].id, steps[s].attempt};
            b.closes[i] = (struct run_close){.id = b.inserts[i].id,
                .attempt = steps[s].attempt,
                .from = RUN_RUNNING,
                .instance = bytes_of(b.ledger.instance),
                .to = steps[s].each_its_own ? RUN_QUEUED : RUN_ENDED,
                .retry_at = steps[s].each_its_own ? NOW + (int64_t)i : NO_TIME,
                .reason = "retry"};
        }
        int64_t began_ms = clock_boot_ms();
        for (size_t from = 0; ok && from < total; from += batch)
            ok = steps[s].run(&b, from, total - from < batch ? total - from : batch, &e);
        if (ok)
            told(steps[s].name, total, batch, began_ms);
        else
            fprintf(stderr, "ledger-tool: %s: %s: %s\n", steps[s].name, e.code, e.text);
    }
    arena_release(&b.arena);
    free(b.inserts);
    free(b.starts);
    free(b.closes);
    return ok ? 0 : 1;
}
