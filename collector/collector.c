/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector: the step of the stage. All events of one job in a batch are folded in memory and its document is written once;
 * when the collector is behind, batches are large and a document is written once for many events.
 */
#include "collector/collector.h"

#include <stdlib.h>

#include "collector/documents.h"
#include "collector/fold.h"
#include "collector/history.h"
#include "core/metrics.h"
#include "core/uuid.h"

const struct setting collector_settings_table[] = {
    {"http.port", SETTING_INT, offsetof(struct collector_settings, stage.http_port), "8424", 0, 65535,
        "port of /metrics, /healthz, /readyz, /version; 0: any"},
    /* Larger than the common one: events of one job that are ready together are one write of its document. */
    {"batch_records", SETTING_INT, offsetof(struct collector_settings, stage.batch_records), "5000", 1,
        100000, "most records of a batch; a batch is what is ready now"},
    {"batch_bytes", SETTING_SIZE, offsetof(struct collector_settings, stage.batch_bytes), "8m", 65536,
        1073741824, "most bytes of a batch"},
    {"jobs.keep", SETTING_MS, offsetof(struct collector_settings, keep_ms), "90d", 3600 * 1000,
        (int64_t)3650 * 24 * 3600 * 1000, "how long a job's document, events and log stay after its end"},
    SETTING_END,
};

enum { EVENTS, LOGS, WRITES, METRICS };
static struct metric metrics[METRICS] = {
    [EVENTS] = {.name = "millrace_collector_events_total",
        .kind = METRIC_COUNTER,
        .help = "Events folded into documents."},
    [LOGS] = {.name = "millrace_collector_logs_total",
        .kind = METRIC_COUNTER,
        .help = "Chunks of logs stored."},
    [WRITES] = {.name = "millrace_collector_documents_total",
        .kind = METRIC_COUNTER,
        .help = "Writes of job documents; fewer than events when it is behind."},
};

struct collector {
    int64_t keep_ms;
    struct documents documents;
};

bool collector_prepare(void *given, void **self, struct error *e)
{
    const struct collector_settings *settings = given;
    struct collector *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, "no_memory", "prepare the collector");
    c->keep_ms = settings->keep_ms;
    metrics_register(metrics, METRICS);
    *self = c;
    return true;
}

void collector_close(void *self)
{
    free(self);
}

/* One spelling of each id: that of the documents. */
static bool canonical_id(struct bytes *job_id, struct arena *a)
{
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    if (!uuid_parse(*job_id, &id))
        return false;
    uuid_format(&id, text);
    *job_id = arena_copy(a, (struct bytes){text, UUID_TEXT_LEN});
    return true;
}

bool collector_load(
    void *self, struct stage_world *w, struct step_record *records, size_t count, struct error *e)
{
    struct collector *c = self;
    struct arena *a = records[0].arena;
    struct bytes *ids = arena_array(a, count, sizeof *ids);
    size_t id_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].shape != &shape_event)
            continue;
        struct event *event = records[i].value;
        if (canonical_id(&event->job_id, a))
            ids[id_count++] = event->job_id;
    }
    return documents_load(&c->documents, w->store, ids, id_count, a, e);
}

static enum step_verdict step_event(
    struct collector *c, const struct event *event, struct arena *a, struct outbox *out, struct error *e)
{
    if (!fold_accepts(event, e))
        return STEP_REJECT;
    history_add_event(event, c->keep_ms, a, out);
    fold_event(documents_of(&c->documents, event->job_id), event, a);
    metric_add(&metrics[EVENTS], 1);
    return STEP_DONE;
}

static enum step_verdict step_log(
    struct collector *c, struct job_log *log, struct arena *a, struct outbox *out, struct error *e)
{
    if (!history_accepts_log(log, e))
        return STEP_REJECT;
    canonical_id(&log->job_id, a);
    history_add_log(log, c->keep_ms, a, out);
    metric_add(&metrics[LOGS], 1);
    return STEP_DONE;
}

enum step_verdict collector_step(void *self, struct step_record *r, struct outbox *out, struct error *e)
{
    if (r->shape == &shape_event)
        return step_event(self, r->value, r->arena, out, e);
    return step_log(self, r->value, r->arena, out, e);
}

void collector_finish(void *self, struct outbox *out)
{
    struct collector *c = self;
    metric_add(&metrics[WRITES], (int64_t)documents_write(&c->documents, c->keep_ms, out));
    documents_forget(&c->documents);
}
