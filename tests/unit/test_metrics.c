/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: the Prometheus text: heads once per name, labels, histograms that add up; counting from many
 * threads.
 */
/* LIBS: base */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/metrics.h"

static struct metric first[] = {
    {.name = "t_jobs_total", .labels = "outcome=\"ok\"", .kind = METRIC_COUNTER, .help = "Jobs."},
    {.name = "t_depth", .kind = METRIC_GAUGE, .help = "Depth."},
    {.name = "t_jobs_total", .labels = "outcome=\"failed\"", .kind = METRIC_COUNTER, .help = "Jobs."},
};
static struct metric second[] = {
    {.name = "t_jobs_total", .labels = "outcome=\"lost\"", .kind = METRIC_COUNTER, .help = "Jobs."},
    {.name = "t_step_seconds", .kind = METRIC_SECONDS, .help = "Steps."},
    {.name = "t_wait_seconds", .labels = "pool=\"p\"", .kind = METRIC_SECONDS, .help = "Waits."},
};

static int register_tables(void **state)
{
    (void)state;
    metrics_register(first, sizeof(first) / sizeof(first[0]));
    metrics_register(second, sizeof(second) / sizeof(second[0]));
    metrics_register(second, sizeof(second) / sizeof(second[0])); /* again: nothing */
    return 0;
}

/* The page as a string, good until the next call. */
static const char *page(void)
{
    static struct buf text;
    buf_clear(&text);
    metrics_text(&text);
    buf_add_char(&text, '\0');
    return text.data;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        count++;
    return count;
}

static void rows_of_one_name_stand_together_under_one_head(void **state)
{
    (void)state;
    metric_add(&first[0], 3);
    metric_add(&first[0], 4);
    metric_add(&first[2], 1);
    metric_set(&first[1], 12);
    metric_set(&first[1], -5);
    assert_int_equal(metric_get(&first[0]), 7);
    const char *text = page();
    assert_non_null(strstr(text, "# HELP t_jobs_total Jobs.\n# TYPE t_jobs_total counter\n"
                                 "t_jobs_total{outcome=\"ok\"} 7\nt_jobs_total{outcome=\"failed\"} 1\n"
                                 "t_jobs_total{outcome=\"lost\"} 0\n"));
    assert_non_null(strstr(text, "# TYPE t_depth gauge\nt_depth -5\n"));
    assert_int_equal(count_of(text, "# TYPE t_jobs_total "), 1);
    assert_int_equal(count_of(text, "t_jobs_total{outcome=\"lost\"}"), 1);
}

static void durations_fall_into_buckets_that_add_up(void **state)
{
    (void)state;
    const int64_t observed[] = {-3, 0, 500, 501, 1000, 1000000, 8192000, 8192001, INT64_C(1000000000000)};
    for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++)
        metric_observe_us(&second[1], observed[i]);
    const char *text = page();
    assert_non_null(strstr(text, "# TYPE t_step_seconds histogram\n"
                                 "t_step_seconds_bucket{le=\"0.0005\"} 3\n"
                                 "t_step_seconds_bucket{le=\"0.001\"} 5\n"
                                 "t_step_seconds_bucket{le=\"0.002\"} 5\n"));
    assert_non_null(strstr(text, "t_step_seconds_bucket{le=\"0.512\"} 5\n"
                                 "t_step_seconds_bucket{le=\"1.024\"} 6\n"));
    assert_non_null(strstr(text, "t_step_seconds_bucket{le=\"8.192\"} 7\n"
                                 "t_step_seconds_bucket{le=\"+Inf\"} 9\n"
                                 "t_step_seconds_sum 1000017.386002\n"
                                 "t_step_seconds_count 9\n"));
    assert_int_equal(metric_get(&second[1]), 9);
}

static void a_histogram_with_labels_puts_le_last(void **state)
{
    (void)state;
    metric_observe_us(&second[2], 1500000);
    const char *text = page();
    assert_non_null(strstr(text, "t_wait_seconds_bucket{pool=\"p\",le=\"1.024\"} 0\n"
                                 "t_wait_seconds_bucket{pool=\"p\",le=\"2.048\"} 1\n"));
    assert_non_null(strstr(text, "t_wait_seconds_sum{pool=\"p\"} 1.5\nt_wait_seconds_count{pool=\"p\"} 1\n"));
}

static double value_of(const char *text, const char *name)
{
    char line[128];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    return strtod(at + strlen(line), NULL);
}

static void the_process_tells_about_itself(void **state)
{
    (void)state;
    const char *text = page();
    double now = (double)clock_utc_ms() / 1000;
    assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(text, "process_open_fds") >= 3);
    assert_true(value_of(text, "process_cpu_seconds_total") >= 0);
    assert_true(value_of(text, "process_start_time_seconds") > now - 3600);
    assert_true(value_of(text, "process_start_time_seconds") < now + 1);
    assert_non_null(strstr(text, "\nmillrace_build_info{version=\"" MILLRACE_VERSION "\"} 1\n"));
}

static void *count_up(void *arg)
{
    for (int i = 0; i < 100000; i++) {
        metric_add(&first[2], 1);
        if (i % 100 == 0)
            metric_observe_us(&second[2], 700);
    }
    return arg;
}

static void nothing_is_lost_between_threads(void **state)
{
    pthread_t threads[4];
    int64_t before = metric_get(&first[2]);
    int64_t waits = metric_get(&second[2]);

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_get(&first[2]) - before, 400000);
    assert_int_equal(metric_get(&second[2]) - waits, 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_one_name_stand_together_under_one_head),
        cmocka_unit_test(durations_fall_into_buckets_that_add_up),
        cmocka_unit_test(a_histogram_with_labels_puts_le_last),
        cmocka_unit_test(the_process_tells_about_itself),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, register_tables, NULL);
}
