/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub: see stub.h. The user's fields are a shape over struct job, so that a field of the stub is a row here.
 */
#include "ingest/stub.h"

#include "core/bus.h"
#include "core/shape_bson.h"
#include "ingest/request.h"

#define TEXT(name_, flags_)                                                                                  \
    {                                                                                                        \
        .name = #name_, .type = FIELD_TEXT, .flags = (flags_), .offset = offsetof(struct job, name_)         \
    }
#define PAIRS(name_)                                                                                         \
    {                                                                                                        \
        .name = #name_, .type = FIELD_PAIRS, .flags = FIELD_OPTIONAL, .offset = offsetof(struct job, name_)  \
    }

static const struct field stub_fields[] = {
    TEXT(creator, 0),
    TEXT(user, 0),
    TEXT(submitter, FIELD_NULLABLE),
    TEXT(name, 0),
    TEXT(engine, 0),
    TEXT(target, FIELD_NULLABLE),
    TEXT(code_type, 0),
    TEXT(code, 0),
    PAIRS(variables),
    PAIRS(conf),
    PAIRS(labels),
    PAIRS(source),
};
static const struct shape stub_shape = {
    .name = "JobStub",
    .size = sizeof(struct job),
    .fields = stub_fields,
    .count = sizeof stub_fields / sizeof *stub_fields,
    .help = "The first form of a job's document.",
};

static void append_binary(bson_t *doc, const char *name, const void *data, size_t len)
{
    bson_append_binary(doc, name, -1, BSON_SUBTYPE_BINARY, data, (uint32_t)len);
}

bson_t *stub_new(
    const struct submission *s, struct bytes framed, int64_t now, int64_t next_at, const char *claim)
{
    bson_t *doc = bson_new();
    bson_t inner;
    BSON_APPEND_UTF8(doc, "_id", s->id_text);
    BSON_APPEND_INT64(doc, "rev", 0);
    BSON_APPEND_UTF8(doc, "state", job_state_name(JOB_ACCEPTED));
    BSON_APPEND_BOOL(doc, "final", false);
    bson_add_text(doc, "group", s->group);
    shape_to_bson(&stub_shape, &s->job, 0, doc);
    BSON_APPEND_DOCUMENT_BEGIN(doc, "times", &inner);
    BSON_APPEND_DATE_TIME(&inner, "accepted", now);
    bson_append_document_end(doc, &inner);
    BSON_APPEND_INT64(doc, "attempt", 0);
    BSON_APPEND_DOCUMENT_BEGIN(doc, "stub", &inner);
    append_binary(&inner, "hash", s->hash, sizeof s->hash);
    append_binary(&inner, "submission", framed.data, framed.len);
    if (s->job.trace.data)
        bson_add_text(&inner, "trace", s->job.trace);
    BSON_APPEND_DATE_TIME(&inner, "next_at", next_at);
    BSON_APPEND_INT64(&inner, "tries", 0);
    if (claim)
        BSON_APPEND_UTF8(&inner, "claim", claim);
    bson_append_document_end(doc, &inner);
    return doc;
}

bson_t *stub_opts(const bson_t *extra)
{
    bson_t *opts = extra ? bson_copy(extra) : bson_new();
    bson_t fields;
    BSON_APPEND_DOCUMENT_BEGIN(opts, "projection", &fields);
    BSON_APPEND_INT32(&fields, "rev", 1);
    BSON_APPEND_INT32(&fields, "group", 1);
    BSON_APPEND_INT32(&fields, "state", 1);
    BSON_APPEND_INT32(&fields, "stub", 1);
    BSON_APPEND_INT32(&fields, "engine", 1);
    BSON_APPEND_INT32(&fields, "code", 1);
    bson_append_document_end(opts, &fields);
    return opts;
}

struct bytes stub_claim(const bson_t *doc)
{
    return doc_number(doc, "rev", 0) == 0 ? doc_text(doc, "stub.claim") : BYTES_NONE;
}

void stub_read(const bson_t *doc, struct arena *a, struct stub *out)
{
    struct bytes hash = doc_binary(doc, "stub.hash"), framed = doc_binary(doc, "stub.submission");
    struct bytes trace = doc_text(doc, "stub.trace"), claim = stub_claim(doc);
    *out = (struct stub){
        .id = arena_copy(a, doc_text(doc, "_id")),
        .group = arena_copy(a, doc_text(doc, "group")),
        .state = arena_copy(a, doc_text(doc, "state")),
        .engine = arena_copy(a, doc_text(doc, "engine")),
        .code = arena_copy(a, doc_text(doc, "code")),
        .hash = hash.data ? arena_copy(a, hash) : BYTES_NONE,
        .framed = framed.data ? arena_copy(a, framed) : BYTES_NONE,
        .trace = trace.data ? arena_copy(a, trace) : BYTES_NONE,
        .claim = claim.data ? arena_copy(a, claim) : BYTES_NONE,
        .next_at = doc_number(doc, "stub.next_at", 0),
        .tries = doc_number(doc, "stub.tries", 0),
    };
}

bool stub_is_of(const struct stub *stub, const struct submission *s)
{
    if (stub->hash.data)
        return bytes_equal(stub->hash, (struct bytes){(const char *)s->hash, sizeof s->hash});
    return bytes_equal(stub->engine, s->job.engine) && bytes_equal(stub->code, s->job.code);
}

size_t stub_headers(struct bytes id, struct bytes trace, struct bus_header *headers)
{
    headers[0] = (struct bus_header){BYTES("job"), id};
    headers[1] = (struct bus_header){BYTES("traceparent"), trace};
    return trace.data ? 2 : 1;
}
