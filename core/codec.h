/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec: bytes of a Kafka record <-> a struct (core/shape.h), by avro-c.
 *
 * Framings, told by the first bytes:
 *   C3 01 + fingerprint   Avro single-object encoding; the CRC-64-AVRO of the writer's schema, little-endian. Written.
 *   00 + id               Confluent framing, 4-byte big-endian id; needs a schema registry (core/registry.h). Written
 *                         instead when a registry is configured.
 *   {                     JSON, only where the caller allows it (jobs.submitted with content-type application/json)
 * Sources: Avro 1.11 specification ("Single-object encoding", "Schema Fingerprints", "Parsing Canonical Form").
 *
 * A record is decoded with its *writer's* schema, then fields are taken by name; what is missing gets the reader's
 * default. avro-c's own resolver is not used: it has no defaults and crashes on some inputs.
 *
 * avro-c allocates from the wire's lengths before it looks, has no limits for counts and none for depth. So the
 * guard (core/guard.h) walks the bytes against the schema first, without allocating; only what passes reaches avro-c.
 *
 * A codec is used by one thread. Decoded strings point into the arena.
 */
#ifndef MILLRACE_CORE_CODEC_H
#define MILLRACE_CORE_CODEC_H

#include "core/arena.h"
#include "core/error.h"
#include "core/shape.h"

struct codec;
struct registry; /* core/registry.h; NULL: none */

/* Knows all schemas under schemas/ (they are compiled in; older released versions too). */
struct codec *codec_new(struct registry *registry);
void codec_free(struct codec *c);
/* Makes records of one more writer's schema readable by its fingerprint. */
bool codec_add_schema(struct codec *c, struct bytes schema_json, struct error *e);

enum codec_verdict {
    CODEC_OK,
    CODEC_BAD, /* these bytes are no such record: error.code is one of garbage, unknown_schema, wrong_record, truncated,
                   too_deep, too_large, trailing_bytes, bad_utf8, bad_json, bad_value, null_value: the record goes to
                   jobs.dead */
    CODEC_RETRY /* the registry did not answer: try again later */
};

/* `record` is cleared first. With allow_json, what has neither binary framing is taken for JSON, else it is garbage. A schema
 * of another record name is CODEC_BAD wrong_record. Text may hold NUL bytes: the caller refuses them where they matter. A
 * field that the sender left out is without value, even where it must be given: the caller checks. */
enum codec_verdict codec_decode(struct codec *c, const struct shape *s, struct bytes value, bool allow_json,
    struct arena *a, void *record, struct error *e);

/* Appends the framed record to out. Text that is not UTF-8 (a job's output may hold anything) is written with U+FFFD in the
 * bad places, so that what we write can always be read. Fails only if the registry is configured and does not answer
 * (code registry_away). */
bool codec_encode(
    struct codec *c, const struct shape *s, const void *record, struct buf *out, struct error *e);

/* CRC-64-AVRO of a schema text's Parsing Canonical Form. */
bool codec_fingerprint(struct bytes schema_json, uint64_t *out, struct error *e);
/* The Parsing Canonical Form itself, for tests and the registry. */
bool codec_canonical(struct bytes schema_json, struct buf *out, struct error *e);

#endif
