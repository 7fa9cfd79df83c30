/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: ingest */
/* test_waiting: which of the jobs before it a job waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/waiting.h"

/* Jobs before ours in order, by name: upper case runs, lower case waits. Whom ours waits for; "" nobody. */
static const struct {
    const char *name, *ahead;
    int64_t max_running;
    const char *behind;
} rows[] = {
    {"nobody is before it", "", 1, ""},
    {"one that runs", "A", 1, "A"},
    {"the one that runs comes before those that wait", "Abc", 1, "A"},
    {"the head that waits", "abc", 1, "a"},
    {"a place is left", "A", 2, ""},
    {"a place is left, and the head takes it", "Ab", 2, "b"},
    {"all places are taken", "AB", 2, "A"},
    {"all places are taken, others wait too", "ABc", 2, "A"},
    {"a retry waits at the head while others run", "aB", 2, "a"},
    {"more run than may", "ABC", 2, "A"},
};

static void a_job_waits_for_who_has_to_go_first(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct waiting_job ahead[8];
        size_t count = strlen(rows[r].ahead);
        for (size_t i = 0; i < count; i++)
            ahead[i] = (struct waiting_job){{&rows[r].ahead[i], 1}, rows[r].ahead[i] < 'a'};
        const struct waiting_job *behind = waiting_behind(ahead, count, rows[r].max_running);
        struct bytes got = behind ? behind->id : BYTES("");
        if (!bytes_equal_text(got, rows[r].behind))
            fail_msg("%s: expected '%s', got '%.*s'", rows[r].name, rows[r].behind, BYTES_ARG(got));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_job_waits_for_who_has_to_go_first)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
