/* SPDX-License-Identifier: Apache-2.0 */
/* plan: what a seed draws before anything happens: the size of the world, groups, jobs, limits, and the weather. */
#include <string.h>

#include "tests/sim/sim.h"

static struct bytes text_of(struct sim *s, const char *format, int a, int b)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return arena_printf(&s->memory, format, a, b);
#pragma GCC diagnostic pop
}

/* ---- the weather ---- */

/* Per mille of each thing that is a matter of chance, in mild and in wild weather. */
static const struct {
    size_t offset;
    int64_t mild, wild;
} rates[] = {
    {offsetof(struct weather, slow), 5, 25},
    {offsetof(struct weather, refused), 5, 40},
    {offsetof(struct weather, answer_lost), 10, 80},
    {offsetof(struct weather, repeated_late), 3, 30},
    {offsetof(struct weather, in_pieces), 50, 300},
    {offsetof(struct weather, bell_lost), 50, 500},
    {offsetof(struct weather, event_fails), 20, 200},
    {offsetof(struct weather, unreadable), 10, 100},
    {offsetof(struct weather, no_room), 100, 500},
    {offsetof(struct weather, produced_twice), 30, 200},
    {offsetof(struct weather, commit_lost), 20, 300},
    {offsetof(struct weather, commit_unfenced), 300, 900},
    {offsetof(struct weather, due_lost), 50, 300},
    {offsetof(struct weather, lose_at_record), 10, 200},
    {offsetof(struct weather, late_news), 100, 300},
};

/* Mean time between two, in mild and in wild weather. */
static const struct {
    int64_t mild, wild;
} faults_every_ms[FAULTS] = {
    [FAULT_CRASH] = {20000, 4000},
    [FAULT_POWER] = {60000, 15000},
    [FAULT_FREEZE] = {20000, 5000},
    [FAULT_CUT] = {30000, 6000},
    [FAULT_REBALANCE] = {10000, 1500},
    [FAULT_LOSE] = {20000, 3000},
    [FAULT_STEP] = {30000, 5000},
    [FAULT_DRAIN] = {30000, 5000},
    [FAULT_LIMITS] = {15000, 4000},
    [FAULT_OUTAGE] = {60000, 15000},
    [FAULT_TRIP] = {30000, 5000},
};

/* In focused weather two kinds of faults are wild and the others don't happen: they would end what is to be seen. The last two kinds
 * look for the rarest: executors that trip while others watch, and readers that lose their partitions in the middle of a record. */
enum weather_kind { CALM, MILD, MILD_2, WILD, WILD_2, WILD_3, FOCUSED, FOCUSED_2, TRIPS, LOSERS };

static enum weather_kind draw_weather(struct sim *s)
{
    enum weather_kind kind = (enum weather_kind)sim_in(s, CALM, LOSERS);
    bool mild = kind <= MILD_2;
    if (kind == CALM)
        return kind;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        int64_t rate = sim_in(s, 0, 3) == 0 ? 0 : mild ? rates[i].mild : rates[i].wild;
        memcpy((char *)&s->weather + rates[i].offset, &rate, sizeof rate);
    }
    for (int i = 0; i < FAULTS; i++)
        if (kind < FOCUSED && sim_in(s, 0, 9) < 4)
            s->weather.every_ms[i] = mild ? faults_every_ms[i].mild : faults_every_ms[i].wild;
    for (int i = 0; i < 2 && kind >= FOCUSED && kind < TRIPS; i++) {
        int64_t fault = sim_in(s, 0, FAULTS - 1);
        s->weather.every_ms[fault] = faults_every_ms[fault].wild;
    }
    if (kind == TRIPS) {
        s->weather.every_ms[FAULT_TRIP] = 3000;
        s->weather.no_room = s->weather.slow = 0;
    }
    if (kind == LOSERS) {
        s->weather.lose_at_record = 300;
        s->weather.commit_unfenced = 1000;
        s->weather.late_news = 800;
        s->weather.commit_lost = s->weather.slow = 0;
    }
    s->weather.never_ran = sim_in(s, 0, 2) == 0 ? 50 : 0;
    return kind;
}

/* ---- groups and limits ---- */

static void draw_groups(struct sim *s)
{
    s->group_count = (int)sim_in(s, 2, 6);
    s->partition_count = (int32_t)sim_in(s, 1, PARTITIONS_MAX);
    for (int i = 0; i < s->group_count; i++) {
        struct sim_group *g = &s->groups[i];
        *g = (struct sim_group){.number = i, .held_acked = NEVER, .released = -1, .strict = true};
        g->name = text_of(s, "c%d/u%d", (int)sim_in(s, 0, 2), i);
        g->partition = (int32_t)sim_in(s, 0, s->partition_count - 1);
        g->max_running = 1;
        g->holds_on_failure = sim_in(s, 0, 9) == 0;
    }
    for (int32_t p = 0; p < s->partition_count; p++)
        s->partitions[p].number = p;
}

static struct limit no_limit(struct bytes selector)
{
    return (struct limit){.selector = selector,
        .max_queued = NO_INT,
        .max_running = NO_INT,
        .weight = NO_INT,
        .queue_timeout_ms = NO_INT,
        .run_timeout_ms = NO_INT,
        .at = NO_INT};
}

static void draw_limits(struct sim *s)
{
    enum { CREATORS = 3 };
    bool several = sim_in(s, 0, 2) == 0, of_creators = sim_in(s, 0, 3) == 0, of_all = sim_in(s, 0, 4) == 0;
    s->limits_count = s->weather.every_ms[FAULT_LIMITS] ? LIMITS_SETS : 1;
    for (int i = 0; i < CREATORS; i++)
        s->gates[s->gate_count++] = (struct shared_gate){.selector = text_of(s, "c%d/*", i, 0)};
    s->gates[s->gate_count++] = (struct shared_gate){.selector = BYTES("*")};
    for (int set = 0; set < s->limits_count; set++) {
        struct limit items[GROUPS_MAX + CREATORS + 1];
        size_t count = 0;
        for (int i = 0; i < s->group_count; i++) {
            struct sim_group *g = &s->groups[i];
            struct limit l = no_limit(g->name);
            if (several && sim_in(s, 0, 1))
                l.max_running = sim_in(s, 1, 3);
            if (g->holds_on_failure)
                l.on_failure = BYTES("hold");
            if (l.max_running != NO_INT && l.max_running > g->max_running)
                g->max_running = l.max_running;
            g->strict = g->max_running == 1;
            items[count++] = l;
        }
        for (int i = 0; i < s->gate_count; i++) {
            struct shared_gate *g = &s->gates[i];
            struct limit l = no_limit(g->selector);
            bool all = i == CREATORS;
            if (all ? of_all : of_creators && sim_in(s, 0, 1))
                l.max_running = sim_in(s, 1, all ? 4 : 2);
            if (!all && sim_in(s, 0, 2) == 0)
                l.weight = sim_in(s, 1, 5);
            if (l.max_running == NO_INT || (set > 0 && g->max == NO_INT))
                g->max = NO_INT;
            else if (l.max_running > g->max)
                g->max = l.max_running;
            items[count++] = l;
        }
        s->limits[set] = limits_of(items, count);
    }
}

/* ---- jobs ---- */

static void draw_id(struct sim *s, struct sim_job *j)
{
    uint64_t noise = random_next(&s->random);
    uint32_t number = (uint32_t)j->number;
    memcpy(j->id.bytes, &number, sizeof number);
    memcpy(j->id.bytes + 8, &noise, sizeof noise);
    uuid_format(&j->id, j->text);
}

static void draw_job(struct sim *s, struct sim_job *j, int64_t longest_ms, int64_t fails)
{
    draw_id(s, j);
    j->group = &s->groups[sim_in(s, 0, s->group_count - 1)];
    j->engine = sim_in(s, 0, 3) ? BYTES("shell") : BYTES("python");
    j->payload = text_of(s, "job %d", j->number, 0);
    j->not_before = NO_TIME;
    j->record = j->due_record = -1;
    j->retry_at = NO_TIME;
    j->run.wake_at = NO_TIME;
    j->acked_queued = j->shown_running = NEVER;
    j->refused = sim_in(s, 0, 29) == 0;
    j->max_attempts = sim_in(s, 1, 4);
    j->backoff_ms = sim_in(s, 0, 1) ? 0 : sim_in(s, 1, 2000);
    j->max_backoff_ms = 3000;
    j->on_lost_fails = sim_in(s, 0, 9) == 0;
    j->nodes = sim_in(s, 0, 3) ? 1 : (int)sim_in(s, 2, NODES_MAX);
    j->longest_ms = sim_in(s, 0, 19) == 0 ? 8000 : longest_ms;
    j->fails = fails;
    if (sim_in(s, 0, 19) == 0)
        j->queue_timeout_ms = sim_in(s, 10, 10000);
    j->impostor = sim_in(s, 0, 99) == 0;
    j->launches = 0;
}

static void draw_jobs(struct sim *s)
{
    static const int64_t lengths_ms[] = {20, 100, 400, 2000};
    static const int64_t failures[] = {0, 100, 300, 600};
    int64_t longest_ms = lengths_ms[sim_in(s, 0, 3)], fails = failures[sim_in(s, 0, 3)];
    static const int64_t sizes[] = {10, 40, 40, 80, 80, 80, 80, 300};
    s->job_count = (int)sim_in(s, 5, sizes[sim_in(s, 0, 7)]);
    if (s->options->jobs)
        s->job_count = (int)s->options->jobs;
    s->jobs = arena_array(&s->memory, (size_t)s->job_count, sizeof *s->jobs);
    for (int i = 0; i < s->job_count; i++) {
        s->jobs[i].number = i;
        draw_job(s, &s->jobs[i], longest_ms, fails);
        s->jobs[i].group->count++;
    }
    for (int i = 0; i < s->group_count; i++) {
        s->groups[i].jobs = arena_array(&s->memory, s->groups[i].count, sizeof(struct sim_job *));
        s->groups[i].count = 0;
    }
    for (int i = 0; i < s->job_count; i++)
        s->jobs[i].group->jobs[s->jobs[i].group->count++] = &s->jobs[i];
}

/* ---- all ---- */

void plan_draw(struct sim *s)
{
    enum weather_kind kind = draw_weather(s);
    s->always_calm = kind == CALM;
    bool rare = kind == TRIPS || kind == LOSERS; /* takes time, and others */
    draw_groups(s);
    draw_limits(s);
    draw_jobs(s);
    s->calm_at = sim_in(s, rare ? 30 : 8, rare ? 60 : 50) * 1000;
    s->host_count = (int)(s->options->instances ? s->options->instances : sim_in(s, rare ? 2 : 1, HOSTS_MAX));
    for (int i = 0; i < s->host_count; i++)
        s->hosts[i] = (struct host){.number = i,
            .boot_base = sim_in(s, 1000, 100000000),
            .utc_offset = sim_in(s, -500, 500),
            .rate = sim_in(s, 990, 1010)};
    s->rules = (struct rules_options){.slots = (size_t)sim_in(s, 1, 4),
        .window = (size_t)sim_in(s, 1, 4),
        .lease_renew_ms = 500,
        .lease_hold_ms = 4000,
        .lease_watch_ms = 6000,
        .drain_ms = sim_in(s, 0, 1) ? sim_in(s, 50, 500) : 5000};
    s->skew_ms = 500;
    s->session_ms = sim_in(s, 500, 3000);
    s->grace_ms = sim_in(s, 20, 1500);
    s->kill_ms = sim_in(s, 5, 500);
    s->engine_slots[0] = sim_in(s, 1, 4);
    s->engine_slots[1] = sim_in(s, 1, 2);
}

struct sim_job *plan_job(struct sim *s, const struct uuid *id)
{
    uint32_t number;
    memcpy(&number, id->bytes, sizeof number);
    if (number >= (uint32_t)s->job_count || memcmp(&s->jobs[number].id, id, sizeof *id) != 0) {
        complain(s, NULL, "an id that no job has");
        return &s->jobs[0];
    }
    return &s->jobs[number];
}

struct sim_group *plan_group(struct sim *s, struct bytes name)
{
    for (int i = 0; i < s->group_count; i++)
        if (bytes_equal(s->groups[i].name, name))
            return &s->groups[i];
    complain(s, NULL, "there is no group %.*s", BYTES_ARG(name));
    return &s->groups[0];
}

struct shared_gate *plan_gate(struct sim *s, struct bytes selector)
{
    for (int i = 0; i < s->gate_count; i++)
        if (bytes_equal(s->gates[i].selector, selector))
            return &s->gates[i];
    complain(s, NULL, "there is no selector %.*s", BYTES_ARG(selector));
    return &s->gates[0];
}

bool gate_covers(const struct shared_gate *g, const struct sim_group *group)
{
    return g->selector.len == 1 || memcmp(g->selector.data, group->name.data, g->selector.len - 1) == 0;
}
