/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dead_letter: a record that can't be accepted goes to jobs.dead as it came, with headers that tell why; and
 * the job it carries, where it can be known, travels on as refused, so that it still ends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/outbox.h"
#include "core/uuid.h"

enum { REASON_HEADERS = 7 };

bool dead_letter(struct producer *p, const char *stage, const struct bus_record *r, const struct error *why,
    int64_t now, bus_delivered *done, void *self, struct error *e)
{
    char partition[16];
    char offset[32];
    char at[CLOCK_TEXT_SIZE];
    size_t count = r->header_count;
    struct bus_header *headers = calloc(count + REASON_HEADERS, sizeof(*headers));

    if (headers == NULL)
        log_fatal("out_of_memory", "what=dead_letter");
    if (count > 0)
        memcpy(headers, r->headers, count * sizeof(*headers));
    snprintf(partition, sizeof(partition), "%" PRId32, r->partition);
    snprintf(offset, sizeof(offset), "%" PRId64, r->offset);
    clock_text(now, at);
    headers[count++] = (struct bus_header){BYTES("dead_stage"), bytes_of(stage)};
    headers[count++] = (struct bus_header){BYTES("dead_code"), bytes_of(why->code)};
    headers[count++] = (struct bus_header){BYTES("dead_reason"), bytes_of(why->text)};
    headers[count++] = (struct bus_header){BYTES("dead_topic"), bytes_of(r->topic)};
    headers[count++] = (struct bus_header){BYTES("dead_partition"), bytes_of(partition)};
    headers[count++] = (struct bus_header){BYTES("dead_offset"), bytes_of(offset)};
    headers[count++] = (struct bus_header){BYTES("dead_at"), bytes_of(at)};
    struct bus_message m = {.topic = "jobs.dead",
        .partition = -1,
        .key = r->key,
        .value = r->value,
        .headers = headers,
        .header_count = count};
    bool sent = producer_send(p, &m, done, self, e);
    free(headers);
    return sent;
}

/* creator and user from a key "creator/user". */
static bool names_of_key(struct bytes key, struct job *j)
{
    const char *slash = key.len > 0 ? memchr(key.data, '/', key.len) : NULL;

    if (slash == NULL)
        return false;
    j->creator = bytes_slice(key, 0, (size_t)(slash - key.data));
    j->user = bytes_slice(key, j->creator.len + 1, key.len);
    return job_name_is_valid(j->creator) && job_name_is_valid(j->user);
}

static bool identify(const struct bus_record *r, const struct job *known, struct job *out)
{
    struct uuid id;

    shape_clear(&shape_planned, out);
    if (known != NULL) {
        out->job_id = known->job_id;
        out->creator = known->creator;
        out->user = known->user;
        out->submitter = known->submitter;
        out->name = known->name;
        out->engine = known->engine;
        out->target = known->target;
        out->code_type = known->code_type;
        out->submitted_at = known->submitted_at;
        out->trace = known->trace;
        return uuid_parse(out->job_id, &id) && job_name_is_valid(out->creator) &&
               job_name_is_valid(out->user);
    }
    out->job_id = bus_record_header(r, "job");
    return uuid_parse(out->job_id, &id) && names_of_key(r->key, out);
}

bool dead_letter_job(const struct bus_record *r, const struct job *known, const struct error *why,
    struct job *out, struct job_error *error)
{
    const struct error_code *code = job_error_code(why->code);

    if (!identify(r, known, out))
        return false;
    shape_clear(&shape_error, error);
    error->code = bytes_of(why->code);
    error->class = code != NULL ? code->class : CLASS_SYSTEM;
    error->message = bytes_of(why->text);
    error->statement = NO_INT;
    error->line = NO_INT;
    out->error = error;
    out->pool = BYTES("default");
    if (known != NULL && known->origin.timestamp > 0)
        out->origin = known->origin;
    else
        out->origin = (struct origin){r->partition, r->offset, r->timestamp};
    out->times.accepted = out->origin.timestamp;
    return true;
}

bool outbox_send_refused(
    struct outbox *o, const struct bus_record *r, const struct job *known, const struct error *why)
{
    struct job j;
    struct job_error error;

    if (!dead_letter_job(r, known, why, &j, &error))
        return false;
    outbox_send(o, "jobs.planned", job_group(o->arena, &j), j.job_id, j.trace, &shape_planned, &j);
    return true;
}
