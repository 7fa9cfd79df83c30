/* SPDX-License-Identifier: Apache-2.0 */
/* run_cases: runs are inserted, read and started. */
#include <pthread.h>
#include <stdio.h>

#include "tests/ledger/world.h"

/* ---- inserting and reading ---- */

static void a_new_run_is_read_as_it_was_inserted(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct run_insert item = new_run(&w, 7);
    item.wake_at = NOW + 5000;
    insert(&w, &item, 1);
    struct run r = read_run(&w, &item.id);
    assert_same_id(r.id, item.id);
    assert_int_equal(r.partition, PARTITION);
    assert_int_equal(r.seq, 7);
    assert_bytes(r.group, w.group);
    assert_bytes(r.engine, "postgres@warehouse");
    assert_int_equal(r.state, RUN_QUEUED);
    assert_int_equal(r.attempt + r.tries + r.lost, 0);
    assert_int_equal(r.queued_at, NOW);
    assert_int_equal(r.wake_at, NOW + 5000);
    assert_true(r.started_at == NO_TIME && r.retry_at == NO_TIME);
    assert_true(bytes_equal(r.payload, item.payload));
    assert_true(!r.out.data && !r.reason.data && !r.instance.data && r.node_count == 0);
    world_release(&w);
}

static void an_inserted_running_run_is_ours_in_its_first_attempt(void **state)
{
    (void)state;
    struct world w;
    struct runs mine;
    world_init(&w);
    struct run_insert item = new_run(&w, 1);
    item.state = RUN_RUNNING;
    item.wake_at = NOW + 5000; /* counts again when this start is given back before anything ran */
    insert(&w, &item, 1);
    struct run r = read_run(&w, &item.id);
    assert_true(r.state == RUN_RUNNING && r.attempt == 1 && r.tries == 1);
    assert_bytes(r.instance, w.instance);
    assert_int_equal(r.started_at, NOW);
    assert_int_equal(r.wake_at, NOW + 5000);
    assert_true(ledger_mine(&w.ledger, &w.arena, &mine, &w.e));
    assert_int_equal(mine.count, 1);
    assert_true(mine.items[0].payload.data == NULL);
    assert_true(ledger_mine(&w.other, &w.arena, &mine, &w.e));
    assert_int_equal(mine.count, 0);
    world_release(&w);
}

static void a_refused_run_is_inserted_as_ended_by_its_outcome(void **state)
{
    (void)state;
    struct world w;
    struct runs page;
    world_init(&w);
    struct run_insert item = new_run(&w, 1);
    item.state = RUN_ENDED;
    insert(&w, &item, 1);
    struct run r = read_run(&w, &item.id);
    assert_true(r.state == RUN_ENDED && r.attempt == 0 && !r.payload.data);
    assert_bytes(r.out, OUTCOME);
    assert_true(ledger_page(&w.ledger, PARTITION, -1, 10, &w.arena, &page, &w.e));
    assert_int_equal(page.count, 0);
    world_release(&w);
}

static bool there(const char *collection, const char *id)
{
    bson_t filter = BSON_INITIALIZER;
    int64_t count;
    struct error e;
    BSON_APPEND_UTF8(&filter, "_id", id);
    assert_true(store_count(store, collection, &filter, 0, &count, 0, &e));
    bson_destroy(&filter);
    return count > 0;
}

static bson_t *document_of(const char *id)
{
    bson_t *doc = bson_new(), inner;
    if (id)
        BSON_APPEND_UTF8(doc, "_id", id);
    else { /* no server takes such an id */
        BSON_APPEND_DOCUMENT_BEGIN(doc, "_id", &inner);
        BSON_APPEND_INT32(&inner, "$no", 1);
        bson_append_document_end(doc, &inner);
    }
    return doc;
}

static void what_comes_behind_a_refused_document_is_not_inserted(void **state)
{
    (void)state;
    char ids[4][UUID_TEXT_LEN + 1];
    bson_t *docs[4];
    bool duplicate[4];
    struct error e;
    error_clear(&e);
    for (size_t i = 0; i < 4; i++) {
        struct uuid id = new_id();
        uuid_format(&id, ids[i]);
        docs[i] = document_of(i == 2 ? NULL : ids[i]);
    }
    const bson_t *first[] = {docs[1]};
    assert_true(
        store_insert(store, "runs", first, 1, NULL, 0, &e)); /* a duplicate on the way changes nothing */
    assert_false(store_insert_in_order(store, "runs", (const bson_t *const *)docs, 4, duplicate, 0, &e));
    assert_true(there("runs", ids[0]) && there("runs", ids[1]));
    assert_false(there("runs", ids[3]));
    for (size_t i = 0; i < 4; i++)
        bson_destroy(docs[i]);
}

static void duplicates_are_told_and_change_nothing_and_the_others_are_inserted(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct run_insert old[2] = {new_run(&w, 1), new_run(&w, 2)};
    insert(&w, old, 2);
    start(&w.ledger, &old[0].id, 0);
    struct run_insert items[5] = {old[0], new_run(&w, 11), old[1], new_run(&w, 13), old[1]};
    items[0].seq = items[2].seq = items[4].seq = 99;
    items[0].group = BYTES("another/group");
    assert_true(ledger_insert(&w.ledger, items, 5, NULL, NOW + 1, &w.arena, &w.e));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(items[i].duplicate, lost || i % 2 == 0);
    struct run first = read_run(&w, &old[0].id);
    assert_true(first.seq == 1 && first.state == RUN_RUNNING && first.queued_at == NOW);
    assert_bytes(first.group, w.group);
    assert_int_equal(read_run(&w, &old[1].id).seq, 2);
    assert_int_equal(read_run(&w, &items[1].id).seq, 11);
    assert_int_equal(read_run(&w, &items[3].id).seq, 13);
    world_release(&w);
}

static void pages_hold_all_unfinished_runs_of_a_partition_by_place(void **state)
{
    (void)state;
    struct world w;
    struct runs page;
    world_init(&w);
    struct run_insert items[7];
    for (int i = 0; i < 7; i++)
        items[i] = new_run(&w, 10 - i);
    items[0].state = RUN_DELAYED;
    items[1].state = RUN_RUNNING;
    items[2].state = RUN_ENDED;
    items[6].partition = PARTITION + 1;
    insert(&w, items, 7);
    assert_true(ledger_page(&w.ledger, PARTITION, 5, 3, &w.arena, &page, &w.e));
    assert_int_equal(page.count, 3);
    assert_true(page.items[0].seq == 6 && page.items[1].seq == 7 && page.items[2].seq == 9);
    assert_int_equal(page.items[2].state, RUN_RUNNING);
    assert_true(ledger_page(&w.ledger, PARTITION, 9, 3, &w.arena, &page, &w.e));
    assert_int_equal(page.count, 1);
    assert_true(page.items[0].seq == 10 && page.items[0].state == RUN_DELAYED && !page.items[0].payload.data);
    world_release(&w);
}

static void a_look_shows_what_is_queued_or_runs_but_not_what_is_delayed(void **state)
{
    (void)state;
    struct world w;
    struct runs look;
    world_init(&w);
    struct run_insert items[6];
    for (int i = 0; i < 6; i++)
        items[i] = new_run(&w, i);
    items[0].state = RUN_DELAYED;
    items[1].state = RUN_ENDED;
    items[2].state = RUN_RUNNING;
    items[3].group = BYTES("somebody/else");
    insert(&w, items, 6);
    assert_true(ledger_look(&w.ledger, bytes_of(w.group), 2, &w.arena, &look, &w.e));
    assert_int_equal(look.count, 2);
    assert_true(look.items[0].seq == 2 && look.items[1].seq == 4 && !look.items[0].payload.data);
    assert_true(ledger_group(&w.ledger, bytes_of(w.group), -1, 10, &w.arena, &look, &w.e));
    assert_int_equal(look.count, 4);
    assert_true(look.items[0].seq == 0 && look.items[0].state == RUN_DELAYED);
    assert_true(ledger_group(&w.ledger, bytes_of(w.group), 2, 1, &w.arena, &look, &w.e));
    assert_int_equal(look.count, 1);
    assert_int_equal(look.items[0].seq, 4);
    world_release(&w);
}

static void a_find_leaves_out_what_is_missing_and_brings_payloads_only_when_asked(void **state)
{
    (void)state;
    struct world w;
    struct runs found;
    bool ours;
    world_init(&w);
    const struct uuid ids[2] = {running_run(&w, 1), new_id()};
    const struct run_node node = {BYTES("n1"), BYTES("event")};
    assert_true(ledger_node(&w.ledger, &ids[0], 1, &node, &ours, &w.e));
    assert_true(ledger_find(&w.ledger, ids, 2, false, 0, &w.arena, &found, &w.e));
    assert_int_equal(found.count, 1);
    assert_true(!found.items[0].payload.data && found.items[0].node_count == 0);
    assert_true(ledger_find(&w.ledger, ids, 2, true, 0, &w.arena, &found, &w.e));
    assert_int_equal(found.count, 1);
    assert_true(found.items[0].payload.data && found.items[0].node_count == 1);
    assert_true(ledger_find(&w.ledger, ids, 0, true, 0, &w.arena, &found, &w.e));
    assert_int_equal(found.count, 0);
    world_release(&w);
}

/* 16 MiB is what a document may have. */
static void a_node_that_does_not_fit_is_refused_at_once(void **state)
{
    (void)state;
    enum { EVENT_BYTES = 9 << 20 };
    static char heavy[EVENT_BYTES];
    struct world w;
    bool ours;
    world_init(&w);
    const struct uuid id = running_run(&w, 1);
    const struct run_node first = {BYTES("n1"), {heavy, EVENT_BYTES}},
                          second = {BYTES("n2"), {heavy, EVENT_BYTES}}, small = {BYTES("n3"), BYTES("event")};
    assert_true(ledger_node(&w.ledger, &id, 1, &first, &ours, &w.e));
    assert_true(ours);
    assert_false(ledger_node(&w.ledger, &id, 1, &second, &ours, &w.e));
    assert_string_equal(w.e.code, STORE_TOO_LARGE);
    error_clear(&w.e);
    assert_true(ledger_node(&w.ledger, &id, 1, &small, &ours, &w.e));
    assert_true(ours);
    world_release(&w);
}

static void however_large_the_payloads_are_a_find_may_be_bounded(void **state)
{
    (void)state;
    enum { HEAVY = 6, HEAVY_BYTES = 1 << 20 };
    static char heavy[HEAVY_BYTES];
    struct world w;
    struct runs found;
    struct uuid ids[HEAVY];
    world_init(&w);
    for (int i = 0; i < HEAVY; i++) {
        struct run_insert item = new_run(&w, i);
        item.payload = (struct bytes){heavy, HEAVY_BYTES};
        ids[i] = item.id;
        insert(&w, &item, 1);
    }
    assert_true(ledger_find(&w.ledger, ids, HEAVY, true, HEAVY_BYTES * 2, &w.arena, &found, &w.e));
    assert_int_equal(found.count, 2);
    assert_true(ledger_find(&w.ledger, ids, HEAVY, true, 1, &w.arena, &found, &w.e));
    assert_int_equal(found.count, 1); /* at least one: else nobody would get on */
    assert_true(ledger_find(&w.ledger, ids, HEAVY, true, 0, &w.arena, &found, &w.e));
    assert_int_equal(found.count, HEAVY);
    world_release(&w);
}

/* ---- starting ---- */

static void a_start_changes_only_runs_that_are_as_believed(void **state)
{
    (void)state;
    struct world w;
    int64_t modified;
    world_init(&w);
    struct run_insert items[5];
    for (int i = 0; i < 5; i++)
        items[i] = new_run(&w, i);
    items[1].state = RUN_DELAYED;
    items[2].state = RUN_ENDED;
    insert(&w, items, 5);
    start(&w.other, &items[3].id, 0);
    /* Queued, delayed, ended, running elsewhere; the last is believed in a later attempt than it is. */
    struct run_start starts[5];
    for (int i = 0; i < 5; i++)
        starts[i] = (struct run_start){items[i].id, i == 4 ? 1 : 0};
    assert_true(ledger_start(&w.ledger, starts, 5, NOW + 9, &modified, &w.e));
    assert_changed(modified, 1);
    struct run r = read_run(&w, &items[0].id);
    assert_true(r.state == RUN_RUNNING && r.attempt == 1 && r.tries == 1 && r.started_at == NOW + 9);
    assert_bytes(r.instance, w.instance);
    assert_int_equal(read_run(&w, &items[1].id).state, RUN_DELAYED);
    assert_int_equal(read_run(&w, &items[2].id).state, RUN_ENDED);
    assert_bytes(read_run(&w, &items[3].id).instance, w.other_instance);
    assert_int_equal(read_run(&w, &items[4].id).state, RUN_QUEUED);
    assert_true(ledger_start(&w.ledger, starts, 1, NOW + 10, &modified, &w.e));
    assert_int_equal(modified, 0);
    assert_int_equal(read_run(&w, &items[0].id).attempt, 1);
    world_release(&w);
}

static void a_start_forgets_why_the_run_waited_and_a_charged_end_until_when(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct run_insert item = new_run(&w, 1);
    item.wake_at = NOW;
    insert(&w, &item, 1);
    start(&w.ledger, &item.id, 0);
    struct run_close c = closing(&w, &item.id, 1);
    c.to = RUN_QUEUED;
    c.reason = "held";
    c.uncharged = c.unlaunched = true;
    assert_changed(close_one(&w, c), 1);
    assert_int_equal(read_run(&w, &item.id).wake_at, NOW);
    start(&w.ledger, &item.id, 1);
    c = closing(&w, &item.id, 2);
    c.to = RUN_QUEUED;
    c.retry_at = NOW;
    c.reason = "retry";
    assert_changed(close_one(&w, c), 1);
    assert_true(read_run(&w, &item.id).wake_at == NO_TIME);
    start(&w.ledger, &item.id, 2);
    struct run r = read_run(&w, &item.id);
    assert_true(r.retry_at == NO_TIME && !r.reason.data && r.attempt == 3 && r.tries == 2 && r.payload.data);
    world_release(&w);
}

static void starts_of_different_attempts_go_together(void **state)
{
    (void)state;
    struct world w;
    int64_t modified;
    world_init(&w);
    struct run_insert items[6];
    struct run_start starts[6];
    for (int i = 0; i < 6; i++)
        items[i] = new_run(&w, i);
    insert(&w, items, 6);
    /* 1, 3: second attempt; 5: third; the others: first. */
    for (int i = 0; i < 6; i++) {
        int64_t attempts = i == 5 ? 2 : i % 2;
        for (int64_t n = 0; n < attempts; n++) {
            start(&w.ledger, &items[i].id, n);
            struct run_close c = closing(&w, &items[i].id, n + 1);
            c.to = RUN_QUEUED;
            c.reason = "drained";
            assert_changed(close_one(&w, c), 1);
        }
        starts[i] = (struct run_start){items[i].id, attempts};
    }
    assert_true(ledger_start(&w.ledger, starts, 6, NOW, &modified, &w.e));
    assert_changed(modified, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(read_run(&w, &items[i].id).attempt, starts[i].attempt + 1);
    world_release(&w);
}

enum { RIVALS = 4, PRIZES = 150 };
struct rival {
    pthread_t thread;
    struct ledger ledger;
    char instance[40];
    const struct run_start *starts;
    int64_t modified;
    bool ok;
};

static void *compete(void *self)
{
    struct rival *r = self;
    struct error e;
    r->ok = ledger_start(&r->ledger, r->starts, PRIZES, NOW, &r->modified, &e);
    return NULL;
}

static void of_rivals_that_start_the_same_runs_one_gets_each(void **state)
{
    (void)state;
    struct world w;
    static struct run_insert items[PRIZES];
    static struct run_start starts[PRIZES];
    struct rival rivals[RIVALS];
    int64_t sum = 0, owned = 0;
    world_init(&w);
    for (int i = 0; i < PRIZES; i++) {
        items[i] = new_run(&w, i);
        starts[i] = (struct run_start){items[i].id, 0};
    }
    insert(&w, items, PRIZES);
    for (int i = 0; i < RIVALS; i++) {
        rivals[i] = (struct rival){.ledger = w.ledger, .starts = starts};
        snprintf(rivals[i].instance, sizeof rivals[i].instance, "%.30s-%d", w.instance, i);
        rivals[i].ledger.instance = rivals[i].instance;
    }
    for (int i = 0; i < RIVALS; i++)
        assert_int_equal(pthread_create(&rivals[i].thread, NULL, compete, &rivals[i]), 0);
    for (int i = 0; i < RIVALS; i++) {
        pthread_join(rivals[i].thread, NULL);
        assert_true(rivals[i].ok);
        sum += rivals[i].modified;
    }
    if (!lost)
        assert_int_equal(sum, PRIZES);
    for (int i = 0; i < RIVALS; i++) {
        struct runs mine;
        assert_true(ledger_mine(&rivals[i].ledger, &w.arena, &mine, &w.e));
        owned += (int64_t)mine.count;
        if (!lost)
            assert_int_equal(mine.count, rivals[i].modified);
        for (size_t k = 0; k < mine.count; k++)
            assert_true(mine.items[k].attempt == 1 && mine.items[k].tries == 1);
    }
    assert_int_equal(owned, PRIZES);
    world_release(&w);
}

const struct CMUnitTest run_cases[] = {
    cmocka_unit_test(a_new_run_is_read_as_it_was_inserted),
    cmocka_unit_test(an_inserted_running_run_is_ours_in_its_first_attempt),
    cmocka_unit_test(a_refused_run_is_inserted_as_ended_by_its_outcome),
    cmocka_unit_test(duplicates_are_told_and_change_nothing_and_the_others_are_inserted),
    cmocka_unit_test(what_comes_behind_a_refused_document_is_not_inserted),
    cmocka_unit_test(pages_hold_all_unfinished_runs_of_a_partition_by_place),
    cmocka_unit_test(a_look_shows_what_is_queued_or_runs_but_not_what_is_delayed),
    cmocka_unit_test(a_find_leaves_out_what_is_missing_and_brings_payloads_only_when_asked),
    cmocka_unit_test(a_node_that_does_not_fit_is_refused_at_once),
    cmocka_unit_test(however_large_the_payloads_are_a_find_may_be_bounded),
    cmocka_unit_test(a_start_changes_only_runs_that_are_as_believed),
    cmocka_unit_test(a_start_forgets_why_the_run_waited_and_a_charged_end_until_when),
    cmocka_unit_test(starts_of_different_attempts_go_together),
    cmocka_unit_test(of_rivals_that_start_the_same_runs_one_gets_each),
};
const size_t run_case_count = sizeof run_cases / sizeof run_cases[0];
