/* SPDX-License-Identifier: Apache-2.0 */
/* events: jobs.events: what is told of a job's attempts, its way to Kafka, and the delivery report. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

static struct bytes event_bytes(struct arena *a, const struct sim_event *e)
{
    return arena_copy(a, (struct bytes){(const char *)e, sizeof *e});
}

static void put(struct sim_event *e, const struct sim_job *j, enum job_phase phase)
{
    memset(e, 0, sizeof *e); /* events are compared as bytes */
    e->job = j->number;
    e->phase = (int32_t)phase;
}

struct bytes events_refused(struct sim *s, const struct sim_job *j)
{
    struct sim_event e;
    put(&e, j, PHASE_REJECTED);
    return event_bytes(&s->memory, &e);
}

static void check_telling(struct life *l, const struct telling *t, struct sim_job *j)
{
    struct sim *s = l->sim;
    if (t->run && !bytes_equal(t->run->payload, j->payload))
        complain(s, j, "%s is to be told, without its payload", job_phase_names[t->phase]);
    if (t->run && !bytes_equal(t->run->group, j->group->name))
        complain(s, j, "%s is to be told for another group", job_phase_names[t->phase]);
    if (t->phase == PHASE_CANCELLED && !j->cancel)
        complain(s, j, "it is told as cancelled, and nobody asked for it");
}

bool events_make(struct life *l, const struct telling *t, struct arena *a, struct bytes *out)
{
    struct sim *s = l->sim;
    struct sim_job *j = plan_job(s, t->task ? &t->task->id : &t->run->id);
    struct sim_event e;
    if (!t->task && sim_hits(s, s->weather.unreadable)) {
        s->coverage.unreadable++;
        NOTE(s, l->name, "can't tell job %d of %.*s: %s", j->number, BYTES_ARG(j->group->name),
            job_phase_names[t->phase]);
        return false;
    }
    check_telling(l, t, j);
    put(&e, j, t->phase);
    e.attempt = t->task ? t->task->attempt : t->run->attempt;
    e.at = t->at;
    e.retry_at = t->retry_at;
    snprintf(e.code, sizeof e.code, "%s", t->code ? t->code : "");
    *out = event_bytes(a, &e);
    NOTE(s, l->name, "tells job %d of %.*s attempt %lld: %s %s", j->number, BYTES_ARG(j->group->name),
        (long long)e.attempt, job_phase_names[t->phase], e.code);
    s->coverage.queue_timeout += t->code && strcmp(t->code, "queue_timeout") == 0;
    s->coverage.cancelled_waiting += t->phase == PHASE_CANCELLED && t->never_ran;
    s->coverage.cancelled_running += t->phase == PHASE_CANCELLED && !t->never_ran;
    return true;
}

struct delivery {
    struct life *sender;
    struct publication *publication;
    struct sim_event event;
    bool survives; /* its sender's death */
};

/* It may fail and be there nevertheless. What the sender still has in its memory dies with it. */
void events_send(struct life *l, struct bytes event, struct publication *p)
{
    struct sim *s = l->sim;
    struct delivery *d = arena_alloc(&s->memory, sizeof *d);
    MUST(event.len == sizeof d->event);
    *d = (struct delivery){.sender = l, .publication = p, .survives = sim_in(s, 0, 1)};
    memcpy(&d->event, event.data, sizeof d->event);
    int64_t there = sim_in(s, 1, 20), back = sim_in(s, 1, 10);
    if (!s->calm && sim_in(s, 0, 19) == 0)
        there += sim_in(s, 10, 3000);
    bool fails = sim_hits(s, s->weather.event_fails);
    s->coverage.event_fails += fails;
    if (!fails || sim_in(s, 0, 1))
        sim_push(s, s->now + there, HAPPEN_EVENT, NULL, d, 0);
    sim_push(s, s->now + there + back, HAPPEN_REPORT, l, d, !fails);
}

void events_arrive(struct sim *s, const struct happening *h)
{
    const struct delivery *d = h->what;
    if (d->sender->state == LIFE_ENDED && !d->survives)
        return;
    check_event(s, &d->event);
}

void events_report(struct sim *s, const struct happening *h)
{
    const struct delivery *d = h->what;
    NOTE(s, h->life->name, "event of job %d is %s", d->event.job, h->number ? "delivered" : "not delivered");
    rules_delivered(h->life->rules, d->publication, h->number != 0);
}
