/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger-tool: the ledger's statements against a real server (tests/flow/test_ledger.py runs it).
 *
 *   ledger-tool URI DATABASE               all cases
 *   ledger-tool URI DATABASE lost          the same; the URI leads through a relay that loses answers
 *   ledger-tool URI DATABASE bench TOTAL BATCH
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/ledger/world.h"

struct store *store;
bool lost;

void world_init(struct world *w)
{
    static atomic_int numbers;
    /* Another run on the same database has other names. */
    long long n = getpid() * 1000LL + atomic_fetch_add(&numbers, 1);
    memset(w, 0, sizeof *w);
    snprintf(w->pool, sizeof w->pool, "pool-%lld", n);
    snprintf(w->instance, sizeof w->instance, "executor-%lld-a", n);
    snprintf(w->other_instance, sizeof w->other_instance, "executor-%lld-b", n);
    snprintf(w->group, sizeof w->group, "creator/user-%lld", n);
    w->ledger = (struct ledger){store, w->pool, w->instance, 60000};
    w->other = (struct ledger){store, w->pool, w->other_instance, 60000};
    arena_init(&w->arena);
    error_clear(&w->e);
}

void world_release(struct world *w)
{
    assert_string_equal(w->e.code, "");
    arena_release(&w->arena);
}

struct uuid new_id(void)
{
    struct uuid id;
    uuid_v7(&id, NOW);
    return id;
}

struct run_insert new_run(struct world *w, int64_t seq)
{
    return (struct run_insert){.id = new_id(),
        .partition = PARTITION,
        .seq = seq,
        .wake_at = NO_TIME,
        .group = bytes_of(w->group),
        .engine = BYTES("postgres@warehouse"),
        .payload = BYTES("a\0payload"),
        .state = RUN_QUEUED};
}

void insert(struct world *w, struct run_insert *items, size_t count)
{
    assert_true(ledger_insert(&w->ledger, items, count, OUTCOME, NOW, &w->arena, &w->e));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].duplicate, lost);
}

struct run read_run(struct world *w, const struct uuid *id)
{
    struct runs found;
    assert_true(ledger_find(&w->ledger, id, 1, true, 0, &w->arena, &found, &w->e));
    assert_int_equal(found.count, 1);
    return found.items[0];
}

void start(const struct ledger *l, const struct uuid *id, int64_t attempt)
{
    struct run_start item = {*id, attempt};
    struct error e;
    int64_t modified;
    assert_true(ledger_start(l, &item, 1, NOW, &modified, &e));
    assert_changed(modified, 1);
}

struct uuid running_run(struct world *w, int64_t seq)
{
    struct run_insert item = new_run(w, seq);
    insert(w, &item, 1);
    start(&w->ledger, &item.id, 0);
    return item.id;
}

struct run_close closing(const struct world *w, const struct uuid *id, int64_t attempt)
{
    return (struct run_close){.id = *id,
        .attempt = attempt,
        .from = RUN_RUNNING,
        .instance = bytes_of(w->instance),
        .to = RUN_ENDED,
        .retry_at = NO_TIME};
}

int64_t close_one(struct world *w, struct run_close item)
{
    int64_t modified = -1;
    assert_true(ledger_close(&w->ledger, &item, 1, OUTCOME, NOW, &modified, &w->e));
    return modified;
}

bson_t *document(const char *collection, const char *id)
{
    bson_t filter = BSON_INITIALIZER, doc;
    bool found;
    struct error e;
    BSON_APPEND_UTF8(&filter, "_id", id);
    assert_true(store_find_one(store, collection, &filter, NULL, &doc, &found, 0, &e));
    assert_true(found);
    bson_t *copy = bson_copy(&doc);
    bson_destroy(&doc);
    bson_destroy(&filter);
    return copy;
}

void put(const char *collection, const char *json)
{
    bson_error_t why;
    struct error e;
    bson_t *doc = bson_new_from_json((const uint8_t *)json, -1, &why);
    assert_non_null(doc);
    const bson_t *docs[1] = {doc};
    assert_true(store_insert(store, collection, docs, 1, NULL, 0, &e));
    bson_destroy(doc);
}

static int run_all(void)
{
    const struct {
        const struct CMUnitTest *cases;
        size_t count;
    } tables[] = {{run_cases, run_case_count}, {end_cases, end_case_count}, {other_cases, other_case_count}};
    struct CMUnitTest *all = calloc(run_case_count + end_case_count + other_case_count, sizeof *all);
    size_t count = 0;
    if (!all)
        return 2;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        memcpy(all + count, tables[i].cases, tables[i].count * sizeof *all);
        count += tables[i].count;
    }
    int failed = _cmocka_run_group_tests(lost ? "ledger, answers lost" : "ledger", all, count, NULL, NULL);
    free(all);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct error e;
    int failed = 2;
    if (argc < 3) {
        fprintf(stderr, "usage: ledger-tool URI DATABASE [lost | bench TOTAL BATCH]\n");
        return 2;
    }
    const struct store_settings settings = {.uri = argv[1], .database = argv[2]};
    error_clear(&e);
    store = store_open(&settings, "ledger-tool", &e);
    lost = argc > 3 && strcmp(argv[3], "lost") == 0;
    if (!store || !store_indexes_create(store, 20000, &e))
        fprintf(stderr, "ledger-tool: %s: %s\n", e.code, e.text);
    else if (argc == 6)
        failed = bench(strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
    else
        failed = run_all();
    store_close(store);
    return failed;
}
