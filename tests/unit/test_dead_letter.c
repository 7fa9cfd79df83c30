/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: stage */
/* test_dead_letter: whose job a record that can't be accepted is, as far as header and key tell, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/stage.h"

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static const struct {
    const char *name, *header, *key;
    const char *creator, *user; /* NULL: it can't be known */
} cases[] = {
    {"header and key tell", ID, "ide/ann", "ide", "ann"},
    {"without the header nobody knows which job it is", NULL, "ide/ann", NULL, NULL},
    {"a header that is no id", "17", "ide/ann", NULL, NULL},
    {"a key without a slash", ID, "ide", NULL, NULL},
    {"no key", ID, NULL, NULL, NULL},
    {"a key with an empty user", ID, "ide/", NULL, NULL},
    {"a key with two slashes", ID, "ide/ann/x", NULL, NULL},
    {"a name that would lead out of a folder", ID, "../ann", NULL, NULL},
};

static struct bus_record record_of(const char *header, const char *key, struct bus_header *space)
{
    *space = (struct bus_header){BYTES("job"), header ? bytes_of(header) : BYTES_NONE};
    return (struct bus_record){.topic = "jobs.planned",
        .partition = 4,
        .offset = 17,
        .timestamp = 1000,
        .key = key ? bytes_of(key) : BYTES_NONE,
        .headers = space,
        .header_count = header ? 1 : 0};
}

static void names_the_job_by_header_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bus_header header;
        struct bus_record r = record_of(cases[i].header, cases[i].key, &header);
        struct error why;
        struct job_error error;
        struct job j;
        error_set(&why, "garbage", "these bytes are no record");
        bool known = dead_letter_job(&r, NULL, &why, &j, &error);
        if (known != (cases[i].creator != NULL))
            fail_msg("%s: known %d", cases[i].name, known);
        if (known && (!bytes_equal_text(j.creator, cases[i].creator) ||
                         !bytes_equal_text(j.user, cases[i].user) || !bytes_equal_text(j.job_id, ID)))
            fail_msg("%s: %.*s/%.*s", cases[i].name, BYTES_ARG(j.creator), BYTES_ARG(j.user));
    }
}

static void the_job_carries_the_reason_and_where_it_lay(void **state)
{
    struct bus_header header;
    struct bus_record r = record_of(ID, "ide/ann", &header);
    struct error why;
    struct job_error error;
    struct job j;
    (void)state;
    error_set(&why, "garbage", "these bytes are no record");
    assert_true(dead_letter_job(&r, NULL, &why, &j, &error));
    assert_ptr_equal(j.error, &error);
    assert_true(bytes_equal_text(error.code, "garbage"));
    assert_true(bytes_equal_text(error.message, "these bytes are no record"));
    assert_int_equal(j.origin.partition, 4);
    assert_int_equal(j.origin.offset, 17);
    assert_int_equal(j.times.accepted, 1000);
}

static void a_job_that_could_be_read_keeps_its_own_names(void **state)
{
    struct bus_header header;
    struct bus_record r = record_of(NULL, "other/bob", &header);
    struct error why;
    struct job_error error;
    struct job known, j;
    (void)state;
    shape_clear(&shape_planned, &known);
    known.job_id = BYTES(ID);
    known.creator = BYTES("ide");
    known.user = BYTES("ann");
    known.origin = (struct origin){1, 2, 3};
    error_set(&why, "poison", "the planner died 3 times on this record");
    assert_true(dead_letter_job(&r, &known, &why, &j, &error));
    assert_true(bytes_equal_text(j.creator, "ide") && bytes_equal_text(j.user, "ann"));
    assert_int_equal(j.origin.offset, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_job_by_header_and_key),
        cmocka_unit_test(the_job_carries_the_reason_and_where_it_lay),
        cmocka_unit_test(a_job_that_could_be_read_keeps_its_own_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
