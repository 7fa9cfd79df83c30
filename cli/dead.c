/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dead: millrace dead: the latest records of jobs.dead: where each came from, why it was not accepted, the first of its bytes.
 * Reads with librdkafka directly: all partitions from so many records before their ends, without a group, once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/servers.h"
#include "cli/table.h"
#include "cli/wait.h"
#include "core/bus_client.h"
#include "core/clock.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MOST = 10000, PREVIEW = 60, RETRY_MS = 200 };

static const struct option own[] = {
    {'l', "limit", "N", false, "the latest so many; default 20"},
    {'o', "output", "table|json", false, "how they are shown; default table"},
    OPTION_END,
};

struct letter {
    int64_t at;
    json_t *json;
};
struct letters {
    struct letter *items;
    size_t count, cap;
};

/* The first bytes as text: printable ASCII as it is, all else as \xNN. */
static void preview(struct bytes value, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < value.len && i < PREVIEW && len + 8 < size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        int wrote = snprintf(out + len, size - len, c >= 0x20 && c < 0x7F ? "%c" : "\\x%02x", c);
        len += wrote > 0 ? (size_t)wrote : 0;
    }
    if (value.len > PREVIEW)
        (void)snprintf(out + len, size - len, "...");
}

static json_t *text_json(const void *data, size_t len)
{
    char shown[PREVIEW * 4 + 16];
    json_t *text = json_stringn(data ? data : "", len);
    if (text)
        return text;
    preview((struct bytes){data, len}, shown, sizeof shown);
    return json_string(shown);
}

static json_t *headers_json(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    json_t *out = json_object();
    const char *name;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return out;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        json_object_set_new(out, name, text_json(value, size));
    return out;
}

static void keep(struct letters *l, const rd_kafka_message_t *m)
{
    char shown[PREVIEW * 4 + 16], at[CLOCK_TEXT_SIZE];
    rd_kafka_timestamp_type_t kind;
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        struct letter *more = realloc(l->items, l->cap * sizeof *more);
        MUST(more != NULL);
        l->items = more;
    }
    struct letter *letter = &l->items[l->count++];
    letter->at = rd_kafka_message_timestamp(m, &kind);
    preview((struct bytes){m->payload, m->len}, shown, sizeof shown);
    letter->json =
        json_pack("{s:s, s:i, s:I, s:o, s:b, s:I, s:s, s:o}", "at", clock_text(letter->at, at), "partition",
            (int)m->partition, "offset", (json_int_t)m->offset, "key", text_json(m->key, m->key_len), "null",
            m->payload == NULL, "bytes", (json_int_t)m->len, "preview", shown, "headers", headers_json(m));
}

/* Just after a topic was made, or moved, a broker may say for a moment that the partition is another's. */
static rd_kafka_resp_err_t query_ends(
    rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *low, int64_t *high)
{
    int64_t until = clock_boot_ms() + timeout_ms;
    for (;;) {
        rd_kafka_resp_err_t failed =
            rd_kafka_query_watermark_offsets(rk, topic, partition, low, high, timeout_ms);
        bool passing = failed == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
                       failed == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        if (!passing || clock_boot_ms() > until)
            return failed;
        wait_pause(RETRY_MS);
    }
}

/* Assigns each partition from `limit` records before its end; returns how many have something to read, or -1. */
static int assign(rd_kafka_t *rk, const char *topic, int64_t limit, int timeout_ms, struct error *e)
{
    const struct rd_kafka_metadata *md = NULL;
    int left = 0;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t failed = rd_kafka_metadata(rk, 0, handle, &md, timeout_ms);
    rd_kafka_topic_destroy(handle);
    if (failed) {
        error_set(e, "kafka_away", "%s", rd_kafka_err2str(failed));
        return -1;
    }
    int count = md->topic_cnt ? md->topics[0].partition_cnt : 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count ? count : 1);
    bool ok = count > 0;
    if (!ok)
        error_set(e, "unknown_topic", "there is no topic %s; millrace topics create makes it", topic);
    for (int32_t p = 0; ok && p < count; p++) {
        int64_t low = 0, high = 0;
        failed = query_ends(rk, topic, p, timeout_ms, &low, &high);
        if (failed) {
            ok = error_set(e, "kafka_away", "%s", rd_kafka_err2str(failed));
        } else if (high > low) {
            rd_kafka_topic_partition_list_add(list, topic, p)->offset =
                high - limit > low ? high - limit : low;
            left++;
        }
    }
    if (ok && left > 0)
        rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(md);
    return ok ? left : -1;
}

/* Until each partition reported its end. */
static bool read_all(rd_kafka_t *rk, int left, int64_t patience_ms, struct letters *out, struct error *e)
{
    int64_t until = clock_boot_ms() + patience_ms;
    while (left > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (!m && clock_boot_ms() > until)
            return error_set(e, "kafka_away", "no answer within %lld ms", (long long)patience_ms);
        if (!m)
            continue;
        if (!m->err) {
            keep(out, m);
            until = clock_boot_ms() + patience_ms;
        } else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            left--;
        }
        rd_kafka_message_destroy(m);
    }
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static const char *header(const json_t *letter, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(letter, "headers"), name));
    return text ? text : "";
}

static void print(const struct letters *l, size_t from, bool as_json)
{
    static const char *const heads[] = {"AT", "STAGE", "FROM", "KEY", "CODE", "REASON", "BYTES", "PREVIEW"};
    json_t *all = json_array();
    struct table *t = table_new(8, heads);
    table_right(t, 6);
    for (size_t i = from; i < l->count; i++) {
        char at[32], place[160];
        const json_t *letter = l->items[i].json;
        json_array_append(all, l->items[i].json);
        (void)snprintf(place, sizeof place, "%s/%s/%s", header(letter, "dead_topic"),
            header(letter, "dead_partition"), header(letter, "dead_offset"));
        table_add(t, time_shown(json_string_value(json_object_get(letter, "at")), at));
        table_add_text(t, header(letter, "dead_stage"));
        table_add_text(t, place);
        table_add_json(t, json_object_get(letter, "key"));
        table_add_text(t, header(letter, "dead_code"));
        table_add_text(t, header(letter, "dead_reason"));
        table_add_json(t, json_object_get(letter, "bytes"));
        table_add_text(t, json_is_true(json_object_get(letter, "null"))
                              ? "(null)"
                              : json_string_value(json_object_get(letter, "preview")));
    }
    if (as_json)
        print_json(all);
    else
        table_print(t);
    json_decref(all);
    table_free(t);
}

static bool collect(const struct servers *s, int64_t limit, struct letters *out, struct error *e)
{
    static const struct bus_property properties[] = {
        {"group.id", "millrace-cli"}, /* needed by assign, never joined */
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = bus_conf(&s->bus, "millrace", properties, e);
    rd_kafka_t *rk = conf ? bus_handle(RD_KAFKA_CONSUMER, conf, e) : NULL;
    if (!rk)
        return false;
    rd_kafka_poll_set_consumer(rk);
    char *topic = bus_full_name(s->bus.topic_prefix, "jobs.dead");
    int left = assign(rk, topic, limit, (int)s->patience_ms, e);
    bool ok = left >= 0 && read_all(rk, left, s->patience_ms, out, e);
    free(topic);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return ok;
}

static enum outcome dead(const struct args *a)
{
    struct servers s;
    struct letters letters = {NULL, 0, 0};
    struct error e;
    int64_t limit;
    bool as_json;
    error_clear(&e);
    if (!args_output(a, &as_json) || !args_number(a, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT, &limit) ||
        !servers_load(a, &s))
        return OUTCOME_USAGE;
    bool ok = collect(&s, limit, &letters, &e);
    if (ok) {
        if (letters.count > 1)
            qsort(letters.items, letters.count, sizeof *letters.items, by_time);
        print(&letters, letters.count > (size_t)limit ? letters.count - (size_t)limit : 0, as_json);
    } else {
        complain("Kafka at %s: %s (--kafka.brokers or MILLRACE_KAFKA_BROKERS tells where it is)",
            s.bus.brokers, e.text);
    }
    for (size_t i = 0; i < letters.count; i++)
        json_decref(letters.items[i].json);
    free(letters.items);
    if (ok)
        return OUTCOME_DONE;
    return error_is(&e, "kafka_away") ? OUTCOME_UNREACHABLE : OUTCOME_FAILED;
}

const struct command command_dead = {
    .name = "dead",
    .words = "",
    .about = "Show the latest records that no stage could accept (jobs.dead), oldest first",
    .options = own,
    .settings = servers_settings,
    .run = dead,
};
