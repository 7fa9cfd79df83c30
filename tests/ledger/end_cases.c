/* SPDX-License-Identifier: Apache-2.0 */
/* end_cases: attempts end, nodes finish, times come. */
#include "tests/ledger/world.h"

/* ---- closing ---- */

static void an_end_closes_only_the_attempt_and_the_owner_that_are_believed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct uuid id = running_run(&w, 1);
    struct run_close c = closing(&w, &id, 0);
    assert_int_equal(close_one(&w, c), 0);
    c = closing(&w, &id, 2);
    assert_int_equal(close_one(&w, c), 0);
    c = closing(&w, &id, 1);
    c.instance = bytes_of(w.other_instance);
    assert_int_equal(close_one(&w, c), 0);
    c = closing(&w, &id, 1);
    c.from = RUN_QUEUED;
    assert_int_equal(close_one(&w, c), 0);
    struct run r = read_run(&w, &id);
    assert_true(r.state == RUN_RUNNING && !r.out.data);
    assert_changed(close_one(&w, closing(&w, &id, 1)), 1);
    r = read_run(&w, &id);
    assert_int_equal(r.state, RUN_ENDED);
    assert_bytes(r.out, OUTCOME);
    assert_int_equal(close_one(&w, closing(&w, &id, 1)), 0);
    world_release(&w);
}

static void an_ended_run_keeps_nothing_large_and_expires(void **state)
{
    (void)state;
    struct world w;
    char text[UUID_TEXT_LEN + 1];
    bool ours;
    bson_iter_t it;
    world_init(&w);
    struct uuid id = running_run(&w, 1);
    const struct run_node node = {BYTES("n1"), BYTES("event")};
    assert_true(ledger_node(&w.ledger, &id, 1, &node, &ours, &w.e));
    assert_changed(close_one(&w, closing(&w, &id, 1)), 1);
    uuid_format(&id, text);
    bson_t *doc = document("runs", text);
    static const char *const gone[] = {"payload", "nodes", "wake_at", "retry_at", "reason"};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
        assert_false(bson_has_field(doc, gone[i]));
    assert_true(bson_iter_init_find(&it, doc, "final") && bson_iter_bool(&it));
    assert_true(bson_iter_init_find(&it, doc, "ended_at") && bson_iter_date_time(&it) == NOW);
    assert_true(bson_iter_init_find(&it, doc, "expire_at") && bson_iter_date_time(&it) == NOW + 60000);
    bson_destroy(doc);
    world_release(&w);
}

/* One row per way back to the queue. */
static const struct {
    const char *reason;
    int64_t retry_at;
    bool uncharged, lost;
    int64_t tries_after, lost_after;
} ways_back[] = {
    {"retry", NOW + 1000, false, false, 1, 0},
    {"retry", NOW + 2000, false, false, 1, 0},
    {"retry", NO_TIME, false, false, 1, 0},
    {"lost", NO_TIME, true, true, 0, 1},
    {"lost", NO_TIME, true, true, 0, 1},
    {"drained", NO_TIME, true, false, 0, 0},
    {"drained", NO_TIME, false, false, 1, 0},
    {"drained", NO_TIME, true, true, 0, 1},
    {"forgotten", NO_TIME, true, false, 0, 0},
    {"drained", NO_TIME, true, false, 0, 0},
};
enum { WAYS_BACK = sizeof ways_back / sizeof ways_back[0] };

static void a_run_goes_back_to_the_queue_with_its_reason_and_keeps_what_it_needs(void **state)
{
    (void)state;
    struct world w;
    int64_t modified;
    bool ours;
    struct run_close closes[WAYS_BACK + 1];
    const struct run_node node = {BYTES("n1"), BYTES("event")};
    world_init(&w);
    /* All in one call, with one that ends and whatever is equal side by side or not. */
    for (int i = 0; i <= WAYS_BACK; i++) {
        struct uuid id = running_run(&w, i);
        assert_true(ledger_node(&w.ledger, &id, 1, &node, &ours, &w.e));
        closes[i] = closing(&w, &id, 1);
        if (i == WAYS_BACK)
            continue;
        closes[i].to = RUN_QUEUED;
        closes[i].reason = ways_back[i].reason;
        closes[i].retry_at = ways_back[i].retry_at;
        closes[i].uncharged = ways_back[i].uncharged;
        closes[i].lost = ways_back[i].lost;
    }
    assert_true(ledger_close(&w.ledger, closes, WAYS_BACK + 1, OUTCOME, NOW, &modified, &w.e));
    assert_changed(modified, WAYS_BACK + 1);
    for (int i = 0; i < WAYS_BACK; i++) {
        struct run r = read_run(&w, &closes[i].id);
        assert_true(r.state == RUN_QUEUED && r.attempt == 1);
        assert_int_equal(r.tries, ways_back[i].tries_after);
        assert_int_equal(r.lost, ways_back[i].lost_after);
        assert_true(r.retry_at == ways_back[i].retry_at);
        assert_bytes(r.reason, ways_back[i].reason);
        assert_bytes(r.out, OUTCOME);
        assert_true(r.payload.data && r.node_count == 1);
    }
    assert_int_equal(read_run(&w, &closes[WAYS_BACK].id).state, RUN_ENDED);
    world_release(&w);
}

static void runs_that_never_started_are_ended_from_where_they_are_believed(void **state)
{
    (void)state;
    struct world w;
    int64_t modified;
    world_init(&w);
    struct run_insert items[4] = {new_run(&w, 1), new_run(&w, 2), new_run(&w, 3), new_run(&w, 4)};
    items[1].state = items[3].state = RUN_DELAYED;
    items[0].wake_at = items[1].wake_at = NOW;
    insert(&w, items, 4);
    struct run_close closes[4];
    for (int i = 0; i < 4; i++) {
        closes[i] = closing(&w, &items[i].id, 0);
        closes[i].from = i % 2 ? RUN_DELAYED : RUN_QUEUED;
    }
    start(&w.ledger, &items[2].id, 0);
    const struct run_due due = {items[3].id, 40, NO_TIME};
    assert_true(ledger_due(&w.ledger, &due, 1, NOW, &w.e));
    assert_true(ledger_close(&w.ledger, closes, 4, OUTCOME, NOW, &modified, &w.e));
    assert_changed(modified, 2);
    const enum run_state after[4] = {RUN_ENDED, RUN_ENDED, RUN_RUNNING, RUN_QUEUED};
    for (int i = 0; i < 4; i++)
        assert_int_equal(read_run(&w, &items[i].id).state, after[i]);
    assert_true(read_run(&w, &items[0].id).wake_at == NO_TIME);
    world_release(&w);
}

/* ---- nodes ---- */

static void finished_nodes_are_kept_for_the_owner_of_the_attempt_only(void **state)
{
    (void)state;
    static const char *const names[] = {"n1", "n2", "a.b", "$x", "%41", "", "\xc3\xa4"};
    struct world w;
    bool ours = false;
    world_init(&w);
    struct uuid id = running_run(&w, 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct run_node node = {bytes_of(names[i]), BYTES("\0event")};
        ours = false;
        assert_true(ledger_node(&w.ledger, &id, 1, &node, &ours, &w.e));
        assert_true(ours);
    }
    const struct run_node late = {BYTES("late"), BYTES("event")};
    assert_true(ledger_node(&w.ledger, &id, 2, &late, &ours, &w.e));
    assert_false(ours);
    assert_true(ledger_node(&w.other, &id, 1, &late, &ours, &w.e));
    assert_false(ours);
    struct run r = read_run(&w, &id);
    assert_int_equal(r.node_count, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < r.node_count; i++) {
        assert_bytes(r.nodes[i].id, names[i]);
        assert_true(bytes_equal(r.nodes[i].event, BYTES("\0event")));
    }
    /* Said again: the same. */
    const struct run_node again = {BYTES("n1"), BYTES("\0event")};
    assert_true(ledger_node(&w.ledger, &id, 1, &again, &ours, &w.e));
    assert_true(ours);
    assert_int_equal(read_run(&w, &id).node_count, r.node_count);
    world_release(&w);
}

/* ---- time ---- */

static void a_due_run_is_queued_at_its_new_place_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct run_insert items[3] = {new_run(&w, 1), new_run(&w, 2), new_run(&w, 3)};
    items[0].state = items[1].state = RUN_DELAYED;
    items[0].wake_at = items[1].wake_at = NOW;
    insert(&w, items, 3);
    const struct run_due dues[3] = {
        {items[0].id, 101, NO_TIME}, {items[1].id, 102, NOW + 77}, {items[2].id, 103, NOW + 77}};
    assert_true(ledger_due(&w.ledger, dues, 3, NOW + 5, &w.e));
    struct run r = read_run(&w, &items[0].id);
    assert_true(r.state == RUN_QUEUED && r.seq == 101 && r.wake_at == NO_TIME && r.queued_at == NOW + 5);
    r = read_run(&w, &items[1].id);
    assert_true(r.state == RUN_QUEUED && r.seq == 102 && r.wake_at == NOW + 77);
    r = read_run(&w, &items[2].id);
    assert_true(r.seq == 3 && r.wake_at == NO_TIME && r.queued_at == NOW);
    const struct run_due again = {items[0].id, 201, NO_TIME};
    assert_true(ledger_due(&w.ledger, &again, 1, NOW + 6, &w.e));
    assert_int_equal(read_run(&w, &items[0].id).seq, 101);
    world_release(&w);
}

static void those_whose_time_has_come_wake_the_earliest_first(void **state)
{
    (void)state;
    static const struct {
        enum run_state state;
        int64_t wake_at;
        int32_t partition;
    } rows[] = {
        {RUN_DELAYED, NOW, 1},           /* due this very moment */
        {RUN_QUEUED, NOW - 500, 2},      /* its queue timeout is over */
        {RUN_DELAYED, NOW + 1, 1},       /* later */
        {RUN_DELAYED, NOW - 1000, 7},    /* another's partition */
        {RUN_QUEUED, NO_TIME, 1},        /* no timeout */
        {RUN_RUNNING, NOW - 1000, 1},    /* runs */
        {RUN_ENDED, NOW - 1000, 1},      /* over */
        {RUN_DELAYED, NOW - 3600000, 2}, /* long due */
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    const int32_t partitions[2] = {1, 2};
    struct world w;
    struct runs woken;
    struct run_insert items[ROWS];
    world_init(&w);
    for (int i = 0; i < ROWS; i++) {
        items[i] = new_run(&w, i);
        items[i].state = rows[i].state;
        items[i].wake_at = rows[i].wake_at;
        items[i].partition = rows[i].partition;
    }
    insert(&w, items, ROWS);
    assert_true(ledger_wake(&w.ledger, partitions, 2, 0, NOW, 100, &w.arena, &woken, &w.e));
    assert_int_equal(woken.count, 3);
    assert_true(woken.items[0].seq == 7 && woken.items[1].seq == 1 && woken.items[2].seq == 0);
    assert_true(bytes_equal(woken.items[0].payload, items[7].payload));
    assert_true(ledger_wake(&w.ledger, partitions, 2, 0, NOW, 2, &w.arena, &woken, &w.e));
    assert_int_equal(woken.count, 2);
    assert_true(ledger_wake(&w.ledger, partitions, 0, 0, NOW, 2, &w.arena, &woken, &w.e));
    assert_int_equal(woken.count, 0);
    world_release(&w);
}

static void however_many_are_due_one_answer_is_bounded(void **state)
{
    (void)state;
    enum { MANY = LEDGER_WAKE_MAX + 20, HEAVY = 25, HEAVY_BYTES = 1 << 20 };
    static struct run_insert items[MANY];
    static char heavy[HEAVY_BYTES];
    const int32_t partitions[2] = {PARTITION, PARTITION + 1};
    struct world w;
    struct runs woken;
    world_init(&w);
    for (int i = 0; i < MANY; i++) {
        items[i] = new_run(&w, i);
        items[i].state = RUN_DELAYED;
        items[i].wake_at = NOW - MANY + i;
    }
    insert(&w, items, MANY);
    assert_true(ledger_wake(&w.ledger, partitions, 1, 0, NOW, 100000, &w.arena, &woken, &w.e));
    assert_int_equal(woken.count, LEDGER_WAKE_MAX);
    for (int i = 0; i < HEAVY; i++) {
        items[i] = new_run(&w, i);
        items[i].state = RUN_DELAYED;
        items[i].wake_at = NOW;
        items[i].partition = PARTITION + 1;
        items[i].payload = (struct bytes){heavy, HEAVY_BYTES};
    }
    insert(&w, items, HEAVY);
    assert_true(ledger_wake(&w.ledger, partitions + 1, 1, 0, NOW, 100000, &w.arena, &woken, &w.e));
    assert_int_equal(woken.count, LEDGER_ANSWER_BYTES_MAX / HEAVY_BYTES);
    world_release(&w);
}

const struct CMUnitTest end_cases[] = {
    cmocka_unit_test(an_end_closes_only_the_attempt_and_the_owner_that_are_believed),
    cmocka_unit_test(an_ended_run_keeps_nothing_large_and_expires),
    cmocka_unit_test(a_run_goes_back_to_the_queue_with_its_reason_and_keeps_what_it_needs),
    cmocka_unit_test(runs_that_never_started_are_ended_from_where_they_are_believed),
    cmocka_unit_test(finished_nodes_are_kept_for_the_owner_of_the_attempt_only),
    cmocka_unit_test(a_due_run_is_queued_at_its_new_place_once),
    cmocka_unit_test(those_whose_time_has_come_wake_the_earliest_first),
    cmocka_unit_test(however_many_are_due_one_answer_is_bounded),
};
const size_t end_case_count = sizeof end_cases / sizeof end_cases[0];
