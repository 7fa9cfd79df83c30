/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/* test_engines_held: logs that nobody takes now wait in the pipes; nothing is lost, and what must end ends. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/engines_world.h"

static void held_output_waits_and_nothing_of_it_is_lost(void **state)
{
    enum { LINES = 40000, LINE_BYTES = 11 }; /* far more than the pipes take */
    struct world w;
    struct probe b, c;
    (void)state;
    world_prepare(&w);
    world_open(&w, "auto");
    run_code(&w, &b, "shell", "for i in $(seq 10000 49999); do echo line $i; done; echo to stderr >&2");
    AWAIT(&w, b.log_bytes > 0);
    engines_hold_output(w.p, true);
    size_t before = b.log_bytes;
    assert_true(before < (size_t)LINES * LINE_BYTES);
    run_code(&w, &c, "noop", ""); /* its engine gets ready meanwhile; then it is held as well */
    AWAIT(&w, (engines_hold_output(w.p, true), engines_process_count(w.p) == 2));
    assert_false(b.ended);
    assert_int_equal(b.log_bytes, before);
    engines_hold_output(w.p, false);
    AWAIT(&w, b.ended && c.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_int_equal(c.end, TASK_SUCCEEDED);
    assert_int_equal(b.out.len, LINES * LINE_BYTES);
    assert_int_equal(b.err.len, sizeof "to stderr\n" - 1);
    probe_release(&b);
    probe_release(&c);
    world_close(&w);
}

static void a_held_task_can_be_cancelled(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_prepare(&w);
    world_open(&w, "auto");
    run_code(&w, &b, "shell", "while :; do echo for ever; done");
    AWAIT(&w, b.log_bytes > 0);
    engines_hold_output(w.p, true);
    engines_cancel(w.p, b.run);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_CANCELLED);
    probe_release(&b);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_output_waits_and_nothing_of_it_is_lost),
        cmocka_unit_test(a_held_task_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
