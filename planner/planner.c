/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner: see planner.h.
 */
#include "planner/planner.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define OF(member) offsetof(struct planner_settings, member)
const struct setting planner_settings_table[] = {
    {"http.port", SETTING_INT, OF(stage.http_port), "8422", 0, 65535, "port of /metrics, /healthz, ..."},
    {"engines.dir", SETTING_TEXT, OF(engines_dir), "engines", 1, 4096,
        "folder with one folder per engine, each with an engine.json: their targets"},
    PLAN_SETTINGS(struct planner_settings, plan),
    {"derived.max_bytes", SETTING_SIZE, OF(derived_max_bytes), "8m", 4096, 10 * 1024 * 1024,
        "most bytes of what a submission becomes"},
    SETTING_END,
};

static const char *const fixed_outputs[] = {"jobs.events", "jobs.dead", "jobs.planned"};
enum { FIXED_OUTPUTS = sizeof(fixed_outputs) / sizeof(fixed_outputs[0]) };

struct planner {
    struct plan_world world;
    struct engine_list *engines;
    const char *topics[PLAN_POOLS_MAX]; /* of world.rules.pools.items[i]; in the world's arena */
    const char *outputs[FIXED_OUTPUTS + PLAN_POOLS_MAX + 1];
};

static const char *topic_of(struct bytes pool, struct arena *a)
{
    struct buf name;

    buf_init(&name);
    bus_planned_topic(arena_text(a, pool), &name);
    const char *topic = arena_text(a, buf_bytes(&name));
    buf_release(&name);
    return topic;
}

static void name_outputs(struct planner *p)
{
    size_t outputs = 0;

    for (size_t i = 0; i < FIXED_OUTPUTS; i++)
        p->outputs[outputs++] = fixed_outputs[i];
    for (size_t i = 0; i < p->world.rules.pools.count; i++) {
        p->topics[i] = topic_of(p->world.rules.pools.items[i], &p->world.arena);
        if (strcmp(p->topics[i], "jobs.planned") != 0)
            p->outputs[outputs++] = p->topics[i];
    }
}

bool planner_open(struct stage_world *w, void **self, struct error *e)
{
    const struct planner_settings *s = w->settings;
    struct planner *p = calloc(1, sizeof(*p));

    if (p == NULL)
        log_fatal("out_of_memory", "what=planner");
    p->engines = engine_list_open(s->engines_dir, e);
    if (p->engines == NULL || !plan_world_open(&p->world, &s->plan, p->engines, s->derived_max_bytes, e)) {
        planner_close(p);
        return false;
    }
    name_outputs(p);
    w->outputs = p->outputs;
    *self = p;
    return true;
}

void planner_close(void *self)
{
    struct planner *p = self;

    engine_list_close(p->engines);
    plan_world_release(&p->world);
    free(p);
}

/* ---- the step ---- */

static const char *topic_for(const struct planner *p, const struct job *j)
{
    for (size_t i = 0; i < p->world.rules.pools.count; i++) {
        if (bytes_equal(p->world.rules.pools.items[i], j->pool))
            return p->topics[i];
    }
    return "jobs.planned";
}

static void send_event(const struct step_record *r, struct job *j, struct bytes group, struct outbox *out)
{
    struct event event;

    shape_clear(&shape_event, &event);
    event.job_id = j->job_id;
    event.group = group;
    event.origin = j->origin;
    event.phase = PHASE_PLANNED;
    event.at = r->now;
    event.stage = BYTES("planner");
    event.times = j->times;
    event.plan = j;
    outbox_send(out, "jobs.events", group, j->job_id, j->trace, &shape_event, &event);
}

static bool may_be_large(const struct plan_rules *rules, const struct step_record *r, const struct job *j)
{
    enum { SLACK = 65536 };

    return (int64_t)(r->raw->value.len + SLACK + plan_bytes(j)) > rules->derived_max_bytes;
}

enum step_verdict planner_step(void *self, struct step_record *r, struct outbox *out, struct error *e)
{
    const struct planner *p = self;
    struct job *j = r->value;

    if (!job_name_is_valid(j->creator) || !job_name_is_valid(j->user)) {
        error_set(e, "bad_name", "creator and user must be 1 to 64 characters of A-Z a-z 0-9 . _ @ -");
        return STEP_REJECT;
    }
    struct bytes group = job_group(r->arena, j);
    if (plan_job(&p->world.rules, j, r->arena)) {
        j->times.planned = r->now;
        size_t bytes = may_be_large(&p->world.rules, r, j) ? outbox_encoded_size(out, &shape_planned, j) : 0;
        if ((int64_t)bytes > p->world.rules.derived_max_bytes)
            plan_refuse_size(&p->world.rules, j, bytes, r->arena);
    }
    if (j->error == NULL)
        send_event(r, j, group, out);
    outbox_send(out, topic_for(p, j), group, j->job_id, j->trace, &shape_planned, j);
    return STEP_DONE;
}
