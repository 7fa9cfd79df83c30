/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_topics: the table of topics, and `millrace topics create`: makes what is missing, compares the rest
 * with the table, waits until every partition has a leader. It changes nothing that exists: another partition
 * count would move groups to other partitions, so it is told, not mended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus_client.h"
#include "core/clock.h"

#define DAY_MS (24LL * 3600 * 1000)
#define MIB (1024LL * 1024)

const struct bus_topic bus_topics[] = {
    {"jobs.submitted", 7 * DAY_MS, 10 * MIB, "jobs as they were submitted"},
    {"jobs.converted", 7 * DAY_MS, 10 * MIB, "checked and completed jobs"},
    {"jobs.planned", 7 * DAY_MS, 10 * MIB,
        "jobs with their plan, pool default; other pools: jobs.planned.<pool>"},
    {"jobs.events", 7 * DAY_MS, 10 * MIB, "what happens to each job"},
    {"jobs.logs", 1 * DAY_MS, 10 * MIB, "log text on its way to the documents"},
    {"jobs.control", 1 * DAY_MS, 10 * MIB, "a doorbell for executors: cancels and holds"},
    {"jobs.dead", 30 * DAY_MS, 11 * MIB, "records that could not be accepted, as they came, and why"},
    {.name = NULL},
};

enum { STEP_MS = 1000, POOLS_MAX = 64, CONFIGS = 4 };

/* One topic to be made: the table's row under its full name. */
struct wanted {
    char *full;
    const struct bus_topic *row;
    bool made;
};

struct creation {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct wanted topics[POOLS_MAX + 8];
    size_t count;
    int partitions, replication;
    int64_t until; /* boot ms */
    struct buf *report;
};

struct config_value {
    const char *name;
    char value[32];
};

void bus_planned_topic(const char *pool, struct buf *out)
{
    buf_add_text(out, "jobs.planned");
    if (strcmp(pool, "default") == 0)
        return;
    buf_add_char(out, '.');
    buf_add_text(out, pool);
}

static void configs_of(
    const struct creation *c, const struct bus_topic *row, struct config_value out[CONFIGS])
{
    out[0].name = "retention.ms";
    snprintf(out[0].value, sizeof(out[0].value), "%lld", (long long)row->retention_ms);
    out[1].name = "max.message.bytes";
    snprintf(out[1].value, sizeof(out[1].value), "%lld", (long long)row->max_message_bytes);
    out[2].name = "message.timestamp.type";
    snprintf(out[2].value, sizeof(out[2].value), "LogAppendTime");
    out[3].name = "min.insync.replicas"; /* an acknowledged record survives the loss of a broker */
    snprintf(out[3].value, sizeof(out[3].value), "%d", c->replication >= 3 ? 2 : 1);
}

static bool want(
    struct creation *c, const char *prefix, const char *name, const struct bus_topic *row, struct error *e)
{
    if (c->count == sizeof(c->topics) / sizeof(c->topics[0]))
        return error_set(e, "bad_setting", "pools: more than %d", POOLS_MAX);
    c->topics[c->count++] = (struct wanted){bus_full_name(prefix, name), row, false};
    return true;
}

static const struct bus_topic *row_of(const char *name)
{
    const struct bus_topic *row = bus_topics;

    while (row->name != NULL && strcmp(row->name, name) != 0)
        row++;
    MUST(row->name != NULL);
    return row;
}

static bool want_pools(struct creation *c, const char *prefix, const char *pools, struct error *e)
{
    char *copy = bus_copy(pools);
    char *rest = NULL;
    bool done = true;
    struct buf name;

    buf_init(&name);
    for (char *pool = strtok_r(copy, ", ", &rest); pool != NULL && done; pool = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(pool, "default") == 0)
            continue;
        buf_clear(&name);
        bus_planned_topic(pool, &name);
        buf_add_char(&name, '\0');
        done = want(c, prefix, name.data, row_of("jobs.planned"), e);
    }
    buf_release(&name);
    free(copy);
    return done;
}

static int time_left(const struct creation *c)
{
    int64_t left = c->until - clock_boot_ms();
    return left < 0 ? 0 : (int)left;
}

/* ---- create ---- */

static rd_kafka_NewTopic_t *new_topic(const struct creation *c, const struct wanted *w, struct error *e)
{
    char why[256];
    struct config_value configs[CONFIGS];
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(w->full, c->partitions, c->replication, why, sizeof(why));

    if (t == NULL) {
        error_set(e, "bad_setting", "topic %s: %s", w->full, why);
        return NULL;
    }
    configs_of(c, w->row, configs);
    for (int i = 0; i < CONFIGS; i++)
        rd_kafka_NewTopic_set_config(t, configs[i].name, configs[i].value);
    return t;
}

static bool take_results(struct creation *c, rd_kafka_event_t *event, struct error *e)
{
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);

    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(e, "kafka", "creating topics: %s", rd_kafka_event_error_string(event));
    const rd_kafka_topic_result_t **rows = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(rows[i]);
        const char *name = rd_kafka_topic_result_name(rows[i]);
        if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return error_set(
                e, "kafka", "creating topic %s: %s", name, rd_kafka_topic_result_error_string(rows[i]));
        for (size_t k = 0; k < c->count; k++) {
            if (strcmp(c->topics[k].full, name) == 0)
                c->topics[k].made = true;
        }
    }
    return true;
}

static bool create(struct creation *c, struct error *e)
{
    rd_kafka_NewTopic_t *list[POOLS_MAX + 8];
    size_t count = 0;
    bool done = false;

    for (; count < c->count; count++) {
        list[count] = new_topic(c, &c->topics[count], e);
        if (list[count] == NULL)
            goto out;
    }
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(c->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, time_left(c) + 1, NULL, 0);
    rd_kafka_CreateTopics(c->rk, list, count, options, c->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = rd_kafka_queue_poll(c->queue, time_left(c) + STEP_MS);
    if (event == NULL) {
        error_set(e, "kafka", "creating topics: no answer");
        goto out;
    }
    done = take_results(c, event, e);
    rd_kafka_event_destroy(event);
out:
    rd_kafka_NewTopic_destroy_array(list, count);
    return done;
}

/* ---- check ---- */

static bool wait_for_leaders(struct creation *c, int *counts, struct error *e)
{
    for (;;) {
        const struct rd_kafka_metadata *md = NULL;
        rd_kafka_resp_err_t err = rd_kafka_metadata(c->rk, 1, NULL, &md, STEP_MS);
        bool all = err == RD_KAFKA_RESP_ERR_NO_ERROR;
        for (size_t i = 0; all && i < c->count; i++) {
            counts[i] = bus_ready_partitions(md, c->topics[i].full);
            all = counts[i] > 0;
        }
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_metadata_destroy(md);
        if (all)
            return true;
        if (time_left(c) == 0)
            return error_set(e, "kafka", "topics have no leaders yet: %s", rd_kafka_err2str(err));
        bus_pause_ms(50);
    }
}

static const char *value_of(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return value != NULL ? value : "";
    }
    return "";
}

static void report_topic(
    struct creation *c, const struct wanted *w, int partitions, const rd_kafka_ConfigResource_t *found)
{
    struct config_value configs[CONFIGS];

    buf_printf(c->report, "%s: %s, %d partitions", w->full, w->made ? "created" : "exists", partitions);
    if (partitions != c->partitions)
        buf_printf(c->report, " (differs: asked for %d; groups would move, so it stays)", c->partitions);
    configs_of(c, w->row, configs);
    for (int i = 0; i < CONFIGS; i++) {
        const char *value = value_of(found, configs[i].name);
        if (strcmp(value, configs[i].value) != 0)
            buf_printf(
                c->report, " (differs: %s is %s, should be %s)", configs[i].name, value, configs[i].value);
    }
    buf_add_char(c->report, '\n');
}

static bool report_all(struct creation *c, const int *counts, struct error *e)
{
    rd_kafka_ConfigResource_t *asked[POOLS_MAX + 8];
    size_t count = 0;
    bool done = false;

    for (; count < c->count; count++)
        asked[count] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, c->topics[count].full);
    rd_kafka_DescribeConfigs(c->rk, asked, count, NULL, c->queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(c->queue, time_left(c) + STEP_MS);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        error_set(e, "kafka", "reading the topics' settings: %s",
            event ? rd_kafka_event_error_string(event) : "no answer");
        goto out;
    }
    size_t found = 0;
    const rd_kafka_ConfigResource_t **rows =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &found);
    for (size_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < found; k++) {
            if (strcmp(rd_kafka_ConfigResource_name(rows[k]), c->topics[i].full) == 0)
                report_topic(c, &c->topics[i], counts[i], rows[k]);
        }
    }
    done = true;
out:
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy_array(asked, count);
    return done;
}

bool bus_topics_create(const struct bus_settings *s, const char *pools, int partitions, int replication,
    int64_t timeout_ms, struct buf *report, struct error *e)
{
    static const struct bus_property none[] = {{NULL, NULL}};
    struct creation c = {.partitions = partitions,
        .replication = replication,
        .until = clock_boot_ms() + timeout_ms,
        .report = report};
    int counts[POOLS_MAX + 8] = {0};
    bool done = false;
    rd_kafka_conf_t *conf = bus_conf(s, "millrace-topics", none, e);

    if (conf == NULL)
        return false;
    c.rk = bus_handle(RD_KAFKA_PRODUCER, conf, e);
    if (c.rk == NULL)
        return false;
    c.queue = rd_kafka_queue_new(c.rk);
    for (const struct bus_topic *t = bus_topics; t->name != NULL; t++) {
        if (!want(&c, s->topic_prefix, t->name, t, e))
            goto out;
    }
    done = want_pools(&c, s->topic_prefix, pools, e) && create(&c, e) && wait_for_leaders(&c, counts, e) &&
           report_all(&c, counts, e);
out:
    for (size_t i = 0; i < c.count; i++)
        free(c.topics[i].full);
    rd_kafka_queue_destroy(c.queue);
    rd_kafka_destroy(c.rk);
    return done;
}
