/* SPDX-License-Identifier: Apache-2.0 */
/* rules: the driver: lanes, what comes again, and the turn. What each machine does is in its own file; see rules.h. */
#include "executor/rules.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "executor/rules_private.h"

#define SECOND_MS 1000

/* ---- the machines ---- */

struct op_type {
    enum ask_lane lane;
    const size_t *size; /* NULL: a plain struct op */
    op_step *step;
    void (*abandon)(struct rules *r, struct op *op); /* the process stops; NULL: nothing to do */
};

static const struct op_type op_types[OP_KINDS] = {
    [OP_PAGE] = {LANE_INTAKE, &page_size, page_step, NULL},
    [OP_INTAKE] = {LANE_INTAKE, &intake_size, intake_step, intake_abandon},
    [OP_LOOK] = {LANE_INTAKE, &look_size, look_step, NULL},
    [OP_START] = {LANE_START, &start_size, start_step, NULL},
    [OP_FINISH] = {LANE_FINISH, &finish_size, finish_step, NULL},
    [OP_NODE] = {LANE_FINISH, &node_size, node_step, NULL},
    [OP_SETTLE] = {LANE_HOUSE, NULL, settle_step, NULL},
    [OP_UNSENT] = {LANE_HOUSE, &unsent_size, unsent_step, NULL},
    [OP_RENEW] = {LANE_LEASE, &renew_size, renew_step, NULL},
    [OP_MINE] = {LANE_HOUSE, NULL, mine_step, NULL},
    [OP_WATCH] = {LANE_HOUSE, &watch_size, watch_step, NULL},
    [OP_CANCEL] = {LANE_INTAKE, &cancel_size, cancel_step, NULL},
    [OP_GROUP] = {LANE_INTAKE, &group_size, group_step, NULL},
    [OP_ASK_CANCELS] = {LANE_HOUSE, NULL, ask_cancels_step, NULL},
    [OP_WAKE] = {LANE_HOUSE, NULL, wake_step, NULL},
    [OP_HOLDS] = {LANE_INTAKE, NULL, holds_step, NULL},
    [OP_DROP] = {LANE_HOUSE, &drop_size, drop_step, NULL},
    [OP_GATES] = {LANE_HOUSE, NULL, gates_step, NULL},
    [OP_SWEEP] = {LANE_HOUSE, &sweep_size, sweep_step, NULL},
};

const char *const ask_kind_names[ASK_KINDS] = {"page", "look", "group", "find", "mine", "wake", "insert",
    "due", "start", "close", "node", "outcome", "settle", "unsent", "orders", "cancels", "holds", "hold",
    "renew", "leases", "end_lease", "holders", "holders_write"};

struct moment rules_now(const struct rules *r)
{
    return r->world->now(r->self);
}

struct op *rules_begin(struct rules *r, enum op_kind kind)
{
    const struct op_type *type = &op_types[kind];
    struct op *op = calloc(1, type->size ? *type->size : sizeof *op);
    if (!op)
        log_fatal("out_of_memory", "what=op");
    op->kind = kind;
    arena_init(&op->memory);
    op->ask.memory = &op->memory;
    op->ask.lane = type->lane;
    STAILQ_INSERT_TAIL(&r->lanes[type->lane].ops, op, entry);
    r->under_way[kind]++;
    return op;
}

struct op *rules_begin_once(struct rules *r, enum op_kind kind)
{
    return r->under_way[kind] ? NULL : rules_begin(r, kind);
}

static void op_free(struct rules *r, struct op *op)
{
    r->under_way[op->kind]--;
    arena_release(&op->memory);
    free(op);
}

static void lane_pump(struct rules *r, enum ask_lane lane)
{
    struct op *op;
    while (!r->dead && !r->lanes[lane].busy && (op = STAILQ_FIRST(&r->lanes[lane].ops)) != NULL) {
        if (op_types[op->kind].step(r, op)) {
            op->ask.now = rules_now(r).utc_ms;
            op->ask.ok = op->ask.yes = false;
            r->lanes[lane].busy = true;
            r->world->ask(r->self, &op->ask);
            return;
        }
        STAILQ_REMOVE_HEAD(&r->lanes[lane].ops, entry);
        op_free(r, op);
    }
}

void rules_answered(struct rules *r, struct ask *a)
{
    struct op *op = (struct op *)a;
    enum ask_lane lane = a->lane;
    MUST(r->lanes[lane].busy && STAILQ_FIRST(&r->lanes[lane].ops) == op);
    r->lanes[lane].busy = false;
    if (a->ok) {
        lane_pump(r, lane);
        return;
    }
    if (op_types[op->kind].abandon)
        op_types[op->kind].abandon(r, op);
    STAILQ_REMOVE_HEAD(&r->lanes[lane].ops, entry);
    op_free(r, op);
}

/* ---- what comes again ---- */

static bool always(const struct rules *r)
{
    (void)r;
    return true;
}

static bool any_to_watch(const struct rules *r)
{
    return scheduler_elsewhere_count(r->scheduler) > 0 || r->suspects.count > 0;
}

static bool any_partition(const struct rules *r)
{
    return scheduler_partitions(r->scheduler) > 0;
}

static bool any_partition_or_task(const struct rules *r)
{
    return any_partition(r) || scheduler_task_count(r->scheduler) > 0;
}

static bool any_gate(const struct rules *r)
{
    return r->gates.count > 0;
}

struct period {
    enum op_kind op;
    int64_t every_ms; /* 0: as often as the lease is renewed */
    bool draining;    /* also while draining */
    bool (*due)(const struct rules *r);
};

static const struct period periods[] = {
    {OP_RENEW, 0, true, always},
    {OP_MINE, 0, true, always},
    {OP_WATCH, 1 * SECOND_MS, false, any_to_watch},
    {OP_WAKE, 1 * SECOND_MS, false, any_partition},
    {OP_GATES, 1 * SECOND_MS, false, any_gate},
    {OP_HOLDS, 2 * SECOND_MS, false, always},
    {OP_UNSENT, 5 * SECOND_MS, false, always},
    {OP_ASK_CANCELS, 10 * SECOND_MS, true, any_partition_or_task},
    {OP_SWEEP, 10 * SECOND_MS, false, any_gate},
};
#define PERIODS (sizeof periods / sizeof periods[0])

static void begin_periods(struct rules *r, int64_t boot)
{
    for (size_t i = 0; i < PERIODS; i++) {
        const struct period *p = &periods[i];
        if (boot < r->period_at[p->op] || r->under_way[p->op])
            continue;
        r->period_at[p->op] = boot + (p->every_ms ? p->every_ms : r->options.lease_renew_ms);
        if ((!r->draining || p->draining) && p->due(r))
            (void)rules_begin(r, p->op);
    }
}

/* ---- the turn ---- */

static void begin_ready(struct rules *r)
{
    if (!TAILQ_EMPTY(&r->ends) && !TAILQ_LAST(&r->ends, ending_list)->asked)
        (void)rules_begin_once(r, OP_FINISH);
    if (r->settles.count)
        (void)rules_begin_once(r, OP_SETTLE);
    if (r->drops.count)
        (void)rules_begin_once(r, OP_DROP);
    if (r->wanted.count)
        (void)rules_begin_once(r, OP_CANCEL);
    if (scheduler_can_start(r->scheduler))
        (void)rules_begin_once(r, OP_START);
}

static void begin_looks(struct rules *r)
{
    struct bytes group;
    size_t limit;
    while (scheduler_next_look(r->scheduler, &group, &limit)) {
        struct op *op = rules_begin(r, OP_LOOK);
        op->ask.group = arena_copy(&op->memory, group);
        op->ask.limit = limit;
    }
}

void rules_turn(struct rules *r)
{
    if (r->dead)
        return;
    struct moment now = rules_now(r);
    if (now.boot_ms >= r->lease_until && !BUG(LEASE_REVIVES)) {
        rules_die(r, "not_renewed");
        return;
    }
    scheduler_time(r->scheduler, now.utc_ms);
    drain_turn(r);
    begin_periods(r, now.boot_ms);
    begin_looks(r);
    begin_ready(r);
    for (int lane = 0; lane < ASK_LANES; lane++)
        lane_pump(r, (enum ask_lane)lane);
}

int64_t rules_next(const struct rules *r)
{
    struct moment now = rules_now(r);
    int64_t next = r->lease_until, retry = scheduler_next_time(r->scheduler);
    for (size_t i = 0; i < PERIODS; i++)
        if (!r->under_way[periods[i].op] && r->period_at[periods[i].op] < next)
            next = r->period_at[periods[i].op];
    if (retry != INT64_MAX && retry - now.utc_ms < next - now.boot_ms)
        next = now.boot_ms + (retry > now.utc_ms ? retry - now.utc_ms : 0);
    if (r->draining && !r->killing && r->drain_until < next)
        next = r->drain_until;
    return next;
}

/* ---- the object ---- */

struct rules *rules_new(
    const struct rules_options *o, const struct rules_world *w, void *self, int64_t held_until_boot_ms)
{
    struct rules *r = calloc(1, sizeof *r);
    if (!r || strlen(o->instance) >= sizeof r->instance)
        log_fatal("out_of_memory", "what=rules");
    r->options = *o;
    memcpy(r->instance, o->instance, strlen(o->instance));
    r->options.instance = r->instance;
    r->world = w;
    r->self = self;
    r->lease_until = held_until_boot_ms;
    r->counter = 1;
    struct scheduler_options so = {o->slots, o->window, w->drop, cancel_order_drop};
    r->scheduler = scheduler_new(&so);
    for (int lane = 0; lane < ASK_LANES; lane++)
        STAILQ_INIT(&r->lanes[lane].ops);
    TAILQ_INIT(&r->ends);
    r->payload_bytes = START_PAYLOAD_BYTES;
    for (size_t i = 0; i < TOLD_GENERATIONS; i++)
        arena_init(&r->told[i].memory);
    TAILQ_INIT(&r->publications);
    int64_t boot = rules_now(r).boot_ms;
    for (size_t i = 0; i < PERIODS; i++)
        r->period_at[periods[i].op] = boot;
    return r;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    struct op *op;
    struct ending *e;
    struct publication *p;
    for (int lane = 0; lane < ASK_LANES; lane++)
        while ((op = STAILQ_FIRST(&r->lanes[lane].ops)) != NULL) {
            STAILQ_REMOVE_HEAD(&r->lanes[lane].ops, entry);
            op_free(r, op);
        }
    while ((e = TAILQ_FIRST(&r->ends)) != NULL) {
        TAILQ_REMOVE(&r->ends, e, entry);
        arena_release(&e->memory);
        free(e);
    }
    while ((p = TAILQ_FIRST(&r->publications)) != NULL) {
        TAILQ_REMOVE(&r->publications, p, entry);
        free(p);
    }
    scheduler_free(r->scheduler);
    free(r->watched.items);
    free(r->settles.items);
    free(r->wanted.items);
    wake_forget(r);
    free(r->places.items);
    free(r->drops.items);
    free(r->dropping.items);
    free(r->gates.items);
    free(r->suspects.items);
    free(r);
}

void rules_die(struct rules *r, const char *reason)
{
    if (r->dead)
        return;
    r->dead = true;
    r->world->kill_all(r->self);
    r->world->die(r->self, reason);
}

bool rules_limits(struct rules *r, const struct limits *l)
{
    if (r->limits && limits_are_equal(r->limits, l))
        return false;
    r->limits = l;
    r->counts.limits++;
    scheduler_limits(r->scheduler, l);
    holders_limits(r);
    return true;
}

struct scheduler *rules_scheduler(struct rules *r)
{
    return r->scheduler;
}

const struct rules_counts *rules_counts(const struct rules *r)
{
    return &r->counts;
}

int64_t rules_lease_until(const struct rules *r)
{
    return r->lease_until;
}

/* ---- small things that all machines use ---- */

void rules_saw_payloads(struct rules *r, const struct runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        r->payload_bytes += ((int64_t)runs->items[i].payload.len - r->payload_bytes) / 8;
}

size_t rules_payloads(const struct rules *r, size_t most)
{
    size_t n = (size_t)(READ_BYTES / (r->payload_bytes + 1));
    n = n ? n : 1;
    return n < most ? n : most;
}

void *rules_grow(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    size_t more = *cap ? *cap * 2 : 16;
    items = realloc(items, more * size);
    if (!items)
        log_fatal("out_of_memory", "what=list");
    *cap = more;
    return items;
}

void rules_look(struct rules *r, struct bytes group, int32_t partition)
{
    scheduler_look(r->scheduler, group, partition); /* makes it */
    scheduler_look(r->scheduler, group, -1);
}

/* A random UUID of version 4, from the world's randomness. */
void rules_new_outcome(struct rules *r, char out[UUID_TEXT_LEN + 1])
{
    struct uuid u;
    uint64_t words[2] = {r->world->random(r->self), r->world->random(r->self)};
    memcpy(u.bytes, words, sizeof u.bytes);
    u.bytes[6] = (uint8_t)((u.bytes[6] & 0x0F) | 0x40);
    u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3F) | 0x80);
    uuid_format(&u, out);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct run *)a)->id, &((const struct run *)b)->id, sizeof(struct uuid));
}

void runs_sort(struct runs *runs)
{
    if (runs->count)
        qsort(runs->items, runs->count, sizeof *runs->items, by_id);
}

const struct run *runs_of(const struct runs *runs, const struct uuid *id)
{
    struct run key = {.id = *id};
    return runs->count ? bsearch(&key, runs->items, runs->count, sizeof *runs->items, by_id) : NULL;
}
