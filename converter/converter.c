/* SPDX-License-Identifier: Apache-2.0 */
/*
 * converter: see converter.h.
 *
 * Order within a group is the order of one partition, so a record that lies elsewhere (another partitioner, another key) is
 * first submitted again where it belongs, with its id already set and a header that says where it came from. A record with
 * that header is never sent round again, whatever its key.
 */
#include "converter/converter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converter/synonyms.h"
#include "core/log.h"

#define OF(member) offsetof(struct converter_settings, member)
const struct setting converter_settings_table[] = {
    {"http.port", SETTING_INT, OF(stage.http_port), "8421", 0, 65535, "port of /metrics, /healthz, ..."},
    {"engines.dir", SETTING_TEXT, OF(engines_dir), "engines", 1, 4096,
        "folder with one folder per engine, each with an engine.json"},
    {"timezone", SETTING_TEXT, OF(timezone), "UTC", 1, 64,
        "time zone of jobs that name none: what day it is for their variables"},
    {"zoneinfo.dir", SETTING_TEXT, OF(zoneinfo_dir), "/usr/share/zoneinfo", 1, 4096,
        "folder with the system's time zones (the package tzdata), read at start"},
    {"submission.max_bytes", SETTING_SIZE, OF(submission_max_bytes), "1m", 1024, 8 * 1024 * 1024,
        "most bytes of one submission"},
    {"derived.max_bytes", SETTING_SIZE, OF(derived_max_bytes), "8m", 4096, 10 * 1024 * 1024,
        "most bytes of what a submission becomes"},
    {"limits.queue_timeout", SETTING_MS, OF(limits.queue_timeout_ms), "0", 0, 366LL * 24 * 3600 * 1000,
        "how long a job may wait for its start, where it does not say; 0: no limit"},
    {"limits.run_timeout", SETTING_MS, OF(limits.run_timeout_ms), "24h", 1, 366LL * 24 * 3600 * 1000,
        "how long a job may run, where it does not say"},
    {"limits.max_log_bytes", SETTING_SIZE, OF(limits.max_log_bytes), "16m", 1, 1LL << 40,
        "bytes kept of a job's log, where it does not say"},
    {"limits.max_result_rows", SETTING_INT, OF(limits.max_result_rows), "1000000", 1, 1LL << 40,
        "rows kept of a result, where the job does not say"},
    {"most.queue_timeout", SETTING_MS, OF(most.queue_timeout_ms), "8784h", 1, 366LL * 24 * 3600 * 1000,
        "the longest queue timeout that a job may ask for"},
    {"most.run_timeout", SETTING_MS, OF(most.run_timeout_ms), "8784h", 1, 366LL * 24 * 3600 * 1000,
        "the longest run timeout that a job may ask for"},
    {"most.max_log_bytes", SETTING_SIZE, OF(most.max_log_bytes), "1g", 1, 1LL << 40,
        "the largest log that a job may ask for"},
    {"most.max_result_rows", SETTING_INT, OF(most.max_result_rows), "1000000000", 1, 1LL << 40,
        "the most result rows that a job may ask for"},
    {"retry.backoff", SETTING_MS, OF(backoff_ms), "1s", 0, 86400000,
        "pause before the second try, where the job does not say"},
    {"retry.max_backoff", SETTING_MS, OF(max_backoff_ms), "5m", 0, 86400000,
        "longest pause between tries, where the job does not say"},
    SETTING_END,
};

enum { LOAD_MS = 1000 }; /* patience for limits and defaults, each: a batch may wait */

struct converter {
    struct engine_list *engines;
    struct zones *zones;
    struct limits *limits; /* the present snapshots */
    struct defaults *defaults;
    struct convert_rules rules;
};

bool converter_open(struct stage_world *w, void **self, struct error *e)
{
    const struct converter_settings *s = w->settings;
    struct engine_list *engines = engine_list_open(s->engines_dir, e);

    if (engines == NULL)
        return false;
    struct zones *zones = zones_open(s->zoneinfo_dir, e);
    if (zones == NULL || zones_find(zones, bytes_of(s->timezone)) == NULL) {
        if (zones != NULL)
            error_set(
                e, "bad_setting", "timezone=%s: there is no such zone in %s", s->timezone, s->zoneinfo_dir);
        zones_close(zones);
        engine_list_close(engines);
        return false;
    }
    struct converter *c = calloc(1, sizeof(*c));
    if (c == NULL)
        log_fatal("out_of_memory", "what=converter");
    c->engines = engines;
    c->zones = zones;
    c->rules = (struct convert_rules){.engines = engines,
        .submission_max_bytes = s->submission_max_bytes,
        .derived_max_bytes = s->derived_max_bytes,
        .zones = zones,
        .timezone = s->timezone,
        .limits = s->limits,
        .most = s->most,
        .retry = {.max_attempts = 1,
            .backoff_ms = s->backoff_ms,
            .max_backoff_ms = s->max_backoff_ms,
            .on_lost = ON_LOST_RETRY}};
    *self = c;
    return true;
}

void converter_close(void *self)
{
    struct converter *c = self;

    engine_list_close(c->engines);
    zones_close(c->zones);
    limits_free(c->limits);
    defaults_free(c->defaults);
    free(c);
}

bool converter_refresh(void *self, struct stage_world *w, struct error *e)
{
    struct converter *c = self;
    struct limits *limits = limits_load(w->store, LOAD_MS, e);
    struct defaults *defaults = limits != NULL ? defaults_load(w->store, LOAD_MS, e) : NULL;

    if (defaults == NULL) {
        limits_free(limits);
        return false;
    }
    limits_free(c->limits);
    defaults_free(c->defaults);
    c->rules.groups = c->limits = limits;
    c->rules.defaults = c->defaults = defaults;
    return true;
}

/* ---- records under a wrong key ---- */

/* "partition/offset/timestamp" of the first submission, in a record that was submitted again. */
static bool parse_came_from(struct bytes text, struct origin *out)
{
    const char *first = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    if (first == NULL)
        return false;
    size_t at = (size_t)(first - text.data);
    struct bytes rest = bytes_slice(text, at + 1, text.len);
    const char *second = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
    if (second == NULL)
        return false;
    size_t rest_at = (size_t)(second - rest.data);
    return bytes_parse_int64(bytes_slice(text, 0, at), &out->partition) &&
           bytes_parse_int64(bytes_slice(rest, 0, rest_at), &out->offset) &&
           bytes_parse_int64(bytes_slice(rest, rest_at + 1, rest.len), &out->timestamp);
}

static void submit_again(const struct step_record *r, struct job *j, struct bytes group,
    const struct origin *where, struct outbox *out)
{
    static const char *const replaced[] = {"job", "traceparent", "content-type", "rekeyed"};
    struct bus_header *headers = arena_array(r->arena, r->raw->header_count + 1, sizeof(*headers));
    size_t count = 0;

    headers[count++] =
        (struct bus_header){BYTES("rekeyed"), arena_printf(r->arena, "%" PRId64 "/%" PRId64 "/%" PRId64,
                                                  where->partition, where->offset, where->timestamp)};
    for (size_t i = 0; i < r->raw->header_count; i++) {
        bool keep = true;
        for (size_t k = 0; k < sizeof(replaced) / sizeof(replaced[0]); k++)
            keep = keep && !bytes_equal_text(r->raw->headers[i].name, replaced[k]);
        if (keep)
            headers[count++] = r->raw->headers[i];
    }
    outbox_send_with(out, "jobs.submitted", group, j->job_id, j->trace, &shape_submitted, j, headers, count);
}

/* ---- the step ---- */

static void send_event(
    const struct step_record *r, struct job *j, struct bytes group, enum job_phase phase, struct outbox *out)
{
    struct event event;

    shape_clear(&shape_event, &event);
    event.job_id = j->job_id;
    event.group = group;
    event.origin = j->origin;
    event.phase = (int)phase;
    event.at = r->now;
    event.stage = BYTES("converter");
    event.times = j->times;
    if (phase == PHASE_ACCEPTED)
        event.spec = j;
    outbox_send(out, "jobs.events", group, j->job_id, j->trace, &shape_event, &event);
}

/* Could the completed job be over the limit? Defaults and warnings add little; replaced code, and many parts and statements, add much. */
static bool may_be_large(const struct convert_rules *rules, const struct step_record *r, const struct job *j)
{
    enum {
        SLACK = 65536,
        NUMBERS = 32,
        PART = 512
    }; /* what a statement's numbers and a part's names take up at most */
    size_t bytes = r->raw->value.len + SLACK + j->parts.count * PART;

    for (size_t i = 0; i < j->statements.count; i++)
        bytes += j->statements.items[i].text.len + j->statements.items[i].part.len + NUMBERS;
    return (int64_t)bytes > rules->derived_max_bytes;
}

static void convert(struct converter *c, const struct step_record *r, struct job *j, struct outbox *out)
{
    if (!convert_job(&c->rules, j, r->raw->value.len, r->now, r->arena) || !may_be_large(&c->rules, r, j))
        return;
    size_t bytes = outbox_encoded_size(out, &shape_converted, j);
    if ((int64_t)bytes > c->rules.derived_max_bytes)
        convert_refuse_size(&c->rules, j, bytes, r->arena);
}

enum step_verdict converter_step(void *self, struct step_record *r, struct outbox *out, struct error *e)
{
    struct converter *c = self;
    struct job *j = r->value;
    struct origin lies = {r->raw->partition, r->raw->offset, r->raw->timestamp};
    struct field_problems problems = {.count = 0}; /* convert_job tells them again */

    synonyms_apply(j, r->arena, &problems); /* labels may say who it is */

    if (!job_name_is_valid(j->creator) || !job_name_is_valid(j->user)) {
        error_set(e, "bad_name", "creator and user must be 1 to 64 characters of A-Z a-z 0-9 . _ @ -");
        return STEP_REJECT;
    }
    struct bytes group = job_group(r->arena, j);
    bool came_round = parse_came_from(bus_record_header(r->raw, "rekeyed"), &j->origin);
    if (!came_round)
        j->origin = lies;
    convert_identify(j, r->raw->topic, &lies, r->arena);
    if (!came_round && (r->misplaced || !bytes_equal(r->raw->key, group))) {
        submit_again(r, j, group, &lies, out);
        return STEP_DONE;
    }
    shape_clear(&shape_times, &j->times);
    j->times.accepted = j->origin.timestamp;
    if (j->submitted_at == NO_INT)
        j->submitted_at = j->origin.timestamp;
    convert(c, r, j, out);
    send_event(r, j, group, PHASE_ACCEPTED, out);
    if (j->error == NULL) {
        j->times.converted = r->now;
        send_event(r, j, group, PHASE_CONVERTED, out);
    }
    outbox_send(out, "jobs.converted", group, j->job_id, j->trace, &shape_converted, j);
    return STEP_DONE;
}
