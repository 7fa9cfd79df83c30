/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: job_run */
/* test_walk: walks as transcripts, and leaves of walks. Which plans can be walked: test_walk_plan; all small trees: test_walk_trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/walk_trees.h"

/*
 * What happens: `a+` leaf a ends and succeeded, `a-` failed, `a~` failed retryably, `a!` was cancelled; `stop`; `@100` it is 100.
 * A retry is due 100 after the failure.
 *
 * What is said, in this order: nodes whose state changed (`a=S`; S succeeded, F failed, C cancelled, K skipped, R retrying; running is not
 * shown), leaves to stop (`xb`), leaves that start (`>a`, `>a2` the second try). `|` separates what came of one happening from the next.
 * Before an end, as what it must be recorded: `[S]`.
 */
struct walk_row {
    const char *name, *plan, *happens, *said;
    const char *culprit; /* of a failed walk */
    const char *counts;  /* leaves whose results count; NULL: all */
};

static const struct walk_row walks[] = {
    {"one leaf", "a", "a+", ">a |a=S", NULL, NULL},
    {"one leaf fails", "a", "a-", ">a |a=F", "a", NULL},
    {"a sequence goes on after a success", "sequence(a b)", "a+ b+", ">a |[S]a=S >b |b=S sequence=S", NULL,
        NULL},
    {"a sequence ends with the first failure", "sequence(a b c)", "a+ b-",
        ">a |[S]a=S >b |b=F c=K sequence=F", "b", NULL},
    {"all run at once", "all(a b c)", "b+ c+ a+", ">a >b >c |[S]b=S |[S]c=S |a=S all=S", NULL, NULL},
    {"a failure stops the others, which are waited for", "all(a b c)", "b- c! a!",
        ">a >b >c |b=F xa xc |c=C |a=C all=F", "b", NULL},
    {"one that succeeds while it is stopped has succeeded", "all(a b)", "a- b+",
        ">a >b |a=F xb |[S]b=S all=F", "a", NULL},
    {"one that fails while it is stopped is cancelled", "all(a b)", "a- b~", ">a >b |a=F xb |b=C all=F", "a",
        NULL},
    {"after: a chain", "all(a c<b b<a)", "a+ b+ c+", ">a |[S]a=S >b |[S]b=S >c |c=S all=S", NULL, NULL},
    {"after: a diamond", "all(a b<a c<a d<b,c)", "a+ c+ b+ d+",
        ">a |[S]a=S >b >c |[S]c=S |[S]b=S >d |d=S all=S", NULL, NULL},
    {"after: who waits never runs when the one before fails", "all(a b<a c)", "a- c!",
        ">a >c |a=F b=K xc |c=C all=F", "a", NULL},
    {"a race: the first success wins, the losers are stopped", "race(a b c)", "b+ a! c-",
        ">a >b >c |[S]b=S xa xc |a=C |c=C race=S", NULL, "b"},
    {"a race: failures don't count while others run", "race(a b)", "a- b+", ">a >b |[F]a=F |b=S race=S", NULL,
        "b"},
    {"a race: all fail", "race(a b)", "b- a-", ">a >b |[F]b=F |a=F race=F", "a", NULL},
    {"a race: all fail, one may be tried again", "race(a b c)", "c~ b~ a-",
        ">a >b >c |[F]c=F |[F]b=F |a=F race=F", "b", NULL},
    {"a race: a loser that succeeds all the same needs no record", "race(a b)", "a+ b+",
        ">a >b |[S]a=S xb |b=S race=S", NULL, "a"},
    {"after a race the next node waits for the losers' end", "sequence(race(a b) c)", "a+ b! c+",
        ">a >b |[S]a=S xb |b=C race=S >c |c=S sequence=S", NULL, "ac"},
    {"a fallback: a success is enough", "fallback(a b)", "a+", ">a |a=S b=K fallback=S", NULL, "a"},
    {"a fallback: the next one when it may be tried again", "fallback(a b)", "a~ b+",
        ">a |[F]a=F >b |b=S fallback=S", NULL, "b"},
    {"a fallback: not when it may not", "fallback(a b)", "a-", ">a |a=F b=K fallback=F", "a", NULL},
    {"a fallback: all fail", "fallback(a b)", "a~ b~", ">a |[F]a=F >b |b=F fallback=F", "b", NULL},
    {"a fallback of units: the unit's others end first", "fallback(all(a b) c)", "a~ b! c+",
        ">a >b |[F]a=F xb |b=C all=F >c |c=S fallback=S", NULL, "c"},
    {"a race of units: a loser that never ran is skipped", "race(sequence:x(a b) c)", "c+ a!",
        ">a >c |[S]c=S b=K xa |a=C x=C race=S", NULL, "c"},
    {"a race within a fallback may be tried again if one of it may", "fallback(race(a b) c)", "a~ b- c+",
        ">a >b |[F]a=F |[F]b=F race=F >c |c=S fallback=S", NULL, "c"},
    {"a retry after the pause", "a*3", "a~ @99 @100 a~ @200 a+", ">a |[R]a=R ||>a2 |[R]a=R |>a3 |a=S", NULL,
        NULL},
    {"no retry when it may not be tried again", "a*3", "a-", ">a |a=F", "a", NULL},
    {"the last try's failure is the leaf's", "fallback(a*2 b)", "a~ @100 a~ b+",
        ">a |[R]a=R |>a2 |[F]a=F >b |b=S fallback=S", NULL, "b"},
    {"a sibling's failure ends a pause", "all(a*2 b)", "a~ b-", ">a >b |[R]a=R |b=F a=C all=F", "b", NULL},
    {"a stop while one runs and one waits", "sequence(a b)", "stop a!", ">a |b=K xa |a=C sequence=C", NULL,
        NULL},
    {"a stop while nothing runs", "a*2", "a~ stop", ">a |[R]a=R |a=C", NULL, NULL},
    {"a stop that comes too late", "sequence(a b)", "a+ stop b+", ">a |[S]a=S >b |xb |b=S sequence=S", NULL,
        NULL},
    {"a stop while losers end", "race(a b)", "a+ stop b!", ">a >b |[S]a=S xb ||b=C race=S", NULL, "a"},
    {"a stop of a race: one succeeds all the same", "race(a b)", "stop b+ a!",
        ">a >b |xa xb |[S]b=S |a=C race=S", NULL, "b"},
};

static const char letters[WALK_STATES + 1] = "WNRSFCK";

struct transcript {
    struct tree tree;
    struct walk walk;
    int64_t now;
    char said[400];
};

static void say(struct transcript *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct transcript *t, const char *format, ...)
{
    size_t len = strlen(t->said);
    va_list args;
    va_start(args, format);
    vsnprintf(t->said + len, sizeof t->said - len, format, args);
    va_end(args);
}

static struct bytes id_of(const struct transcript *t, size_t at)
{
    return t->walk.nodes[at].node->id;
}

static void say_news(struct transcript *t)
{
    for (size_t i = 0; i < t->walk.changed_count; i++) {
        size_t at = t->walk.changed[i];
        if (t->walk.nodes[at].state != WALK_RUNNING)
            say(t, "%.*s=%c ", BYTES_ARG(id_of(t, at)), letters[t->walk.nodes[at].state]);
    }
    for (size_t i = 0; i < t->walk.stop_count; i++)
        say(t, "x%.*s ", BYTES_ARG(id_of(t, t->walk.stops[i])));
}

static void say_starts(struct transcript *t)
{
    size_t at;
    while ((at = walk_start(&t->walk, t->now)) != WALK_NONE) {
        say(t, ">%.*s", BYTES_ARG(id_of(t, at)));
        if (t->walk.nodes[at].try > 1)
            say(t, "%d", (int)t->walk.nodes[at].try);
        say(t, " ");
    }
}

static void happen(struct transcript *t, const char *what)
{
    static const char signs[] = "+-~!";
    size_t len = strcspn(what, " ");
    say(t, "|");
    if (what[0] == '@') {
        t->now = atoi(what + 1);
    } else if (len == 4 && memcmp(what, "stop", 4) == 0) {
        walk_stop(&t->walk);
        say_news(t);
    } else {
        size_t at = walk_find(&t->walk, (struct bytes){what, len - 1});
        enum walk_end end = (enum walk_end)(strchr(signs, what[len - 1]) - signs);
        assert_int_not_equal(at, WALK_NONE);
        enum walk_state record = walk_to_record(&t->walk, at, end);
        if (record != WALK_WAITING)
            say(t, "[%c]", letters[record]);
        walk_ended(&t->walk, at, end, t->now + 100);
        say_news(t);
    }
    say_starts(t);
}

static void check_end(struct transcript *t, const struct walk_row *row)
{
    const struct walk *w = &t->walk;
    assert_true(walk_is_over(w));
    assert_int_equal(w->nodes[0].state == WALK_FAILED, row->culprit != NULL);
    if (row->culprit)
        assert_true(bytes_equal_text(id_of(t, walk_culprit(w)), row->culprit));
    for (size_t i = 0; i < w->count; i++)
        if (w->nodes[i].kind == WALK_EXEC)
            assert_int_equal(walk_counts(w, i), !row->counts || strchr(row->counts, id_of(t, i).data[0]));
}

static void walks_go_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        const struct walk_row *row = &walks[i];
        struct transcript t = {.now = 0};
        struct error e;
        print_message("  %s\n", row->name);
        tree_read(&t.tree, row->plan);
        assert_true(walk_plan(&t.tree.job, &t.tree.arena, &t.walk, &e));
        walk_open(&t.walk, NULL, 0);
        say_starts(&t);
        for (const char *what = row->happens; *what; what += strcspn(what, " "), what += *what == ' ')
            happen(&t, what);
        t.said[strlen(t.said) - 1] = '\0'; /* the last space */
        assert_string_equal(t.said, row->said);
        check_end(&t, row);
        arena_release(&t.tree.arena);
    }
}

/* ---- takeover ---- */

/* What is on record: `a+` succeeded, `a-` and `a~` failed, `a2` try 2 failed and the next is due at 100; `:3` by attempt 3 (else 1). */
static const struct {
    const char *name, *plan, *past, *said;
    bool failures;
} takeovers[] = {
    {"nothing is on record", "sequence(a b)", "", ">a ", false},
    {"what succeeded does not run again", "sequence(a b c)", "a+ b+", ">c ", false},
    {"all did: it is over", "all(a b)", "a+ b+", "all=S ", false},
    {"who waited for it goes on", "all(a b<a c)", "a+", ">b >c ", false},
    {"a race that was won", "race(a b)", "b+", "a=K race=S ", false},
    {"a race goes on without those that failed", "race(a b c)", "b-", ">a >c ", true},
    {"a fallback goes on with the next", "fallback(a b)", "a~", ">b ", true},
    {"a failure that ended its fallback, not the whole", "race(fallback(a b) c)", "a-", "b=K fallback=F >c ",
        true},
    {"a pause goes on", "fallback(a*4 b)", "a2", "...>a3 ", true},
    {"a unit that was given up stays so", "fallback(all(a*3 b c) d)", "a1 b~ c+", "a=C all=F >d ", true},
    {"the root failed: failures are forgotten, what succeeded is not", "sequence(x fallback(a*2 b))",
        "x+ a~ sequence-", ">a ", false},
    {"pauses are forgotten as well", "a*3", "a-:1", ">a ", false},
    {"but not those of a later attempt", "fallback(a b)", "a~:2 fallback-:1", ">b ", true},
    {"inner nodes but the root don't count", "sequence(race(a b) c)", "race+", ">a >b ", false},
};

static size_t read_past(const struct transcript *t, const char *text, struct walk_past *out)
{
    size_t count = 0;
    while (*text) {
        size_t len = strcspn(text, "+-~1234567890"), at = walk_find(&t->walk, (struct bytes){text, len});
        char sign = text[len];
        assert_int_not_equal(at, WALK_NONE);
        struct walk_past *p = &out[count++];
        *p = (struct walk_past){.at = at, .attempt = 1, .try = 1, .retryable = sign == '~'};
        p->state = sign == '+' ? WALK_SUCCEEDED : sign == '-' || sign == '~' ? WALK_FAILED : WALK_RETRYING;
        if (p->state == WALK_RETRYING) {
            p->try = sign - '0';
            p->next_at = 100;
        }
        text += len + 1;
        if (*text == ':') {
            p->attempt = text[1] - '0';
            text += 2;
        }
        text += *text == ' ';
    }
    return count;
}

static void a_takeover_goes_on_from_what_is_on_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof takeovers / sizeof takeovers[0]; i++) {
        struct transcript t = {.now = 0};
        struct walk_past past[8];
        struct error e;
        print_message("  %s\n", takeovers[i].name);
        tree_read(&t.tree, takeovers[i].plan);
        assert_true(walk_plan(&t.tree.job, &t.tree.arena, &t.walk, &e));
        walk_open(&t.walk, past, read_past(&t, takeovers[i].past, past));
        say_news(&t);
        say_starts(&t);
        if (walk_next_at(&t.walk) != INT64_MAX) {
            assert_int_equal(walk_next_at(&t.walk), 100);
            say(&t, "...");
            t.now = 100;
            say_starts(&t);
        }
        assert_string_equal(t.said, takeovers[i].said);
        assert_int_equal(t.walk.failures, takeovers[i].failures);
        arena_release(&t.tree.arena);
    }
}

/* ---- leaves ---- */

static void a_nodes_code_is_its_own_or_its_statements(void **state)
{
    (void)state;
    struct job j;
    struct job_statement statements[2] = {
        {.index = 0, .offset = 0, .length = 8}, {.index = 1, .text = BYTES("select 2")}};
    struct job_node own = {.code = BYTES("x"), .statement = 0}, first = {.statement = 0},
                    second = {.statement = 1}, none = {.statement = NO_INT};
    shape_clear(&shape_planned, &j);
    j.code = BYTES("select 1; rest");
    j.statements.items = statements;
    j.statements.count = 2;
    assert_true(bytes_equal_text(walk_code(&j, &own), "x"));
    assert_true(bytes_equal_text(walk_code(&j, &first), "select 1"));
    assert_true(bytes_equal_text(walk_code(&j, &second), "select 2"));
    assert_true(bytes_equal_text(walk_code(&j, &none), "select 1; rest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_go_as_written),
        cmocka_unit_test(a_takeover_goes_on_from_what_is_on_record),
        cmocka_unit_test(a_nodes_code_is_its_own_or_its_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
