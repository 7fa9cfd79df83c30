/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_client: see bus_client.h. One table of properties for all clients; each row tells why it is not
 * librdkafka's default. Properties that only newer versions know are tried and skipped where they are
 * unknown.
 */
#include "core/bus_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"

enum { SAY_EVERY_MS = 5000, SYSLOG_CRITICAL = 2 };

static const struct bus_property common[] = {
    {"socket.nagle.disable", "true"},    /* Nagle costs up to 40 ms a record */
    {"socket.keepalive.enable", "true"}, /* a dead peer shows up */
    {"reconnect.backoff.ms", "100"},     /* back soon after an outage: */
    {"reconnect.backoff.max.ms", "1000"},
    {"topic.metadata.refresh.interval.ms", "60000"},
    {"log.connection.close", "false"}, /* idle connections close; not news */
    {"message.max.bytes", "12582912"}, /* the topics' own limits decide (10 and 11 MiB) */
    {NULL, NULL},
};

/* librdkafka's own log: outages are told by our words, so it is detail for those who look for it. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    if (level <= SYSLOG_CRITICAL)
        log_error("kafka", "facility=%s text=%s", facility, log_quote(bytes_of(text)));
    else
        log_debug("kafka", "facility=%s text=%s", facility, log_quote(bytes_of(text)));
}

void *bus_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (memory == NULL)
        log_fatal("out_of_memory", "bytes=%zu", count * size);
    return memory;
}

char *bus_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = bus_alloc(1, size);
    memcpy(copy, text, size);
    return copy;
}

char *bus_full_name(const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *full = bus_alloc(1, size);
    snprintf(full, size, "%s%s", prefix, name);
    return full;
}

const char *bus_user_property(const struct bus_settings *s, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < s->kafka.count; i++) {
        if (strcmp(s->kafka.items[i].name, name) == 0)
            value = s->kafka.items[i].value;
    }
    return value;
}

static bool set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *e)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return true;
    return error_set(e, "bad_setting", "kafka.%s=%s: %s", name, value, why);
}

static bool set_all(rd_kafka_conf_t *conf, const struct bus_settings *s, const char *client_id,
    const struct bus_property *own, struct error *e)
{
    if (!set_property(conf, "bootstrap.servers", s->brokers, e) ||
        !set_property(conf, "client.id", client_id, e))
        return false;
    for (const struct bus_property *p = common; p->name != NULL; p++) {
        if (!set_property(conf, p->name, p->value, e))
            return false;
    }
    for (const struct bus_property *p = own; p->name != NULL; p++) {
        if (!set_property(conf, p->name, p->value, e))
            return false;
    }
    for (size_t i = 0; i < s->kafka.count; i++) {
        if (!set_property(conf, s->kafka.items[i].name, s->kafka.items[i].value, e))
            return false;
    }
    return true;
}

rd_kafka_conf_t *bus_conf(
    const struct bus_settings *s, const char *client_id, const struct bus_property *own, struct error *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    if (!set_all(conf, s, client_id, own, e)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    return conf;
}

rd_kafka_t *bus_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *e)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        error_set(e, "bad_setting", "kafka: %s", why);
    }
    return rk;
}

void bus_say_waiting(int64_t *said_ms, const char *event, const char *detail)
{
    bus_say_every(said_ms, SAY_EVERY_MS, event, detail);
}

void bus_say_every(int64_t *said_ms, int64_t every_ms, const char *event, const char *detail)
{
    int64_t now = clock_boot_ms();

    if (*said_ms != 0 && now - *said_ms < every_ms)
        return;
    *said_ms = now;
    log_warn(event, "%s", detail);
}

void bus_check_fatal(rd_kafka_t *rk)
{
    char why[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(rk, why, sizeof(why));

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_fatal("kafka_fatal", "code=%s text=%s", rd_kafka_err2name(code), log_quote(bytes_of(why)));
}

int32_t bus_ready_partitions(const struct rd_kafka_metadata *md, const char *full)
{
    for (int i = 0; i < md->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &md->topics[i];
        if (strcmp(t->topic, full) != 0 || t->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        for (int k = 0; k < t->partition_cnt; k++) {
            if (t->partitions[k].leader < 0)
                return 0;
        }
        return t->partition_cnt;
    }
    return 0;
}

void bus_pause_ms(int64_t ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}
