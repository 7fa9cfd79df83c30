/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: rules */
/*
 * test_rules: the executor's rules against a world that answers by hand: what the simulator can't reach, because a simulated process dies
 * at once where a real one is asked to stop. All the rest is proved by tests/sim.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "executor/rules.h"

#define NOW 1000000

struct world {
    struct rules *rules;
    struct ask *out[ASK_LANES]; /* what each lane waits for */
    struct rules_batch *taken;
    int taken_count, launched;
    bool taken_ok;
};

static struct moment on_now(void *self)
{
    (void)self;
    return (struct moment){NOW, NOW};
}

static uint64_t on_random(void *self)
{
    (void)self;
    return 4;
}

static void on_ask(void *self, struct ask *a)
{
    struct world *w = self;
    assert_null(w->out[a->lane]);
    w->out[a->lane] = a;
}

static void on_taken(void *self, struct rules_batch *b, bool ok)
{
    struct world *w = self;
    w->taken = b;
    w->taken_ok = ok;
    w->taken_count++;
}

static bool on_event(void *self, const struct telling *t, struct arena *a, struct bytes *out)
{
    (void)self;
    *out = arena_printf(a, "%s", job_phase_names[t->phase]);
    return true;
}

static void on_send(
    void *self, struct bytes group, const struct uuid *job, struct bytes event, struct publication *p)
{
    (void)self, (void)group, (void)job, (void)event, (void)p;
}

static void *on_keep(void *self, struct bytes payload)
{
    (void)self, (void)payload;
    return NULL;
}

static void on_launch(void *self, struct task *t, const struct launch *l)
{
    (void)t, (void)l;
    ((struct world *)self)->launched++;
}

static void on_gone(void *self, struct task *t, bool closed)
{
    (void)self, (void)t, (void)closed;
}

static const struct rules_world calls = {.now = on_now,
    .random = on_random,
    .ask = on_ask,
    .taken = on_taken,
    .event = on_event,
    .send = on_send,
    .keep = on_keep,
    .launch = on_launch,
    .gone = on_gone};

static void world_init(struct world *w)
{
    const struct rules_options o = {.instance = "x1",
        .slots = 4,
        .window = 8,
        .lease_renew_ms = 3000,
        .lease_hold_ms = 30000,
        .lease_watch_ms = 40000,
        .drain_ms = 10000};
    memset(w, 0, sizeof *w);
    w->rules = rules_new(&o, &calls, w, NOW + 30000);
}

/* The answer to what the lane waits for; what it must be. */
static void answer(struct world *w, enum ask_lane lane, enum ask_kind kind, bool ok)
{
    struct ask *a = w->out[lane];
    MUST(a);
    assert_string_equal(ask_kind_names[a->kind], ask_kind_names[kind]);
    w->out[lane] = NULL;
    a->ok = ok;
    rules_answered(w->rules, a);
    rules_turn(w->rules);
}

/* Partition 0 is ours and nothing of it is unfinished. */
static void own_partition(struct world *w)
{
    rules_turn(w->rules);
    rules_assigned(w->rules, 0, 1);
    answer(w, LANE_INTAKE, ASK_HOLDS, true); /* first who is held, then what is there */
    answer(w, LANE_INTAKE, ASK_PAGE, true);
    assert_true(rules_is_open(w->rules, 0));
}

static void a_batch_that_was_not_written_is_given_back_and_nothing_of_it_starts(void **state)
{
    (void)state;
    struct world w;
    struct rules_record record = {.kind = RECORD_NEW,
        .seq = 17,
        .group = BYTES("a/x"),
        .engine = BYTES("shell"),
        .payload = BYTES("payload"),
        .wake_at = NO_TIME};
    struct rules_offset offset = {0, 1, 18};
    struct rules_batch batch = {&record, 1, &offset, 1};
    world_init(&w);
    own_partition(&w);
    uuid_v7(&record.id, NOW);
    rules_intake(w.rules, &batch);
    assert_false(rules_wants_records(w.rules));
    rules_turn(w.rules);
    assert_int_equal(w.taken_count, 0);
    answer(&w, LANE_INTAKE, ASK_INSERT, false);
    /* Its offsets must not be committed: `ok` is false. */
    assert_int_equal(w.taken_count, 1);
    assert_ptr_equal(w.taken, &batch);
    assert_false(w.taken_ok);
    assert_null(w.out[LANE_INTAKE]);
    assert_int_equal(w.launched, 0);
    rules_free(w.rules);
}

static void a_batch_that_was_written_is_given_back_to_be_committed(void **state)
{
    (void)state;
    struct world w;
    struct rules_batch batch = {NULL, 0, NULL, 0};
    world_init(&w);
    own_partition(&w);
    rules_intake(w.rules, &batch);
    rules_turn(w.rules);
    assert_int_equal(w.taken_count, 1);
    assert_true(w.taken_ok);
    assert_true(rules_wants_records(w.rules));
    rules_free(w.rules);
}

static void groups_are_told_of_limits_only_when_they_changed(void **state)
{
    (void)state;
    struct world w;
    struct limit l;
    shape_clear(&shape_limit, &l);
    l.selector = BYTES("a/*");
    l.weight = 3;
    l.by = BYTES("ann");
    struct limits *first = limits_of(&l, 1);
    l.by = BYTES("bob");
    struct limits *same = limits_of(&l, 1);
    l.weight = 4;
    struct limits *other = limits_of(&l, 1), *none = limits_none();
    world_init(&w);
    const struct rules_counts *counts = rules_counts(w.rules);
    assert_true(rules_limits(w.rules, first));
    assert_int_equal(counts->limits, 1);
    assert_false(rules_limits(w.rules, same));
    assert_false(rules_limits(w.rules, first));
    assert_int_equal(counts->limits, 1);
    assert_true(rules_limits(w.rules, other));
    assert_true(rules_limits(w.rules, none));
    assert_int_equal(counts->limits, 3);
    rules_free(w.rules);
    limits_free(first);
    limits_free(same);
    limits_free(other);
    limits_free(none);
}

/* The job at the head of group a/x runs: its task. */
static struct task *launched_job(struct world *w, struct rules_record *record)
{
    struct rules_offset offset = {0, 1, 18};
    struct rules_batch batch = {record, 1, &offset, 1};
    uuid_v7(&record->id, NOW);
    rules_intake(w->rules, &batch);
    rules_turn(w->rules);
    answer(w, LANE_INTAKE, ASK_INSERT, true);
    struct ask *orders = w->out[LANE_INTAKE];
    assert_non_null(orders);
    if (!orders)
        return NULL;
    assert_int_equal(orders->kind, ASK_ORDERS);
    orders->cancels = arena_array(orders->memory, 1, sizeof *orders->cancels);
    orders->holds = arena_array(orders->memory, 1, sizeof *orders->holds);
    answer(w, LANE_INTAKE, ASK_ORDERS, true);
    assert_int_equal(w->launched, 1);
    return scheduler_find(rules_scheduler(w->rules), &record->id);
}

/* The bell of the cancel comes when the attempt has failed and its end is not written yet: there is nothing to stop any more. */
static void a_cancel_that_met_an_ending_attempt_is_seen_before_the_next_try(void **state)
{
    (void)state;
    struct world w;
    struct rules_record record = {.kind = RECORD_NEW,
        .seq = 17,
        .group = BYTES("a/x"),
        .engine = BYTES("shell"),
        .payload = BYTES("payload"),
        .wake_at = NO_TIME};
    world_init(&w);
    own_partition(&w);
    struct task *t = launched_job(&w, &record);
    assert_non_null(t);
    const struct rules_report report = {.phase = PHASE_FAILED,
        .retryable = true,
        .max_attempts = 3,
        .backoff_ms = 3600000,
        .max_backoff_ms = 3600000};
    rules_over(w.rules, t, &report);
    rules_turn(w.rules);
    answer(&w, LANE_FINISH, ASK_OUTCOME, true);
    struct ask *close = w.out[LANE_FINISH];
    assert_int_equal(close->kind, ASK_CLOSE);
    assert_int_equal(close->closes[0].to, RUN_QUEUED);
    close->modified = 1;
    answer(&w, LANE_FINISH, ASK_CLOSE, true);
    struct ask *orders = NULL;
    for (int turns = 0; turns < 3 && !(orders && orders->kind == ASK_ORDERS); turns++) {
        orders = w.out[LANE_INTAKE];
        if (orders && orders->kind == ASK_LOOK)
            answer(&w, LANE_INTAKE, ASK_LOOK, true);
        rules_turn(w.rules);
        orders = w.out[LANE_INTAKE];
    }
    assert_non_null(orders);
    assert_int_equal(orders->kind, ASK_ORDERS);
    assert_memory_equal(&orders->ids[0], &record.id, sizeof record.id);
    rules_free(w.rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_was_not_written_is_given_back_and_nothing_of_it_starts),
        cmocka_unit_test(a_batch_that_was_written_is_given_back_to_be_committed),
        cmocka_unit_test(groups_are_told_of_limits_only_when_they_changed),
        cmocka_unit_test(a_cancel_that_met_an_ending_attempt_is_seen_before_the_next_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
