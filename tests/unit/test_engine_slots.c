/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: job_run */
/* test_engine_slots: the setting engine.slots, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor/engine_slots.h"

static void write_down(void *self, struct bytes engine, size_t slots)
{
    struct buf *out = self;
    buf_printf(out, "%.*s:%zu ", BYTES_ARG(engine), slots);
}

static void entries_are_read_in_order_or_refused(void **state)
{
    static const struct {
        const char *text, *read; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"  ", ""},
        {"shell=16", "shell:16 "},
        {"shell=16,postgres@warehouse=4", "shell:16 postgres@warehouse:4 "},
        {" shell = 16 , sqlite=1 ", "shell:16 sqlite:1 "},
        {"shell=100000", "shell:100000 "},
        {"shell", NULL},
        {"shell=", NULL},
        {"=4", NULL},
        {"shell=0", NULL},
        {"shell=-1", NULL},
        {"shell=100001", NULL},
        {"shell=many", NULL},
        {"shell=1 2", NULL},
        {"shell=1,", NULL},
        {",shell=1", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        struct error e;
        buf_init(&out);
        print_message("  \"%s\"\n", rows[i].text);
        bool ok = engine_slots_read(bytes_of(rows[i].text), write_down, &out, &e);
        assert_int_equal(ok, rows[i].read != NULL);
        if (ok)
            assert_true(bytes_equal_text(buf_bytes(&out), rows[i].read));
        else
            assert_string_equal(e.code, "bad_setting");
        assert_int_equal(engine_slots_read(bytes_of(rows[i].text), NULL, NULL, &e), ok);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(entries_are_read_in_order_or_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
