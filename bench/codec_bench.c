/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec_bench: how many small JobSubmitted records a second one core encodes and decodes, and what the guard
 * alone costs. Usage: codec-bench [SECONDS for each row]
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/codec.h"
#include "core/guard.h"
#include "core/job.h"
#include "core/schemas.h"

#define BATCH 1000

struct bench {
    struct codec *codec;
    struct job job;
    struct buf framed;
    struct arena arena;
    struct guard *guard;
};

static void encode(struct bench *b)
{
    struct error e;
    buf_clear(&b->framed);
    if (!codec_encode(b->codec, &shape_submitted, &b->job, &b->framed, &e))
        exit(1);
}

static void decode(struct bench *b)
{
    struct error e;
    struct job job;
    if (codec_decode(b->codec, &shape_submitted, buf_bytes(&b->framed), false, &b->arena, &job, &e) !=
        CODEC_OK)
        exit(1);
}

static void guard(struct bench *b)
{
    struct error e;
    struct bytes value = bytes_slice(buf_bytes(&b->framed), 10, b->framed.len);
    if (!guard_walk(b->guard, value, &guard_default_limits, &e))
        exit(1);
}

static void measure(struct bench *b, const char *name, void (*call)(struct bench *), int64_t seconds)
{
    int64_t start = clock_boot_us();
    int64_t end = start + seconds * 1000000;
    int64_t calls = 0;
    int64_t now;
    do {
        for (int i = 0; i < BATCH; i++)
            call(b);
        arena_reset(&b->arena);
        calls += BATCH;
        now = clock_boot_us();
    } while (now < end);
    printf("%-8s %10.0f records/s\n", name, (double)calls * 1e6 / (double)(now - start));
}

int main(int argc, char **argv)
{
    int64_t seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 2;
    struct bench b = {.codec = codec_new(NULL)};
    struct pair variables[] = {{BYTES("day"), BYTES("2026-01-31")}, {BYTES("table"), BYTES("orders")}};
    struct pair labels[] = {{BYTES("team"), BYTES("analytics")}};
    avro_schema_t schema = NULL;
    buf_init(&b.framed);
    arena_init(&b.arena);
    for (const struct schema_text *t = schema_texts; t->path; t++)
        if (bytes_equal_text(bytes_of(t->path), "JobSubmitted.avsc"))
            avro_schema_from_json_length((const char *)t->text, t->len, &schema);
    b.guard = guard_new(schema);

    shape_clear(&shape_submitted, &b.job);
    b.job.job_id = BYTES("0190a6b2-7c5e-7b1a-8f00-3f2a9d1c4e5b");
    b.job.creator = BYTES("scheduler");
    b.job.user = BYTES("alice");
    b.job.submitter = BYTES("alice");
    b.job.name = BYTES("daily count");
    b.job.engine = BYTES("sqlite");
    b.job.code_type = BYTES("sql");
    b.job.code = BYTES("select count(*) from ${table} where day = '${day}'");
    b.job.variables.items = variables;
    b.job.variables.count = 2;
    b.job.labels.items = labels;
    b.job.labels.count = 1;
    b.job.submitted_at = 1769848200000;

    encode(&b);
    printf("JobSubmitted of %zu bytes, one core\n", b.framed.len);
    measure(&b, "encode", encode, seconds);
    measure(&b, "guard", guard, seconds);
    measure(&b, "decode", decode, seconds);
    guard_free(b.guard);
    avro_schema_decref(schema);
    arena_release(&b.arena);
    buf_release(&b.framed);
    codec_free(b.codec);
    return 0;
}
