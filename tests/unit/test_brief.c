/* SPDX-License-Identifier: Apache-2.0 */
/* What a document keeps of events that are not the job's last. */
/* LIBS: fold */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/brief.h"

enum { MAX = 1000, MOST = 50 };

static struct bytes text_of(size_t len, struct arena *a)
{
    char *text = arena_alloc(a, len + 1);
    memset(text, 'x', len);
    return (struct bytes){text, len};
}

static void errors_are_cut_to_their_share(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t message, detail, kept_message, kept_detail;
    } cases[] = {
        {"one that fits is whole", 900, 100, 900, 100},
        {"the detail goes first", 900, 101, 900, 0},
        {"then the end of the message", 1001, 0, MAX, 0},
        {"both", 200000, 200000, MAX, 0},
        {"nothing to cut", 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        arena_init(&a);
        struct job_error e = {.code = BYTES("engine_error"), .line = 7};
        e.message = text_of(cases[i].message, &a);
        e.detail = text_of(cases[i].detail, &a);
        const struct job_error *kept = brief_error(&e, MAX, &a);
        if (kept->message.len != cases[i].kept_message || kept->detail.len != cases[i].kept_detail ||
            kept->line != 7)
            fail_msg("%s: %zu, %zu", cases[i].name, kept->message.len, kept->detail.len);
        assert_int_equal(e.message.len, cases[i].message);
        arena_release(&a);
    }
    assert_null(brief_error(NULL, MAX, NULL));
}

static void results_are_cut_to_their_share(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t count, columns, target, kept, kept_columns;
    } cases[] = {
        {"none", 0, 0, 0, 0, 0},
        {"those that fit are whole", 2, 3, 0, 2, 3},
        {"the columns go first", 2, 30, 0, 2, 0},
        {"then the last ones", MOST, 0, 0, 5, 0},
        {"both", MOST, MOST, 0, 5, 0},
        {"where they were made counts", MOST, 0, 100, 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct job_result items[MOST] = {0};
        struct result_column columns[MOST] = {0};
        size_t count = cases[i].count;
        arena_init(&a);
        for (size_t k = 0; k < count; k++) {
            items[k].n = (int64_t)k;
            items[k].path = text_of(40, &a);
            items[k].target = text_of(cases[i].target, &a);
            items[k].columns.items = columns;
            items[k].columns.count = cases[i].columns;
        }
        const struct job_result *kept = brief_results(items, &count, MAX, &a);
        size_t shown = count > 0 ? kept[0].columns.count : 0;
        if (count != cases[i].kept || shown != cases[i].kept_columns)
            fail_msg("%s: %zu, %zu", cases[i].name, count, shown);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(kept[k].n, k);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_cut_to_their_share),
        cmocka_unit_test(results_are_cut_to_their_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
