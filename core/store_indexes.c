/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_indexes: every index of every collection, one row each, with the query that it serves. A query of the API or of
 * a stage that no row serves is a bug; so is a row that serves none: each index costs every write.
 *
 * A partial index is used only by queries that repeat its condition word for word.
 */
#include <string.h>

#include "core/store_private.h"

#define TTL "{\"expireAfterSeconds\":0}"
/* For collections where most documents do not expire (yet). */
#define TTL_WHERE_SET "{\"expireAfterSeconds\":0,\"sparse\":true}"
#define UNFINISHED "{\"partialFilterExpression\":{\"final\":false}}"
#define READY "{\"partialFilterExpression\":{\"final\":false,\"state\":{\"$in\":[\"queued\",\"running\"]}}}"

const struct store_index store_indexes[] = {
    /* runs: what is finished is in no index but _id and the clean-up's */
    {"runs", "pool_partition_seq", "{\"pool\":1,\"partition\":1,\"seq\":1}", UNFINISHED,
        "an executor that got a partition reads its unfinished runs, page by page"},
    {"runs", "pool_group_seq", "{\"pool\":1,\"group\":1,\"seq\":1}", UNFINISHED,
        "the next unfinished runs of a group; what a job waits for"},
    {"runs", "pool_group_seq_ready", "{\"pool\":1,\"group\":1,\"seq\":1}", READY,
        "the next runs of a group that may start or have (the query repeats {$in: [queued, running]})"},
    {"runs", "instance", "{\"instance\":1}", UNFINISHED, "the runs that an executor process has running"},
    {"runs", "pool_wake_at", "{\"pool\":1,\"wake_at\":1}",
        "{\"partialFilterExpression\":{\"wake_at\":{\"$exists\":true}}}",
        "runs that become due, or whose wait is over (the query repeats {$exists: true})"},
    {"runs", "expire_at", "{\"expire_at\":1}", TTL_WHERE_SET, "clean-up"},

    {"outcomes", "unsent", "{\"pool\":1,\"at\":1}", "{\"partialFilterExpression\":{\"unsent\":true}}",
        "outcomes whose events may not have been sent"},
    {"outcomes", "expire_at", "{\"expire_at\":1}", TTL_WHERE_SET, "clean-up"},

    {"instances", "pool_at", "{\"pool\":1,\"at\":1}", NULL, "does an executor of this pool live?"},
    {"instances", "expire_at", "{\"expire_at\":1}", TTL_WHERE_SET, "clean-up"},
    {"cancels", "kind", "{\"kind\":1}",
        "{\"partialFilterExpression\":{\"kind\":{\"$in\":[\"hold\",\"drain\"]}}}",
        "all holds and drains; cancels of jobs are read by _id"},
    {"cancels", "at", "{\"at\":1}", "{\"partialFilterExpression\":{\"kind\":\"cancel\"}}",
        "cancels whose bells may not have been heard"},
    {"cancels", "expire_at", "{\"expire_at\":1}", TTL_WHERE_SET, "clean-up"},

    {"cached", "expire_at", "{\"expire_at\":1}", TTL, "clean-up; results are looked up by _id"},

    /* jobs: lists, newest first, by keyset */
    {"jobs", "accepted", "{\"times.accepted\":-1,\"_id\":-1}", NULL, "all jobs"},
    {"jobs", "creator_user", "{\"creator\":1,\"user\":1,\"times.accepted\":-1,\"_id\":-1}", NULL,
        "the jobs of a group"},
    {"jobs", "creator", "{\"creator\":1,\"times.accepted\":-1,\"_id\":-1}", NULL, "the jobs of a creator"},
    {"jobs", "user", "{\"user\":1,\"times.accepted\":-1,\"_id\":-1}", NULL, "the jobs of a user"},
    {"jobs", "state", "{\"state\":1,\"times.accepted\":-1,\"_id\":-1}", NULL, "the jobs in a state"},
    {"jobs", "open_creator_user_state", "{\"creator\":1,\"user\":1,\"state\":1}", UNFINISHED,
        "how many jobs of a group, a creator or all wait: max_queued; the unfinished jobs of a group: "
        "cancel"},
    {"jobs", "stub_next_at", "{\"stub.next_at\":1}", "{\"sparse\":true}",
        "stubs that saw no event and must be produced again"},
    {"jobs", "expire_at", "{\"expire_at\":1}", TTL_WHERE_SET, "clean-up"},

    /* The events of a job are the range of _id from "<job>/" to "<job>0" ('0' follows '/'): an index on job_id would take
     * a quarter off the rate at which they are stored. */
    {"job_events", "expire_at", "{\"expire_at\":1}", TTL, "clean-up"},
    {"job_logs", "job_attempt_offset", "{\"job_id\":1,\"attempt\":1,\"offset\":1}", NULL,
        "a range of bytes of an attempt's log"},
    {"job_logs", "expire_at", "{\"expire_at\":1}", TTL, "clean-up"},

    {.collection = NULL},
};

/* The table is ours: that its JSON is right is tested. */
static void append_json(bson_t *doc, const char *key, const char *json)
{
    bson_error_t why;
    bson_t *value = bson_new_from_json((const uint8_t *)json, -1, &why);
    MUST(value);
    if (key)
        bson_append_document(doc, key, -1, value);
    else
        bson_concat(doc, value);
    bson_destroy(value);
}

/* createIndexes for the rows of one collection; returns the first row of the next. An index that exists is left alone by
 * the server; one that exists with other keys or options is an error that names it. */
static const struct store_index *create_command(const struct store_index *row, bson_t *command)
{
    const char *collection = row->collection;
    bson_t indexes, index;
    char space[16];
    const char *key;
    BSON_APPEND_UTF8(command, "createIndexes", collection);
    bson_append_array_begin(command, "indexes", -1, &indexes);
    for (uint32_t i = 0; row->collection && strcmp(row->collection, collection) == 0; i++, row++) {
        bson_uint32_to_string(i, &key, space, sizeof space);
        bson_append_document_begin(&indexes, key, -1, &index);
        append_json(&index, "key", row->keys);
        BSON_APPEND_UTF8(&index, "name", row->name);
        if (row->options)
            append_json(&index, NULL, row->options);
        bson_append_document_end(&indexes, &index);
    }
    bson_append_array_end(command, &indexes);
    return row;
}

bool store_indexes_create(struct store *s, int64_t patience_ms, struct error *e)
{
    const struct store_index *row = store_indexes;
    while (row->collection) {
        const char *collection = row->collection;
        bson_t command = BSON_INITIALIZER;
        row = create_command(row, &command);
        bool ok = store_command(s, &command, patience_ms, e);
        bson_destroy(&command);
        if (!ok)
            return error_wrap(e, "indexes of %s", collection);
    }
    return true;
}
