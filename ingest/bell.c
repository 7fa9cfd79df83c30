/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bell: see bell.h.
 */
#include "ingest/bell.h"

#include "core/log.h"
#include "ingest/ingest.h"

void bell_ring(struct ingest *in, enum control_kind kind, struct bytes job_id, struct bytes group,
    struct bytes instance, const struct order *o, struct arena *a)
{
    struct error e;
    struct bus_header header = {BYTES("job"), job_id};
    struct control c = {.kind = (int)kind,
        .job_id = job_id,
        .group = group,
        .instance = instance,
        .by = o->by,
        .reason = o->reason,
        .at = o->at};
    struct bytes key = job_id.data ? job_id : group.data ? group : instance;
    struct bus_message m = {.topic = "jobs.control",
        .partition = -1,
        .key = key,
        .headers = &header,
        .header_count = job_id.data ? 1 : 0};
    error_clear(&e);
    m.value = pen_encode(&in->pen, &shape_control, &c, a, &e);
    if (!m.value.data || !producer_send(in->world->producer, &m, NULL, NULL, &e))
        log_warn("doorbell_not_rung", "for=%.*s code=%s reason=%s", BYTES_ARG(key), e.code,
            log_quote(bytes_of(e.text)));
}
