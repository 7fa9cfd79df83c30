/* SPDX-License-Identifier: Apache-2.0 */
/* history: see history.h and docs/documents.md. */
#include "collector/history.h"

#include "core/shape_bson.h"
#include "core/uuid.h"

/* A job's log must outlive its document, whose time starts later: at the job's end. */
#define LOG_SLACK_MS (8 * 24 * 3600 * (int64_t)1000)
#define ATTEMPT_MAX 1000000000

/* ---- events ---- */

/* <job>/<attempt>/<phase>, and what tells the events of one phase apart. */
static struct bytes event_id(const struct event *e, struct arena *a)
{
    const char *phase = job_phase_names[e->phase];
    long long attempt = e->attempt;
    if (e->phase == PHASE_NODE)
        return arena_printf(a, "%.*s/%lld/%s/%.*s/%lld/%.*s", BYTES_ARG(e->job_id), attempt, phase,
            BYTES_ARG(e->node), (long long)(e->node_try > 1 ? e->node_try : 1), BYTES_ARG(e->node_state));
    if (e->phase == PHASE_PROGRESS)
        return arena_printf(
            a, "%.*s/%lld/%s/%d", BYTES_ARG(e->job_id), attempt, phase, (int)(e->progress * 1000));
    return arena_printf(a, "%.*s/%lld/%s", BYTES_ARG(e->job_id), attempt, phase);
}

/* A stored event of this id that the new one counts before: told later, or at the same time by a greater instance. (No
 * instance is less than any; a comparison with text matches text only.) */
static void append_later(bson_t *filter, const struct event *e)
{
    bson_t either, one, range;
    bson_append_array_begin(filter, "$or", -1, &either);
    bson_append_document_begin(&either, "0", -1, &one);
    bson_append_document_begin(&one, "at", -1, &range);
    bson_append_date_time(&range, "$gt", -1, e->at);
    bson_append_document_end(&one, &range);
    bson_append_document_end(&either, &one);
    bson_append_document_begin(&either, "1", -1, &one);
    bson_append_date_time(&one, "at", -1, e->at);
    bson_append_document_begin(&one, "instance", -1, &range);
    bson_add_text(&range, e->instance.data ? "$gt" : "$gte", e->instance);
    bson_append_document_end(&one, &range);
    bson_append_document_end(&either, &one);
    bson_append_array_end(filter, &either);
}

void history_add_event(const struct event *event, int64_t keep_ms, struct arena *a, struct outbox *out)
{
    bson_t doc = BSON_INITIALIZER, later = BSON_INITIALIZER;
    struct bytes id = event_id(event, a);
    bson_add_text(&doc, "_id", id);
    shape_to_bson(&shape_event, event, SHAPE_COMPACT, &doc);
    bson_append_date_time(&doc, "expire_at", -1, event->at + keep_ms);
    bson_add_text(&later, "_id", id);
    append_later(&later, event);
    outbox_insert_or_replace(out, "job_events", &doc, &later);
    bson_destroy(&doc);
    bson_destroy(&later);
}

/* ---- logs ---- */

bool history_accepts_log(const struct job_log *log, struct error *e)
{
    struct uuid id;
    if (!uuid_parse(log->job_id, &id))
        return error_set(e, "bad_value", "job_id: expected a UUID, got \"%.*s\"",
            BYTES_ARG(bytes_slice(log->job_id, 0, 80)));
    if (log->attempt < 1 || log->attempt > ATTEMPT_MAX)
        return error_set(e, "bad_value", "attempt: expected 1 or more, got %lld", (long long)log->attempt);
    if (log->seq < 0 || log->offset < 0)
        return error_set(e, "bad_value", "seq, offset: expected 0 or more");
    return true;
}

void history_add_log(const struct job_log *log, int64_t keep_ms, struct arena *a, struct outbox *out)
{
    bson_t doc = BSON_INITIALIZER;
    bson_add_text(&doc, "_id",
        arena_printf(
            a, "%.*s/%lld/%08lld", BYTES_ARG(log->job_id), (long long)log->attempt, (long long)log->seq));
    bson_add_text(&doc, "job_id", log->job_id);
    bson_append_int64(&doc, "attempt", -1, log->attempt);
    bson_append_int64(&doc, "seq", -1, log->seq);
    bson_append_int64(&doc, "offset", -1, log->offset);
    bson_append_int64(&doc, "bytes", -1, (int64_t)log->text.len);
    bson_add_text(&doc, "level", log->level);
    bson_append_date_time(&doc, "at", -1, log->at);
    if (log->node.data)
        bson_add_text(&doc, "node", log->node);
    bson_add_text(&doc, "text", log->text);
    bson_append_date_time(&doc, "expire_at", -1, log->at + keep_ms + LOG_SLACK_MS);
    outbox_insert(out, "job_logs", &doc);
    bson_destroy(&doc);
}
