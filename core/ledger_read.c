/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_read: the reads of runs. Each is one find on an index of core/store_indexes.c. */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_run.h"

/* ---- a document ---- */

static void read_nodes(const bson_iter_t *field, struct arena *a, struct run *r)
{
    bson_iter_t nodes, counting;
    size_t count = 0;
    if (!BSON_ITER_HOLDS_DOCUMENT(field) || !bson_iter_recurse(field, &nodes))
        return;
    for (counting = nodes; bson_iter_next(&counting);)
        count++;
    r->nodes = arena_array(a, count, sizeof *r->nodes);
    while (bson_iter_next(&nodes))
        r->nodes[r->node_count++] = (struct run_node){
            ledger_node_id(bson_iter_key(&nodes), a), arena_copy(a, ledger_binary_of(&nodes))};
}

static void read_outs(const bson_iter_t *it, struct arena *a, struct run *r)
{
    bson_iter_t item;
    size_t n = 0;
    if (!BSON_ITER_HOLDS_ARRAY(it))
        return;
    for (bool more = bson_iter_recurse(it, &item) && bson_iter_next(&item); more;
         more = bson_iter_next(&item))
        n++;
    r->outs = arena_array(a, n ? n : 1, sizeof *r->outs);
    for (bool more = bson_iter_recurse(it, &item) && bson_iter_next(&item); more;
         more = bson_iter_next(&item))
        r->outs[r->out_count++] = arena_copy(a, ledger_text_of(&item));
}

enum kind { ID, PARTITION, STATE, NUMBER, TEXT, BINARY, TIME, NODES, OUTS };
#define FIELD(name, kind)                                                                                    \
    {                                                                                                        \
#name, kind, offsetof(struct run, name)                                                              \
    }
static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
    {"_id", ID, 0},
    {"partition", PARTITION, 0},
    {"state", STATE, 0},
    {"nodes", NODES, 0},
    {"outs", OUTS, 0},
    FIELD(seq, NUMBER),
    FIELD(attempt, NUMBER),
    FIELD(tries, NUMBER),
    FIELD(lost, NUMBER),
    FIELD(group, TEXT),
    FIELD(engine, TEXT),
    FIELD(instance, TEXT),
    FIELD(out, TEXT),
    FIELD(reason, TEXT),
    FIELD(payload, BINARY),
    FIELD(queued_at, TIME),
    FIELD(started_at, TIME),
    FIELD(wake_at, TIME),
    FIELD(retry_at, TIME),
};

static void read_field(const bson_iter_t *it, size_t i, struct arena *a, struct run *r)
{
    void *to = (char *)r + fields[i].offset;
    int64_t number;
    struct bytes bytes;
    switch (fields[i].kind) {
    case ID:
        (void)uuid_parse(ledger_text_of(it), &r->id);
        return;
    case PARTITION:
        r->partition = (int32_t)bson_iter_as_int64(it);
        return;
    case STATE:
        r->state = ledger_state_of(ledger_text_of(it));
        if (r->state == RUN_STATES)
            r->state = RUN_ENDED; /* of a later version, maybe: nothing of ours may start it */
        return;
    case NODES:
        read_nodes(it, a, r);
        return;
    case OUTS:
        read_outs(it, a, r);
        return;
    case NUMBER:
        number = bson_iter_as_int64(it);
        memcpy(to, &number, sizeof number);
        return;
    case TIME:
        number = BSON_ITER_HOLDS_DATE_TIME(it) ? bson_iter_date_time(it) : NO_TIME;
        memcpy(to, &number, sizeof number);
        return;
    case TEXT:
        bytes = arena_copy(a, ledger_text_of(it));
        memcpy(to, &bytes, sizeof bytes);
        return;
    case BINARY:
        bytes = arena_copy(a, ledger_binary_of(it));
        memcpy(to, &bytes, sizeof bytes);
        return;
    }
}

void ledger_run_read(const bson_t *doc, struct arena *a, struct run *r)
{
    bson_iter_t it;
    *r = (struct run){.queued_at = NO_TIME, .started_at = NO_TIME, .wake_at = NO_TIME, .retry_at = NO_TIME};
    if (!bson_iter_init(&it, doc))
        return;
    while (bson_iter_next(&it)) {
        size_t i = 0;
        while (i < sizeof fields / sizeof fields[0] && strcmp(fields[i].name, bson_iter_key(&it)) != 0)
            i++;
        if (i < sizeof fields / sizeof fields[0])
            read_field(&it, i, a, r);
    }
}

/* ---- an answer ---- */

struct run_reader {
    struct arena *arena;
    struct runs *out;
    size_t room;
    size_t bytes, bytes_max; /* the answer ends with the first run that goes beyond; 0: no limit */
};

static bool run_row(void *self, const bson_t *doc)
{
    struct run_reader *r = self;
    struct runs *out = r->out;
    out->items = arena_grow(r->arena, out->items, out->count, &r->room, sizeof *out->items);
    ledger_run_read(doc, r->arena, &out->items[out->count++]);
    r->bytes += doc->len;
    return r->bytes_max == 0 || r->bytes < r->bytes_max;
}

static void run_reset(void *self)
{
    struct run_reader *r = self;
    r->out->count = 0;
    r->bytes = 0;
}

/* Takes filter and opts. */
static bool runs_find(const struct ledger *l, bson_t *filter, bson_t *opts, size_t bytes_max, struct arena *a,
    struct runs *out, struct error *e)
{
    *out = (struct runs){NULL, 0};
    struct run_reader self = {a, out, 0, 0, bytes_max};
    struct store_reader reader = {run_row, run_reset, &self};
    bool ok = store_find(l->store, "runs", filter, opts, &reader, 0, e);
    bson_destroy(filter);
    bson_destroy(opts);
    return ok;
}

/* No payload and no nodes: they are large and not needed to decide. */
static bson_t *brief_opts(void)
{
    return BCON_NEW("projection", "{", "payload", BCON_INT32(0), "nodes", BCON_INT32(0), "}");
}

static void append_order(bson_t *opts, const char *key, size_t limit)
{
    BCON_APPEND(opts, "sort", "{", key, BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit));
}

/* ---- the reads ---- */

bool ledger_page(const struct ledger *l, int32_t partition, int64_t after, size_t limit, struct arena *a,
    struct runs *out, struct error *e)
{
    bson_t *filter = BCON_NEW("pool", BCON_UTF8(l->pool), "partition", BCON_INT32(partition), "final",
        BCON_BOOL(false), "seq", "{", "$gt", BCON_INT64(after), "}");
    bson_t *opts = brief_opts();
    append_order(opts, "seq", limit);
    return runs_find(l, filter, opts, 0, a, out, e);
}

static bson_t *group_filter(const struct ledger *l, struct bytes group)
{
    bson_t *filter = BCON_NEW("pool", BCON_UTF8(l->pool));
    bson_add_text(filter, "group", group);
    BSON_APPEND_BOOL(filter, "final", false);
    return filter;
}

bool ledger_look(const struct ledger *l, struct bytes group, size_t limit, struct arena *a, struct runs *out,
    struct error *e)
{
    bson_t *filter = group_filter(l, group), *opts = brief_opts();
    BCON_APPEND(filter, "state", "{", "$in", "[", BCON_UTF8("queued"), BCON_UTF8("running"), "]", "}");
    append_order(opts, "seq", limit);
    return runs_find(l, filter, opts, 0, a, out, e);
}

bool ledger_group(const struct ledger *l, struct bytes group, int64_t after, size_t limit, struct arena *a,
    struct runs *out, struct error *e)
{
    bson_t *filter = group_filter(l, group), *opts = brief_opts();
    BCON_APPEND(filter, "seq", "{", "$gt", BCON_INT64(after), "}");
    append_order(opts, "seq", limit);
    return runs_find(l, filter, opts, 0, a, out, e);
}

bool ledger_find(const struct ledger *l, const struct uuid *ids, size_t count, bool with_payload,
    size_t bytes_max, struct arena *a, struct runs *out, struct error *e)
{
    *out = (struct runs){NULL, 0};
    if (count == 0)
        return true;
    bson_t *filter = bson_new();
    ledger_append_ids(filter, ids, count, sizeof *ids);
    return runs_find(l, filter, with_payload ? bson_new() : brief_opts(), bytes_max, a, out, e);
}

bool ledger_mine(const struct ledger *l, struct arena *a, struct runs *out, struct error *e)
{
    bson_t *filter = BCON_NEW(
        "instance", BCON_UTF8(l->instance), "state", BCON_UTF8("running"), "final", BCON_BOOL(false));
    return runs_find(l, filter, brief_opts(), 0, a, out, e);
}

bool ledger_wake(const struct ledger *l, const int32_t *partitions, size_t count, int64_t after, int64_t now,
    size_t limit, struct arena *a, struct runs *out, struct error *e)
{
    *out = (struct runs){NULL, 0};
    if (count == 0)
        return true;
    /* $exists repeats the index's condition: else it is not used. */
    bson_t *filter = BCON_NEW("pool", BCON_UTF8(l->pool), "wake_at", "{", "$exists", BCON_BOOL(true), "$gte",
        BCON_DATE_TIME(after > 0 ? after : 0), "$lte", BCON_DATE_TIME(now), "}", "state", "{", "$in", "[",
        BCON_UTF8("delayed"), BCON_UTF8("queued"), "]", "}");
    bson_t in, array;
    bson_append_document_begin(filter, "partition", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++) {
        char key_space[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, key_space, sizeof key_space);
        bson_append_int32(&array, key, -1, partitions[i]);
    }
    bson_append_array_end(&in, &array);
    bson_append_document_end(filter, &in);
    bson_t *opts = bson_new();
    append_order(opts, "wake_at", limit < LEDGER_WAKE_MAX ? limit : LEDGER_WAKE_MAX);
    return runs_find(l, filter, opts, LEDGER_ANSWER_BYTES_MAX, a, out, e);
}
