/* SPDX-License-Identifier: Apache-2.0 */
/* world: what the rules call (struct rules_world), passed on to the models. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

int64_t sim_kept;

static struct moment world_now(void *self)
{
    return life_now(self);
}

static uint64_t world_random(void *self)
{
    struct life *l = self;
    return random_next(&l->sim->random);
}

static void world_ask(void *self, struct ask *a)
{
    asks_give(self, a);
}

static void world_taken(void *self, struct rules_batch *b, bool ok)
{
    kafka_taken(self, b, ok);
}

static bool world_event(void *self, const struct telling *t, struct arena *a, struct bytes *out)
{
    return events_make(self, t, a, out);
}

static void world_send(
    void *self, struct bytes group, const struct uuid *job, struct bytes event, struct publication *p)
{
    struct life *l = self;
    struct sim_job *j = plan_job(l->sim, job);
    if (!bytes_equal(j->group->name, group))
        complain(l->sim, j, "its event is sent for group %.*s", BYTES_ARG(group));
    events_send(l, event, p);
}

static void world_due(void *self, const struct run *run)
{
    struct life *l = self;
    struct sim *s = l->sim;
    struct sim_job *j = plan_job(s, &run->id);
    if (!bytes_equal(run->payload, j->payload))
        complain(s, j, "it is due, with a payload that is not its own");
    NOTE(s, l->name, "job %d is due", j->number);
    if (sim_hits(s, s->weather.due_lost))
        return;
    s->coverage.due++;
    kafka_produce(s, sim_in(s, 1, 200), j, true, false);
}

static struct sim_job *job_of_payload(struct sim *s, struct bytes payload)
{
    for (int i = 0; i < s->job_count; i++)
        if (bytes_equal(payload, s->jobs[i].payload))
            return &s->jobs[i];
    complain(s, NULL, "a payload that no job has");
    return &s->jobs[0];
}

static bool world_on_lost(void *self, struct bytes payload, bool *fails)
{
    struct life *l = self;
    if (sim_hits(l->sim, l->sim->weather.unreadable)) {
        l->sim->coverage.unreadable++;
        return false;
    }
    *fails = job_of_payload(l->sim, payload)->on_lost_fails;
    return true;
}

struct kept {
    size_t len;
    char data[];
};

static void *world_keep(void *self, struct bytes payload)
{
    struct life *l = self;
    if (random_hits(&l->sim->random, l->sim->weather.no_room))
        return NULL;
    struct kept *k = malloc(sizeof *k + payload.len);
    MUST(k);
    k->len = payload.len;
    memcpy(k->data, payload.data, payload.len);
    sim_kept++;
    return k;
}

static struct bytes world_kept(const void *payload)
{
    const struct kept *k = payload;
    return (struct bytes){k->data, k->len};
}

static void world_drop(void *payload)
{
    if (!payload)
        return;
    sim_kept--;
    free(payload);
}

static void world_launch(void *self, struct task *t, const struct launch *l)
{
    children_launch(self, t, l);
}

static void world_stop(void *self, struct task *t, const struct order *o)
{
    struct life *l = self;
    if (!o || !o->found)
        complain(l->sim, plan_job(l->sim, &t->id), "it is stopped, and nobody asked for it");
    children_stop(l, t);
}

static void world_node_kept(void *self, struct task *t, bool still_ours)
{
    children_node_kept(self, t, still_ours);
}

static void world_gone(void *self, struct task *t, bool closed)
{
    children_gone(self, t, closed);
}

static void world_kill_all(void *self)
{
    struct life *l = self;
    NOTE(l->sim, l->name, "kills all that runs");
    if (l->draining || rules_is_draining(l->rules))
        l->sim->coverage.drain_killed += l->live;
    children_kill(l, l->sim->kill_ms);
}

static void world_lease(void *self, int64_t until_boot_ms)
{
    struct life *l = self;
    struct sim *s = l->sim;
    if (until_boot_ms < l->lease_until)
        complain(s, NULL, "%s makes its own lease shorter", l->name);
    l->lease_until = until_boot_ms;
    sim_push(s, life_when(l, until_boot_ms), HAPPEN_GUARD, NULL, l, 0);
}

static void world_die(void *self, const char *reason)
{
    struct life *l = self;
    l->dying = true;
    l->why = reason;
    l->sim->coverage.died_of_lease++;
}

const struct rules_world sim_world = {
    .now = world_now,
    .random = world_random,
    .ask = world_ask,
    .taken = world_taken,
    .event = world_event,
    .send = world_send,
    .due = world_due,
    .on_lost = world_on_lost,
    .keep = world_keep,
    .kept = world_kept,
    .drop = world_drop,
    .launch = world_launch,
    .stop = world_stop,
    .node_kept = world_node_kept,
    .gone = world_gone,
    .kill_all = world_kill_all,
    .lease = world_lease,
    .die = world_die,
};
