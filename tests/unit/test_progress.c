/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: stage */
/*
 * progress: what a reader concludes from the commit's metadata. The consumer here has no Kafka and no partitions, so that its
 * commits go nowhere; what they say is seen in the flow tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/progress.h"

static const char topic[] = "jobs.submitted";
static struct progress progress;

static struct bus_record record_at(int64_t offset)
{
    return (struct bus_record){.topic = topic, .partition = 3, .offset = offset};
}

static const struct {
    const char *name, *metadata;
    bool careful;
    int tries;
} cases[] = {
    {"a partition that nobody read is taken as clean", "", false, 0},
    {"the last reader left in order", "clean", false, 0},
    {"the last reader died at work: that may happen", "run 12345678", false, 0},
    {"two died at this offset", "again 12345678", true, 0},
    {"a reader died in the step of the record", "try=1", true, 1},
    {"two did", "try=2", true, 2},
    {"three did", "try=3", true, 3},
    {"more than that counts as three", "try=99999999999", true, 3},
    {"another program's text is taken as clean", "{\"a\":1}", false, 0},
    {"a count that is none is taken as clean", "try=x", false, 0},
    {"a negative count is taken as clean", "try=-2", false, 0},
};

static void concludes_from_the_metadata(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bus_record first = record_at(10);
        const struct bus_record second = record_at(11);
        progress_assigned(&progress, topic, 3, 10, cases[i].metadata);
        if (progress_is_careful(&progress, &first) != cases[i].careful ||
            progress_tries(&progress, &first) != cases[i].tries)
            fail_msg("%s: careful %d, tries %d", cases[i].name, progress_is_careful(&progress, &first),
                progress_tries(&progress, &first));
        assert_int_equal(progress_tries(&progress, &second), 0); /* only that very record */
        progress_revoked(&progress, topic, 3, true);
    }
}

static void is_careful_with_the_first_records_only(void **state)
{
    const struct bus_record last = record_at(10 + CAREFUL_RECORDS - 1);
    const struct bus_record after = record_at(10 + CAREFUL_RECORDS);

    (void)state;
    progress_assigned(&progress, topic, 3, 10, "again 12345678");
    assert_true(progress_is_careful(&progress, &last));
    assert_false(progress_is_careful(&progress, &after));
    progress_revoked(&progress, topic, 3, true);
}

static void goes_on_as_before_with_what_it_had_lost(void **state)
{
    const struct bus_record r = record_at(10);

    (void)state;
    progress_assigned(&progress, topic, 3, 10, progress.mark);
    assert_false(progress_is_careful(&progress, &r));
    progress_assigned(&progress, topic, 3, 10, progress.again);
    assert_false(progress_is_careful(&progress, &r));
    progress_revoked(&progress, topic, 3, true);
}

static void knows_nothing_of_partitions_that_went_away(void **state)
{
    const struct bus_record r = record_at(10);

    (void)state;
    progress_assigned(&progress, topic, 3, 10, "try=3");
    progress_revoked(&progress, topic, 3, true);
    assert_false(progress_is_careful(&progress, &r));
    assert_int_equal(progress_tries(&progress, &r), 0);
    progress_done(&progress, &r); /* no harm */
    assert_int_equal(progress.count, 0);
}

static void never_goes_back(void **state)
{
    const struct bus_record late = record_at(20);
    const struct bus_record early = record_at(15);

    (void)state;
    progress_assigned(&progress, topic, 3, 10, "clean");
    progress_done(&progress, &late);
    progress_done(&progress, &early); /* read again after a rebalance */
    assert_int_equal(progress.items[0].done, 21);
    progress_revoked(&progress, topic, 3, true);
}

static int set_up(void **state)
{
    static const char *const topics[] = {topic};
    const struct bus_settings settings = {
        .brokers = "127.0.0.1:1", .topic_prefix = "", .session_timeout_ms = 6000};
    const struct consumer_options o = {.group = "test", .topics = topics, .topic_count = 1};
    struct error e;

    (void)state;
    log_init("test", LOG_ERROR);
    error_clear(&e);
    progress_init(&progress);
    progress.consumer = consumer_open(&settings, "test", &o, &e);
    return progress.consumer != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct consumer *c = progress.consumer;

    (void)state;
    progress_release(&progress);
    consumer_close(c);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concludes_from_the_metadata),
        cmocka_unit_test(is_careful_with_the_first_records_only),
        cmocka_unit_test(goes_on_as_before_with_what_it_had_lost),
        cmocka_unit_test(knows_nothing_of_partitions_that_went_away),
        cmocka_unit_test(never_goes_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
