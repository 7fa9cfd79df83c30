/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry: a client of a Confluent-compatible schema registry (Apicurio, Karapace, Confluent's own), as far
 * as a codec needs one: the text of an id, and the id of a text. Ids never change, so an answer is kept for
 * ever.
 *
 * Nothing is asked at start: a registry that is away holds up only the records that need it. While it is
 * away, at most one call a second waits for it (REGISTRY_TIMEOUT_MS); the others are told REGISTRY_AWAY at
 * once. Safe from every thread: all codecs of a process share one registry.
 */
#ifndef MILLRACE_CORE_REGISTRY_H
#define MILLRACE_CORE_REGISTRY_H

#include "core/bytes.h"
#include "core/error.h"

#define REGISTRY_TIMEOUT_MS 3000

enum registry_verdict {
    REGISTRY_OK,
    REGISTRY_NONE, /* it answered: no such id, or it refuses this schema; error.text tells which */
    REGISTRY_AWAY  /* no answer, or one that only an operator can mend: try again later */
};

struct registry;
/* url: "http://host:8081", with a path where the product has one; user:password@ is allowed in it.
 * topic_prefix: as for all topics. No I/O. */
struct registry *registry_new(const char *url, const char *topic_prefix);
void registry_free(struct registry *r);

/* GET /schemas/ids/{id}. `text` lives as long as the registry. */
enum registry_verdict registry_schema(struct registry *r, uint32_t id, struct bytes *text, struct error *e);
/* POST /subjects/{prefix}{topic}-value/versions: registers the schema, or finds it there. One schema per
 * topic. */
enum registry_verdict registry_id(
    struct registry *r, const char *topic, struct bytes text, uint32_t *id, struct error *e);

#endif
