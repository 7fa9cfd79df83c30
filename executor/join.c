/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join: an executor becomes one of its pool. Asks the servers, so not before they are known to answer; /healthz and /readyz are served
 * meanwhile.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/announce.h"
#include "executor/engine_slots.h"
#include "executor/lock.h"
#include "executor/records.h"

static void set_engine_slots(void *self, struct bytes engine, size_t slots)
{
    struct executor *x = self;
    scheduler_engine_slots(rules_scheduler(x->rules), engine, slots);
    engines_slots(x->engines, engine, slots);
}

static void make_rules(struct executor *x, int64_t held_until)
{
    const struct executor_settings *s = x->settings;
    struct rules_options o = {.instance = x->instance,
        .slots = (size_t)s->slots,
        .window = (size_t)s->window,
        .lease_renew_ms = s->lease_renew_ms,
        .lease_hold_ms = s->lease_hold_ms,
        .lease_watch_ms = s->lease_watch_ms,
        .drain_ms = s->drain_ms};
    struct error e;
    x->rules = rules_new(&o, &executor_world, x, held_until);
    MUST(engine_slots_read(bytes_of(s->engine_slots), set_engine_slots, x, &e));
    (void)rules_limits(x->rules, x->limits);
}

/* A job's events and log must be writable before it may start. */
static bool wait_until_ready(struct executor *x)
{
    struct error e;
    bool said = false;
    while (!announce_ready(x, &e)) {
        const struct timespec pause = {0, 200 * 1000000L};
        if (*x->world->stop)
            return false;
        if (!said)
            log_warn(
                "waiting", "text=\"waiting for the schema registry\" reason=%s", log_quote(bytes_of(e.text)));
        said = true;
        nanosleep(&pause, NULL); /* a start-up wait, on no job's path */
    }
    return true;
}

static void name_topic(struct executor *x)
{
    struct buf topic;
    buf_init(&topic);
    bus_planned_topic(x->settings->pool, &topic);
    snprintf(x->planned_topic, sizeof x->planned_topic, "%.*s", BYTES_ARG(buf_bytes(&topic)));
    buf_release(&topic);
}

static void name_group(struct executor *x)
{
    const char *pool = x->settings->pool;
    bool is_default = strcmp(pool, "default") == 0;
    snprintf(x->consumer_group, sizeof x->consumer_group, "executor%s%s", is_default ? "" : ".",
        is_default ? "" : pool);
}

static struct consumer *open_consumer(struct executor *x, const char *client_id, struct error *e)
{
    static const struct consumer_events events = {records_assigned, records_revoked};
    const char *topics[] = {x->planned_topic};
    struct consumer_options o = {.group = x->consumer_group,
        .topics = topics,
        .topic_count = 1,
        .by_partition = true,
        .events = &events,
        .self = x,
        .stop = x->world->stop};
    return consumer_open(&x->settings->stage.bus, client_id, &o, e);
}

/* The dead before us first: their leases and their places in the group are given up before we ask for partitions. Our own lease begins when nothing is left that may wait
 * for long: from then on the loop must turn. */
bool executor_join(struct executor *x, struct error *e)
{
    const struct executor_settings *s = x->settings;
    static char client_id[96];
    snprintf(client_id, sizeof client_id, "executor-%d", neighbours_number(x->neighbours));
    name_topic(x);
    name_group(x);
    if (!wait_until_ready(x))
        return false;
    x->control = follower_open(&s->stage.bus, client_id, "jobs.control", x->world->stop, e);
    if (!x->control)
        return false;
    neighbours_use_bus(x->neighbours, &s->stage.bus, x->consumer_group);
    (void)neighbours_bury(x->neighbours, &x->ledger, clock_utc_ms(), e);
    x->limits = limits_load(x->ledger.store, 0, e);
    if (!x->limits)
        return false;
    int64_t held_until = clock_boot_ms() + s->lease_hold_ms; /* from the sending on */
    if (!ledger_enlist(&x->ledger, x->host, getpid(), s->lease_watch_ms, clock_utc_ms(), e))
        return false;
    x->enlisted = true;
    engines_lease(x->engines, held_until);
    make_rules(x, held_until);
    log_info("instance", "instance=%s pool=%s slots=%lld", x->instance, s->pool, (long long)s->slots);
    x->consumer = open_consumer(x, client_id, e);
    return x->consumer != NULL;
}
