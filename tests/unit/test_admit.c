/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: ingest */
/* test_admit: who is let in under max_queued, from the numbers that were counted. (The race itself: tests/flow/test_limits.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/admit.h"

enum { MOST = 6 };

/* Limits: g is the group's, c the creator's. Of each item which of them it is under; what was counted, our stubs among it. */
static const struct {
    const char *name;
    const char *items[MOST];
    int64_t g_max, g_waiting, c_max, c_waiting;
    const char *let_in; /* y: yes, n: full, by item */
} rows[] = {
    {"room for all", {"g", "g"}, 5, 2, 0, 0, "yy"},
    {"the first lines get the places", {"g", "g", "g"}, 2, 3, 0, 0, "yyn"},
    {"others hold the places", {"g", "g"}, 2, 4, 0, 0, "nn"},
    {"others hold one of them", {"g", "g"}, 2, 3, 0, 0, "yn"},
    {"a limit that was lowered", {"g"}, 1, 9, 0, 0, "n"},
    {"zero lets nothing in", {"g"}, 0, 1, 0, 0, "n"},
    {"two limits, the narrower is reached", {"gc", "gc", "c"}, 1, 2, 5, 3, "yny"},
    {"two limits, the wider is reached", {"gc", "gc"}, 5, 2, 1, 2, "yn"},
    {"one that is refused keeps its place in the other limit", {"gc", "gc", "c"}, 1, 2, 2, 3, "ynn"},
    {"an item under no limit that is reached", {"c", "gc", "c"}, 0, 1, 3, 3, "yny"},
};

static void the_first_that_have_room_are_let_in(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct limit_count limits[MOST][2];
        struct admit_item items[MOST] = {{NULL, NULL, 0, ADMIT_OPEN, NULL, false}};
        struct admit_count counts[] = {{BYTES("a/b"), rows[r].g_max, rows[r].g_waiting, 0},
            {BYTES("a/*"), rows[r].c_max, rows[r].c_waiting, 0}};
        char got[MOST + 1] = "";
        size_t n = 0;
        for (; n < MOST && rows[r].items[n]; n++) {
            size_t count = 0;
            if (strchr(rows[r].items[n], 'g'))
                limits[n][count++] = (struct limit_count){BYTES("a/b"), rows[r].g_max};
            if (strchr(rows[r].items[n], 'c'))
                limits[n][count++] = (struct limit_count){BYTES("a/*"), rows[r].c_max};
            items[n] = (struct admit_item){"id", limits[n], count, ADMIT_OPEN, NULL, false};
        }
        admit_decide(items, n, counts, 2);
        for (size_t i = 0; i < n; i++) {
            got[i] = items[i].verdict == ADMIT_YES ? 'y' : 'n';
            assert_true((items[i].verdict == ADMIT_FULL) == (items[i].full != NULL));
        }
        if (strcmp(got, rows[r].let_in) != 0)
            fail_msg("%s: expected %s, got %s", rows[r].name, rows[r].let_in, got);
    }
}

static void who_is_judged_already_is_left_alone(void **state)
{
    (void)state;
    struct limit_count limit = {BYTES("a/b"), 1};
    struct admit_count count = {BYTES("a/b"), 1, 1, 0};
    struct admit_item items[] = {{"gone", &limit, 1, ADMIT_FULL, &limit, true},
        {"lost", &limit, 1, ADMIT_LOST, NULL, false}, {"open", &limit, 1, ADMIT_OPEN, NULL, false}};
    admit_decide(items, 3, &count, 1);
    assert_int_equal(items[0].verdict, ADMIT_FULL);
    assert_int_equal(items[1].verdict, ADMIT_LOST);
    assert_int_equal(items[2].verdict, ADMIT_YES);
}

static void tokens_differ(void **state)
{
    (void)state;
    struct admit_batch a = {.token = ""}, b = {.token = ""};
    admit_token(&a, 1700000000000);
    admit_token(&b, 1700000000000);
    assert_int_equal(strlen(a.token), UUID_TEXT_LEN);
    assert_string_not_equal(a.token, b.token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_have_room_are_let_in),
        cmocka_unit_test(who_is_judged_already_is_left_alone),
        cmocka_unit_test(tokens_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
