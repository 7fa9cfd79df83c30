/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest: settings, routes, and what happens between start and stop. The main thread polls the producer:
 * delivery reports come out there and answer requests.
 */
#include "ingest/ingest.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "ingest/cancel.h"
#include "ingest/cancel_many.h"
#include "ingest/default.h"
#include "ingest/group.h"
#include "ingest/instance.h"
#include "ingest/job.h"
#include "ingest/limit.h"
#include "ingest/logs.h"
#include "ingest/post.h"
#include "ingest/query.h"
#include "ingest/results.h"

#define POLL_MS 100
#define DRAIN_MS 5000
#define BODY_MOST (10 * 1024 * 1024)
#define WISH_MOST (16 * 1024)
#define IDS_BODY_MOST (1024 * 1024)

#define AT(field) offsetof(struct ingest_settings, field)
const struct setting ingest_settings_table[] = {
    {"http.port", SETTING_INT, offsetof(struct ingest_settings, stage.http_port), "8420", 0, 65535,
        "port of REST, /metrics and /healthz"},
    {"results.dir", SETTING_TEXT, AT(results_dir), "var/results", 1, 4096, "folder of the result store"},
    {"ack_timeout", SETTING_MS, AT(ack_timeout_ms), "10s", 100, 300000,
        "wait for Kafka's acknowledgement; after that 503 unknown_outcome"},
    {"store_patience", SETTING_MS, AT(store_patience_ms), "3s", 100, 60000,
        "wait for the document store; after that 503 store_away"},
    {"sweep_after", SETTING_MS, AT(sweep_after_ms), "60s", 100, 3600000,
        "a stub without an event is produced again after this, then after 2, 4, ... times as long"},
    /* What decides about a dry run, as in converter and planner: give all three the same. */
    CONVERT_SETTINGS(struct ingest_settings, convert),
    PLAN_SETTINGS(struct ingest_settings, plan),
    SETTING_END,
};

const struct http_route ingest_routes[] = {
    {"POST", "/v1/jobs", HTTP_WORKER, post_jobs, BODY_MOST,
        "Submit a job (JSON), or many (NDJSON, at most 10,000 lines); dry_run=true: only tell what would "
        "come of one",
        "200, 202, 207, 400, 409, 413, 415, 422, 429, 503"},
    {"GET", "/v1/jobs", HTTP_WORKER, query_jobs, 0,
        "The newest jobs first. Filters: creator, user, group, engine, name, state, label, since, until; "
        "limit, "
        "cursor, total",
        "200, 400, 503"},
    {"GET", "/v1/jobs/{id}", HTTP_WORKER, job_get, 0, "A job's document, and what it waits for",
        "200, 400, 404, 503"},
    {"GET", "/v1/jobs/{id}/plan", HTTP_WORKER, job_plan, 0,
        "How a job runs: the tree of its nodes, each with its state, times and reason", "200, 400, 404, 503"},
    {"GET", "/v1/jobs/{id}/log", HTTP_WORKER, logs_get, 0,
        "A piece of the log: offset, limit, attempt, node (of one alone), nodes (lines name theirs); with "
        "Accept: text/plain the text alone",
        "200, 400, 404, 503"},
    {"GET", "/v1/jobs/{id}/results", HTTP_WORKER, results_list, 0, "The results of a job",
        "200, 400, 404, 503"},
    {"GET", "/v1/jobs/{id}/results/{n}", HTTP_WORKER, results_get, 0,
        "A page of a table: offset, limit, format=json|csv", "200, 400, 404, 410, 422, 503"},
    {"POST", "/v1/jobs/{id}/cancel", HTTP_WORKER, cancel_post, WISH_MOST,
        "Cancel a job; body {reason, by}, optional", "200, 202, 400, 404, 413, 415, 503"},
    {"POST", "/v1/jobs/cancel", HTTP_WORKER, cancel_many_post, IDS_BODY_MOST,
        "Cancel many: {ids} or {group} or {filter}, with reason and by", "200, 202, 400, 413, 415, 503"},
    {"GET", "/v1/groups", HTTP_WORKER, groups_get, 0,
        "Groups with unfinished jobs or held, by name: depth, running, oldest wait, held. Filters: creator, "
        "user; "
        "limit, cursor",
        "200, 400, 503"},
    {"POST", "/v1/groups/{creator}/{user}/hold", HTTP_WORKER, group_hold, WISH_MOST,
        "Start nothing of this group; body {reason, by}, optional", "200, 400, 413, 415, 503"},
    {"POST", "/v1/groups/{creator}/{user}/release", HTTP_WORKER, group_release, WISH_MOST,
        "Let a held group go on; body {reason, by}, optional", "200, 400, 413, 415, 503"},
    {"GET", "/v1/instances", HTTP_WORKER, instances_get, 0,
        "Executor processes; all=true: also those whose lease is over", "200, 400, 503"},
    {"POST", "/v1/instances/{id}/drain", HTTP_WORKER, instance_drain, WISH_MOST,
        "Let an executor finish what runs, give back the rest, and end; body {reason, by}, optional",
        "202, 400, 404, 409, 413, 415, 503"},
    {"GET", "/v1/limits", HTTP_WORKER, limits_get, 0, "All limits, by selector", "200, 400, 503"},
    {"GET", "/v1/limits/{selector}", HTTP_WORKER, limit_get, 0,
        "The limit of *, or of any selector as one percent-encoded word", "200, 400, 404, 503"},
    {"PUT", "/v1/limits/{selector}", HTTP_WORKER, limit_put, WISH_MOST, "Set it: the whole document",
        "200, 400, 413, 415, 422, 503"},
    {"DELETE", "/v1/limits/{selector}", HTTP_WORKER, limit_delete, 0, "Take it away", "200, 400, 503"},
    {"GET", "/v1/limits/{creator}/{user}", HTTP_WORKER, limit_get, 0,
        "The limit of a group, or of a creator (creator/*)", "200, 400, 404, 503"},
    {"PUT", "/v1/limits/{creator}/{user}", HTTP_WORKER, limit_put, WISH_MOST, "Set it: the whole document",
        "200, 400, 413, 415, 422, 503"},
    {"DELETE", "/v1/limits/{creator}/{user}", HTTP_WORKER, limit_delete, 0, "Take it away", "200, 400, 503"},
    {"GET", "/v1/defaults", HTTP_WORKER, defaults_get, 0, "All defaults, by selector", "200, 400, 503"},
    {"GET", "/v1/defaults/{selector}", HTTP_WORKER, default_get, 0,
        "The defaults of *, or of any selector as one percent-encoded word", "200, 400, 404, 503"},
    {"PUT", "/v1/defaults/{selector}", HTTP_WORKER, default_put, DEFAULT_BODY_MOST,
        "Set them: the whole document", "200, 400, 413, 415, 422, 503"},
    {"DELETE", "/v1/defaults/{selector}", HTTP_WORKER, default_delete, 0, "Take them away", "200, 400, 503"},
    {"GET", "/v1/defaults/{creator}/{user}", HTTP_WORKER, default_get, 0,
        "The defaults of a group, or of a creator (creator/*); behind the user ,engine=NAME and "
        ",label=KEY=VALUE",
        "200, 400, 404, 503"},
    {"PUT", "/v1/defaults/{creator}/{user}", HTTP_WORKER, default_put, DEFAULT_BODY_MOST,
        "Set them: the whole document", "200, 400, 413, 415, 422, 503"},
    {"DELETE", "/v1/defaults/{creator}/{user}", HTTP_WORKER, default_delete, 0, "Take them away",
        "200, 400, 503"},
    {.method = NULL},
};

bool ingest_open(struct stage_world *w, void **self, struct error *e)
{
    struct ingest *in = calloc(1, sizeof *in);
    if (!in)
        log_fatal("no_memory", "bytes=%zu", sizeof *in);
    in->settings = w->settings;
    in->world = w;
    *self = in;
    meters_register();
    pen_init(&in->pen, w->codec);
    pen_init(&in->scale, codec_new(NULL));
    const struct convert_settings *rules = &in->settings->convert;
    if (!convert_world_open(&in->convert, rules, e) ||
        !plan_world_open(&in->plan, &in->settings->plan, in->convert.engines, rules->derived_max_bytes, e))
        return false;
    in->rules = (struct submit_rules){rules->submission_max_bytes, in->convert.engines};
    in->alive = alive_open(w->store, in->settings->store_patience_ms);
    in->book = book_open(w->store, in->settings->store_patience_ms, e);
    if (!in->book)
        return false;
    in->intake = intake_open(&(struct intake_options){.store = w->store,
                                 .producer = w->producer,
                                 .pen = &in->pen,
                                 .book = in->book,
                                 .store_patience_ms = in->settings->store_patience_ms,
                                 .ack_timeout_ms = in->settings->ack_timeout_ms,
                                 .sweep_after_ms = in->settings->sweep_after_ms},
        e);
    in->sweep = sweep_open(&(struct sweep_options){.store = w->store,
                               .producer = w->producer,
                               .after_ms = in->settings->sweep_after_ms,
                               .store_patience_ms = in->settings->store_patience_ms},
        e);
    return in->intake && in->sweep;
}

bool ingest_run(void *self, struct stage_world *w, struct error *e)
{
    struct ingest *in = self;
    (void)e;
    intake_admit(in->intake, true);
    while (!*w->stop) {
        (void)producer_poll(w->producer, POLL_MS);
        intake_tick(in->intake);
        stage_tick(w);
    }
    intake_admit(in->intake, false);
    int64_t until = clock_boot_ms() + DRAIN_MS;
    while (intake_open_count(in->intake) > 0 && clock_boot_ms() < until && *w->stop < 2) {
        (void)producer_poll(w->producer, POLL_MS);
        intake_tick(in->intake);
        stage_tick(w);
    }
    return true;
}

void ingest_close(void *self)
{
    struct ingest *in = self;
    if (!in)
        return;
    sweep_close(in->sweep);
    intake_close(in->intake);
    book_close(in->book);
    alive_close(in->alive);
    plan_world_release(&in->plan);
    convert_world_release(&in->convert);
    codec_free(in->scale.codec);
    pen_release(&in->scale);
    pen_release(&in->pen);
    free(in);
}
