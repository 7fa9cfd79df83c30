/* SPDX-License-Identifier: Apache-2.0 */
/* other_cases: the statements on outcomes, cancels, instances and holders. */
#include <pthread.h>
#include <stdio.h>

#include "tests/ledger/world.h"

/* ---- outcomes ---- */

static void an_outcome_is_unsent_until_it_is_settled(void **state)
{
    (void)state;
    static const enum run_state froms[] = {RUN_RUNNING, RUN_QUEUED, RUN_DELAYED, RUN_STATES};
    struct world w;
    struct outcome_line lines[4];
    char id[UUID_TEXT_LEN + 1], later[UUID_TEXT_LEN + 1];
    struct unsent *unsent;
    size_t count;
    bson_iter_t it;
    world_init(&w);
    for (int i = 0; i < 4; i++)
        lines[i] = (struct outcome_line){new_id(), bytes_of(w.group), BYTES("\0event"), i, froms[i]};
    struct uuid u = new_id();
    uuid_format(&u, id);
    u = new_id();
    uuid_format(&u, later);
    assert_true(ledger_outcome(&w.ledger, later, lines, 1, NOW + 10, &w.e));
    assert_true(ledger_outcome(&w.ledger, id, lines, 4, NOW, &w.e));
    assert_true(ledger_outcome(&w.ledger, id, lines, 4, NOW, &w.e)); /* said again */

    assert_true(ledger_unsent(&w.ledger, NOW, 10, &w.arena, &unsent, &count, &w.e));
    assert_int_equal(count, 0);
    assert_true(ledger_unsent(&w.other, NOW + 11, 1, &w.arena, &unsent, &count, &w.e));
    assert_int_equal(count, 1);
    assert_true(ledger_unsent(&w.other, NOW + 11, 10, &w.arena, &unsent, &count, &w.e));
    assert_int_equal(count, 2);
    assert_bytes(unsent[0].id, id);
    assert_bytes(unsent[1].id, later);
    assert_int_equal(unsent[0].count, 4);
    for (int i = 0; i < 4; i++) {
        const struct outcome_line *line = &unsent[0].lines[i];
        assert_same_id(line->id, lines[i].id);
        assert_bytes(line->group, w.group);
        assert_true(bytes_equal(line->event, BYTES("\0event")));
        assert_true(line->attempt == i && line->from == froms[i]);
    }

    const struct bytes settled[2] = {bytes_of(id), bytes_of(later)};
    assert_true(ledger_settle(&w.other, settled, 1, NOW + 20, &w.e));
    assert_true(ledger_unsent(&w.ledger, NOW + 11, 10, &w.arena, &unsent, &count, &w.e));
    assert_int_equal(count, 1);
    assert_bytes(unsent[0].id, later);
    bson_t *doc = document("outcomes", id);
    assert_true(bson_iter_init_find(&it, doc, "expire_at") && bson_iter_date_time(&it) == NOW + 60020);
    bson_destroy(doc);
    assert_true(ledger_settle(&w.other, settled, 2, NOW + 20, &w.e));
    assert_true(ledger_settle(&w.other, NULL, 0, NOW, &w.e));
    assert_true(ledger_unsent(&w.ledger, NOW + 11, 10, &w.arena, &unsent, &count, &w.e));
    assert_int_equal(count, 0);
    world_release(&w);
}

static void however_much_is_unsent_one_answer_is_bounded(void **state)
{
    (void)state;
    enum { HEAVY = 7, HEAVY_BYTES = 4 << 20 };
    static char heavy[HEAVY_BYTES];
    struct world w;
    struct unsent *unsent;
    size_t count;
    world_init(&w);
    const struct outcome_line line = {new_id(), bytes_of(w.group), {heavy, HEAVY_BYTES}, 1, RUN_RUNNING};
    for (int i = 0; i < HEAVY; i++) {
        char id[UUID_TEXT_LEN + 1];
        struct uuid u = new_id();
        uuid_format(&u, id);
        assert_true(ledger_outcome(&w.ledger, id, &line, 1, NOW + i, &w.e));
    }
    assert_true(ledger_unsent(&w.ledger, NOW + HEAVY, 100, &w.arena, &unsent, &count, &w.e));
    assert_int_equal(count, LEDGER_ANSWER_BYTES_MAX / HEAVY_BYTES);
    world_release(&w);
}

/* ---- cancels and holds ---- */

/* As ingest writes it. */
static void put_cancel(const struct uuid *id, const char *by)
{
    char text[UUID_TEXT_LEN + 1], json[400];
    uuid_format(id, text);
    snprintf(json, sizeof json,
        "{\"_id\":\"job:%s\",\"kind\":\"cancel\",\"job_id\":\"%s\",\"by\":\"%s\",\"reason\":\"too slow\","
        "\"at\":{\"$date\":%lld}}",
        text, text, by, (long long)NOW + 1);
    put("cancels", json);
}

static void cancels_are_found_by_job_and_holds_are_not_cancels(void **state)
{
    (void)state;
    struct world w;
    struct order_seen cancels[3], holds[3];
    world_init(&w);
    const struct uuid ids[3] = {new_id(), new_id(), new_id()};
    const struct bytes groups[3] = {BYTES("no/body"), bytes_of(w.group), bytes_of(w.group)};
    put_cancel(&ids[1], "somebody");
    assert_true(ledger_orders(&w.ledger, ids, groups, 3, cancels, holds, &w.arena, &w.e));
    for (int i = 0; i < 3; i++)
        assert_true(cancels[i].found == (i == 1) && !holds[i].found);
    assert_int_equal(cancels[1].at, NOW + 1);
    assert_bytes(cancels[1].by, "somebody");
    assert_bytes(cancels[1].reason, "too slow");
    assert_true(ledger_orders(&w.ledger, ids, groups, 0, cancels, holds, &w.arena, &w.e));
    world_release(&w);
}

static void cancels_are_found_by_the_time_of_their_writing(void **state)
{
    (void)state;
    struct world w;
    struct uuid *found;
    size_t count, ours = 0;
    world_init(&w);
    const struct uuid id = new_id();
    put_cancel(&id, "somebody"); /* at NOW + 1 */
    assert_true(ledger_cancels(&w.ledger, NOW + 1, NOW + 2, &w.arena, &found, &count, &w.e));
    for (size_t i = 0; i < count; i++)
        ours += memcmp(&found[i], &id, sizeof id) == 0;
    assert_int_equal(ours, 1);
    assert_true(ledger_cancels(&w.ledger, NOW + 2, NOW + 100, &w.arena, &found, &count, &w.e));
    assert_int_equal(count, 0);
    assert_true(ledger_cancels(&w.ledger, NOW - 100, NOW + 1, &w.arena, &found, &count, &w.e));
    assert_int_equal(count, 0);
    world_release(&w);
}

static void a_group_is_held_once_and_all_its_jobs_show_it(void **state)
{
    (void)state;
    struct world w;
    struct order_seen cancels[4], holds[4];
    world_init(&w);
    const struct uuid ids[4] = {new_id(), new_id(), new_id(), new_id()};
    const struct bytes held = bytes_of(w.group), free_one = bytes_of(w.pool);
    const struct bytes groups[4] = {held, held, free_one, held};
    const struct bytes why[2] = {BYTES("job x failed"), BYTES("job y failed")};
    assert_true(ledger_hold(&w.ledger, &held, &why[0], 1, NOW, &w.e));
    assert_true(ledger_hold(&w.other, &held, &why[1], 1, NOW + 1, &w.e));
    assert_true(ledger_orders(&w.ledger, ids, groups, 4, cancels, holds, &w.arena, &w.e));
    for (int i = 0; i < 4; i++) {
        assert_false(cancels[i].found);
        assert_int_equal(holds[i].found, i != 2);
        if (i == 2)
            continue;
        assert_bytes(holds[i].reason, "job x failed");
        assert_bytes(holds[i].by, w.instance);
        assert_int_equal(holds[i].at, NOW);
    }
    /* Without groups only cancels are looked up. */
    assert_true(ledger_orders(&w.ledger, ids, NULL, 4, cancels, NULL, &w.arena, &w.e));
    world_release(&w);
}

static void holds_are_everybodys_and_a_drain_is_one_instances(void **state)
{
    (void)state;
    struct world w;
    struct bytes *groups;
    size_t count, ours = 0;
    bool drain;
    char json[300];
    world_init(&w);
    struct uuid id = new_id();
    const struct bytes held[2] = {bytes_of(w.group), bytes_of(w.pool)};
    const struct bytes why[2] = {BYTES("x"), BYTES("y")};
    assert_true(ledger_hold(&w.other, held, why, 2, NOW, &w.e));
    put_cancel(&id, "by");
    snprintf(json, sizeof json, "{\"_id\":\"drain:%s\",\"kind\":\"drain\",\"instance\":\"%s\"}",
        w.other_instance, w.other_instance);
    put("cancels", json);
    assert_true(ledger_holds(&w.ledger, &w.arena, &groups, &count, &drain, &w.e));
    assert_false(drain);
    for (size_t i = 0; i < count; i++)
        ours += bytes_equal(groups[i], held[0]) || bytes_equal(groups[i], held[1]);
    assert_int_equal(ours, 2);
    assert_true(ledger_holds(&w.other, &w.arena, &groups, &count, &drain, &w.e));
    assert_true(drain);
    world_release(&w);
}

/* ---- leases ---- */

static void a_lease_that_is_over_never_renews(void **state)
{
    (void)state;
    struct world w;
    struct lease_seen seen[2];
    bool ended;
    world_init(&w);
    const struct bytes names[2] = {BYTES("nobody"), bytes_of(w.instance)};
    assert_true(ledger_enlist(&w.ledger, "host", 77, 40000, NOW, &w.e));
    assert_int_equal(ledger_renew(&w.ledger, 5, NOW, 10000, &w.e), RENEWED);
    assert_true(ledger_leases(&w.other, names, 2, &w.arena, seen, &w.e));
    assert_false(seen[0].exists);
    assert_bytes(seen[0].instance, "nobody");
    assert_true(seen[1].exists && !seen[1].over && seen[1].counter == 5);
    /* The watcher saw an older counter: it lives. */
    assert_true(ledger_end_lease(&w.other, names[1], 4, NOW, &ended, &w.e));
    assert_false(ended);
    assert_int_equal(ledger_renew(&w.ledger, 6, NOW, 10000, &w.e), RENEWED);
    assert_true(ledger_end_lease(&w.other, names[1], 6, NOW, &ended, &w.e));
    assert_true(ended);
    assert_int_equal(ledger_renew(&w.ledger, 7, NOW, 10000, &w.e), RENEW_OVER);
    assert_true(ledger_end_lease(&w.other, names[1], 4, NOW, &ended, &w.e));
    assert_true(ended); /* it was before */
    assert_true(ledger_leases(&w.other, names, 2, &w.arena, seen, &w.e));
    assert_true(seen[1].exists && seen[1].over && seen[1].counter == 6);
    assert_true(ledger_leases(&w.other, names, 0, &w.arena, seen, &w.e));
    world_release(&w);
}

static void a_lease_of_one_known_to_be_dead_ends_whatever_its_counter(void **state)
{
    (void)state;
    struct world w;
    bool ended;
    world_init(&w);
    assert_true(ledger_enlist(&w.ledger, "host", 77, 40000, NOW, &w.e));
    assert_int_equal(ledger_renew(&w.ledger, 9, NOW, 10000, &w.e), RENEWED);
    assert_true(ledger_end_lease(&w.other, bytes_of(w.instance), -1, NOW, &ended, &w.e));
    assert_true(ended);
    assert_int_equal(ledger_renew(&w.ledger, 10, NOW, 10000, &w.e), RENEW_OVER);
    assert_int_equal(ledger_renew(&w.other, 1, NOW, 10000, &w.e), RENEW_OVER); /* was never there */
    world_release(&w);
}

static int64_t date_in(const char *id, const char *key)
{
    bson_iter_t it;
    bson_t *doc = document("instances", id);
    int64_t at = bson_iter_init_find(&it, doc, key) && BSON_ITER_HOLDS_DATE_TIME(&it)
                     ? bson_iter_date_time(&it)
                     : NO_TIME;
    bson_destroy(doc);
    return at;
}

static void an_instance_expires_long_after_its_last_renewal_whoever_ends_its_lease(void **state)
{
    (void)state;
    enum { DAY_MS = 24 * 3600 * 1000, KEEP_MS = 60000 };
    struct world w;
    bool ended;
    world_init(&w);
    assert_true(ledger_enlist(&w.ledger, "host", 77, 40000, NOW, &w.e));
    assert_int_equal(date_in(w.instance, "expire_at"), NOW + KEEP_MS + DAY_MS);
    assert_int_equal(ledger_renew(&w.ledger, 2, NOW + 5, 10000, &w.e), RENEWED);
    assert_int_equal(date_in(w.instance, "expire_at"), NOW + 5 + KEEP_MS + DAY_MS);
    assert_true(ledger_end_lease(&w.other, bytes_of(w.instance), 2, NOW + 9, &ended, &w.e));
    assert_int_equal(date_in(w.instance, "expire_at"), NOW + 9 + KEEP_MS);
    world_release(&w);
}

static void a_lease_that_is_forgotten_is_over(void **state)
{
    (void)state;
    struct world w;
    struct lease_seen seen;
    bool ended;
    world_init(&w);
    const struct bytes name = bytes_of(w.instance);
    assert_int_equal(ledger_renew(&w.ledger, 2, NOW, 10000, &w.e), RENEW_OVER);
    assert_true(ledger_leases(&w.other, &name, 1, &w.arena, &seen, &w.e));
    assert_false(seen.exists);
    assert_true(ledger_end_lease(&w.other, name, 2, NOW, &ended, &w.e));
    assert_true(ended);
    world_release(&w);
}

static void a_late_repeat_of_a_renewal_does_not_turn_the_counter_back(void **state)
{
    (void)state;
    struct world w;
    struct lease_seen seen;
    bool ended;
    world_init(&w);
    const struct bytes name = bytes_of(w.instance);
    assert_true(ledger_enlist(&w.ledger, "host", 77, 40000, NOW, &w.e));
    assert_int_equal(ledger_renew(&w.ledger, 2, NOW, 10000, &w.e), RENEWED);
    assert_int_equal(ledger_renew(&w.ledger, 3, NOW, 10000, &w.e), RENEWED);
    assert_int_equal(ledger_renew(&w.ledger, 2, NOW, 10000, &w.e), RENEWED); /* its first answer was lost */
    assert_true(ledger_leases(&w.other, &name, 1, &w.arena, &seen, &w.e));
    assert_int_equal(seen.counter, 3);
    assert_true(ledger_end_lease(&w.other, name, 2, NOW, &ended, &w.e));
    assert_false(ended);
    world_release(&w);
}

/* ---- shared limits ---- */

static void holders_are_replaced_only_by_who_read_the_latest(void **state)
{
    (void)state;
    struct world w;
    struct holders seen[2];
    bool written;
    world_init(&w);
    const struct bytes selectors[2] = {bytes_of(w.pool), BYTES("never/written")};
    struct holder items[2] = {{new_id(), 1, bytes_of(w.instance)}, {new_id(), 3, bytes_of(w.other_instance)}};
    assert_true(ledger_holders(&w.ledger, selectors, 2, &w.arena, seen, &w.e));
    assert_true(seen[0].rev == 0 && seen[0].count == 0 && seen[1].rev == 0);
    assert_bytes(seen[0].selector, w.pool);
    seen[0].items = items;
    seen[0].count = 2;
    assert_true(ledger_holders_write(&w.ledger, &seen[0], &written, &w.e));
    assert_int_equal(written, !lost);
    /* Both had read that there is none. */
    const struct holders second = {selectors[0], 0, items, 1};
    assert_true(ledger_holders_write(&w.other, &second, &written, &w.e));
    assert_false(written);
    assert_true(ledger_holders(&w.ledger, selectors, 2, &w.arena, seen, &w.e));
    assert_true(seen[0].rev == 1 && seen[0].count == 2 && seen[1].rev == 0);
    for (int i = 0; i < 2; i++) {
        assert_same_id(seen[0].items[i].id, items[i].id);
        assert_int_equal(seen[0].items[i].attempt, items[i].attempt);
        assert_true(bytes_equal(seen[0].items[i].instance, items[i].instance));
    }
    struct holders stale = seen[0];
    seen[0].count = 1;
    assert_true(ledger_holders_write(&w.ledger, &seen[0], &written, &w.e));
    assert_int_equal(written, !lost);
    assert_true(ledger_holders_write(&w.other, &stale, &written, &w.e));
    assert_false(written);
    assert_true(ledger_holders(&w.ledger, selectors, 1, &w.arena, seen, &w.e));
    assert_true(seen[0].rev == 2 && seen[0].count == 1);
    seen[0].count = 0;
    assert_true(ledger_holders_write(&w.other, &seen[0], &written, &w.e));
    assert_true(ledger_holders(&w.ledger, selectors, 1, &w.arena, seen, &w.e));
    assert_true(seen[0].rev == 3 && seen[0].count == 0);
    assert_true(ledger_holders(&w.ledger, selectors, 0, &w.arena, seen, &w.e));
    world_release(&w);
}

enum { WRITERS = 4, ROUNDS = 5, TRIES_MAX = 1000 };
struct writer {
    pthread_t thread;
    struct ledger ledger;
    struct bytes selector;
    bool ok;
};

static bool is_in(const struct holders *h, const struct uuid *id)
{
    for (size_t i = 0; i < h->count; i++)
        if (memcmp(&h->items[i].id, id, sizeof *id) == 0)
            return true;
    return false;
}

/* As the rules do it: read, add, write; when it was not written, read again and see. */
static bool add_holder(struct writer *w, struct arena *a)
{
    struct uuid id = new_id();
    struct error e;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct holders h;
        bool written;
        if (!ledger_holders(&w->ledger, &w->selector, 1, a, &h, &e))
            return false;
        if (is_in(&h, &id))
            return true;
        struct holder *items = arena_array(a, h.count + 1, sizeof *items);
        if (h.count)
            memcpy(items, h.items, h.count * sizeof *items);
        items[h.count++] = (struct holder){id, 1, bytes_of(w->ledger.instance)};
        h.items = items;
        if (!ledger_holders_write(&w->ledger, &h, &written, &e))
            return false;
        if (written)
            return true;
    }
    return false;
}

static void *write_holders(void *self)
{
    struct writer *w = self;
    struct arena a;
    arena_init(&a);
    w->ok = true;
    for (int i = 0; i < ROUNDS && w->ok; i++)
        w->ok = add_holder(w, &a);
    arena_release(&a);
    return NULL;
}

static void of_many_writers_of_holders_none_is_forgotten(void **state)
{
    (void)state;
    struct world w;
    struct writer writers[WRITERS];
    struct holders seen;
    world_init(&w);
    const struct bytes selector = bytes_of(w.pool);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.ledger = w.ledger, .selector = selector};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_holders, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_true(writers[i].ok);
    }
    assert_true(ledger_holders(&w.ledger, &selector, 1, &w.arena, &seen, &w.e));
    assert_int_equal(seen.count, WRITERS * ROUNDS);
    assert_int_equal(seen.rev, WRITERS * ROUNDS);
    world_release(&w);
}

const struct CMUnitTest other_cases[] = {
    cmocka_unit_test(an_outcome_is_unsent_until_it_is_settled),
    cmocka_unit_test(however_much_is_unsent_one_answer_is_bounded),
    cmocka_unit_test(cancels_are_found_by_job_and_holds_are_not_cancels),
    cmocka_unit_test(cancels_are_found_by_the_time_of_their_writing),
    cmocka_unit_test(a_group_is_held_once_and_all_its_jobs_show_it),
    cmocka_unit_test(holds_are_everybodys_and_a_drain_is_one_instances),
    cmocka_unit_test(a_lease_that_is_over_never_renews),
    cmocka_unit_test(a_lease_of_one_known_to_be_dead_ends_whatever_its_counter),
    cmocka_unit_test(an_instance_expires_long_after_its_last_renewal_whoever_ends_its_lease),
    cmocka_unit_test(a_lease_that_is_forgotten_is_over),
    cmocka_unit_test(a_late_repeat_of_a_renewal_does_not_turn_the_counter_back),
    cmocka_unit_test(holders_are_replaced_only_by_who_read_the_latest),
    cmocka_unit_test(of_many_writers_of_holders_none_is_forgotten),
};
const size_t other_case_count = sizeof other_cases / sizeof other_cases[0];
