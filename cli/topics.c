/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topics: millrace topics create|list: what an installation needs before its programs start: Kafka's topics and MongoDB's
 * indexes. Creating is idempotent; what exists and differs is told, not changed.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/servers.h"
#include "cli/table.h"
#include "core/bus_client.h"

static bool create_indexes(const struct servers *s, struct error *e)
{
    struct store *store = store_open(&s->store, "millrace", e);
    if (!store)
        return false;
    bool ok = store_indexes_create(store, s->patience_ms, e);
    store_close(store);
    return ok;
}

static enum outcome create(const struct servers *s)
{
    struct error e;
    struct buf report;
    size_t indexes = 0;
    error_clear(&e);
    buf_init(&report);
    bool ok = bus_topics_create(
        &s->bus, s->pools, (int)s->partitions, (int)s->replication, s->patience_ms, &report, &e);
    (void)fwrite(report.data ? report.data : "", 1, report.len, stdout);
    buf_release(&report);
    ok = ok && create_indexes(s, &e);
    if (!ok) {
        complain("%s (%s)", e.text, e.code);
        return error_is(&e, "store_away") || error_is(&e, "kafka_away") ? OUTCOME_UNREACHABLE
                                                                        : OUTCOME_FAILED;
    }
    for (const struct store_index *i = store_indexes; i->collection; i++)
        indexes++;
    printf("indexes in %s: %zu\n", s->store.database, indexes);
    return OUTCOME_DONE;
}

static int partitions_of(const struct rd_kafka_metadata *md, const char *name)
{
    for (int i = 0; i < md->topic_cnt; i++)
        if (strcmp(md->topics[i].topic, name) == 0)
            return md->topics[i].partition_cnt;
    return 0;
}

static void add_topic(struct table *t, const struct rd_kafka_metadata *md, const struct servers *s,
    const char *name, const struct bus_topic *topic)
{
    char text[32];
    char *full = bus_full_name(s->bus.topic_prefix, name);
    int partitions = partitions_of(md, full);
    table_add_text(t, full);
    (void)snprintf(text, sizeof text, "%d", partitions);
    table_add_text(t, partitions ? text : "missing");
    (void)snprintf(text, sizeof text, "%lld h", (long long)(topic->retention_ms / 3600000));
    table_add_text(t, text);
    table_add_text(t, topic->help);
    free(full);
}

/* Every pool has a planned topic of its own. */
static void add_planned(struct table *t, const struct rd_kafka_metadata *md, const struct servers *s,
    const struct bus_topic *topic)
{
    struct bytes rest = bytes_of(s->pools);
    while (rest.len > 0) {
        const char *comma = memchr(rest.data, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.data) : rest.len;
        char pool[64];
        struct buf name;
        buf_init(&name);
        (void)snprintf(pool, sizeof pool, "%.*s", BYTES_ARG(bytes_trim(bytes_slice(rest, 0, len))));
        bus_planned_topic(pool, &name);
        buf_add_char(&name, '\0');
        add_topic(t, md, s, name.data, topic);
        buf_release(&name);
        rest = bytes_slice(rest, comma ? len + 1 : len, rest.len);
    }
}

static enum outcome list(const struct servers *s)
{
    static const char *const heads[] = {"TOPIC", "PARTITIONS", "KEPT", "WHAT"};
    static const struct bus_property none[] = {{NULL, NULL}};
    const struct rd_kafka_metadata *md = NULL;
    struct error e;
    error_clear(&e);
    rd_kafka_conf_t *conf = bus_conf(&s->bus, "millrace", none, &e);
    rd_kafka_t *rk = conf ? bus_handle(RD_KAFKA_PRODUCER, conf, &e) : NULL;
    if (!rk) {
        complain("%s", e.text);
        return OUTCOME_USAGE;
    }
    rd_kafka_resp_err_t failed = rd_kafka_metadata(rk, 1, NULL, &md, (int)s->patience_ms);
    if (failed) {
        complain("Kafka at %s: %s (--kafka.brokers or MILLRACE_KAFKA_BROKERS tells where it is)",
            s->bus.brokers, rd_kafka_err2str(failed));
        rd_kafka_destroy(rk);
        return OUTCOME_UNREACHABLE;
    }
    struct table *t = table_new(4, heads);
    table_right(t, 1);
    table_right(t, 2);
    for (const struct bus_topic *topic = bus_topics; topic->name; topic++)
        if (strcmp(topic->name, "jobs.planned") == 0)
            add_planned(t, md, s, topic);
        else
            add_topic(t, md, s, topic->name, topic);
    table_print(t);
    table_free(t);
    rd_kafka_metadata_destroy(md);
    rd_kafka_destroy(rk);
    return OUTCOME_DONE;
}

static enum outcome topics(const struct args *a)
{
    struct servers s;
    bool creates = strcmp(a->words[0], "create") == 0;
    if (!creates && strcmp(a->words[0], "list") != 0) {
        complain("topics %s: create or list is expected", a->words[0]);
        return OUTCOME_USAGE;
    }
    if (!servers_load(a, &s))
        return OUTCOME_USAGE;
    return creates ? create(&s) : list(&s);
}

const struct command command_topics = {
    .name = "topics",
    .words = "create|list",
    .words_least = 1,
    .words_most = 1,
    .about = "Create Kafka's topics and MongoDB's indexes, or list the topics",
    .settings = servers_settings,
    .run = topics,
    .notes = "create changes nothing that exists: it says what differs.",
};
