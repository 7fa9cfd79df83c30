/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: scheduler */
/*
 * test_scheduler_random: the scheduler against a small ledger in memory, with random messages: records and repeats, starts whose answers
 * come late or are lost, ends, retries, losses, cancels, holds, limits, closed gates, a clock that steps, partitions that go to another
 * executor and come back. At every step: what must always be true (scheduler_wrong), the order of starts, the number of places. At the
 * end, when nothing goes wrong any more, every job must have ended.
 */
#include "scheduler_world.h"

#define GROUPS 5
#define JOBS 4000 /* ids; a world stops making new ones then */
#define WINDOW 3
#define SLOTS 4
#define STEPS 10000
#define SEEDS 12

static const char *const names[GROUPS] = {"A/a", "A/b", "B/a", "B/b", "C/a"};
static const char *const engines[] = {"shell", "pg", "my"};

enum owner { NOBODY, WE, OTHER };

struct job {
    int group, engine;
    enum run_state state;
    enum owner owner;
    int64_t attempt, retry_at;
};

/* What the ledger's lane of intakes and looks does, one after another. */
enum lane_kind { LANE_RECORDS, LANE_LOOKING };
struct lane_item {
    enum lane_kind kind;
    bool done; /* in the ledger; its answer is still to be told */
    int64_t assignment;
    int jobs[3], count;
    bool duplicate[3];
    struct task *tasks[3];
    int group;
    size_t limit;
    struct run *runs; /* the answer */
    size_t found;
    struct lane_item *next;
};

struct start {
    struct task *task;
    bool done, won;
};

struct world {
    struct scheduler *s;
    uint64_t seed;
    struct job jobs[JOBS];
    int count; /* of jobs whose records were produced: ids 0 .. count-1 */
    int taken; /* of them given to an intake */
    struct lane_item *lane;
    struct start starts[SLOTS];
    int64_t now, latest, assignment; /* latest: the greatest time that was told */
    bool ours, paged, held[GROUPS], drained_faults;
    int64_t places[GROUPS];
    struct limits *limits;
    size_t started, blocked, looks, retries, lost;
};

static uint64_t any(struct world *w, uint64_t below)
{
    uint64_t z = (w->seed += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) % below;
}

static struct run run_from(const struct world *w, int n)
{
    const struct job *j = &w->jobs[n];
    struct run r = run_of(n, names[j->group], j->state);
    r.engine = bytes_of(engines[j->engine]);
    r.attempt = r.tries = j->attempt;
    r.retry_at = j->state == RUN_QUEUED ? j->retry_at : NO_TIME;
    r.instance = bytes_of(j->owner == WE ? "we" : j->owner == OTHER ? "other" : NULL);
    return r;
}

static bool is_there(const struct world *w, int n)
{
    return w->jobs[n].state == RUN_QUEUED || w->jobs[n].state == RUN_RUNNING;
}

/* ---- the lane ---- */

static void lane_add(struct world *w, const struct lane_item *item)
{
    struct lane_item **end = &w->lane;
    while (*end)
        end = &(*end)->next;
    *end = malloc(sizeof **end);
    assert_non_null(*end);
    **end = *item;
}

static bool has_records_in_lane(const struct world *w)
{
    for (const struct lane_item *i = w->lane; i; i = i->next)
        if (i->kind == LANE_RECORDS)
            return true;
    return false;
}

static void new_records(struct world *w)
{
    struct lane_item item = {.kind = LANE_RECORDS, .assignment = w->assignment};
    if (!w->paged || has_records_in_lane(w))
        return;
    if (any(w, 20) == 0 && w->taken > 3)
        w->taken -= 3; /* a repeat */
    for (int n = 1 + (int)any(w, 3); n > 0; n--) {
        if (w->taken == w->count) {
            if (w->count == JOBS || w->drained_faults)
                break;
            w->jobs[w->count++] = (struct job){.group = (int)any(w, GROUPS),
                .engine = any(w, 3) ? 0 : 1 + (int)any(w, 2),
                .state = RUN_STATES,
                .retry_at = NO_TIME};
        }
        int id = w->taken++;
        const struct job *j = &w->jobs[id];
        struct uuid uuid = id_of(id);
        item.tasks[item.count] =
            scheduler_record(w->s, P, &uuid, id, bytes_of(names[j->group]), bytes_of(engines[j->engine]));
        item.jobs[item.count++] = id;
        check(w->s);
    }
    if (item.count)
        lane_add(w, &item);
}

static void new_looks(struct world *w)
{
    struct bytes group;
    struct lane_item item = {.kind = LANE_LOOKING};
    while (scheduler_next_look(w->s, &group, &item.limit)) {
        check(w->s);
        for (item.group = 0; !bytes_equal_text(group, names[item.group]);)
            item.group++;
        w->looks++;
        lane_add(w, &item);
    }
}

static void lane_do(struct world *w, struct lane_item *item)
{
    item->done = true;
    if (item->kind == LANE_RECORDS) {
        for (int i = 0; i < item->count; i++) {
            struct job *j = &w->jobs[item->jobs[i]];
            item->duplicate[i] = j->state != RUN_STATES;
            if (item->duplicate[i])
                continue;
            j->state = item->tasks[i] ? RUN_RUNNING : RUN_QUEUED;
            j->owner = item->tasks[i] ? WE : NOBODY;
            j->attempt = item->tasks[i] ? 1 : 0;
        }
        return;
    }
    item->runs = calloc(item->limit, sizeof *item->runs);
    for (int n = 0; n < w->count && item->found < item->limit; n++)
        if (w->jobs[n].group == item->group && is_there(w, n))
            item->runs[item->found++] = run_from(w, n);
}

static void lane_tell(struct world *w)
{
    struct lane_item *item = w->lane;
    w->lane = item->next;
    for (int i = 0; i < item->count; i++) {
        const struct job *j = &w->jobs[item->jobs[i]];
        struct uuid uuid = id_of(item->jobs[i]);
        struct bytes group = bytes_of(names[j->group]);
        scheduler_inserted(w->s, P, item->assignment, &uuid, item->jobs[i], group,
            bytes_of(engines[j->engine]), w->now, item->tasks[i], item->duplicate[i],
            any(w, 2) ? malloc(1) : NULL);
        check(w->s);
        if (item->duplicate[i] && any(w, 2))
            scheduler_look(w->s, group, P);
    }
    if (item->kind == LANE_LOOKING)
        looked(w->s, names[item->group], item->runs, item->found);
    free(item->runs);
    free(item);
}

static void lane_step(struct world *w)
{
    if (w->lane && !w->lane->done)
        lane_do(w, w->lane);
    else if (w->lane)
        lane_tell(w);
}

/* ---- starts ---- */

static void check_order(const struct world *w, const struct task *t)
{
    int n = n_of(&t->id), taken = 0;
    const struct job *j = &w->jobs[n];
    if (j->state != RUN_QUEUED || j->attempt != t->attempt - 1)
        return; /* it is not what it was: its start will be lost */
    for (int k = 0; k < w->count; k++) {
        const struct job *other = &w->jobs[k];
        if (other->group != j->group || k == n)
            continue;
        bool backs_off = other->state == RUN_QUEUED && other->retry_at > w->latest;
        if (other->state == RUN_RUNNING || backs_off)
            taken++;
        if (k < n && other->state == RUN_QUEUED && !(other->retry_at > w->now))
            fail_msg("job %d starts before job %d of its group", n, k);
    }
    if (taken >= w->places[j->group])
        fail_msg("job %d starts and %d places of %d are taken", n, taken, (int)w->places[j->group]);
    if (w->held[j->group])
        fail_msg("job %d starts and its group is held", n);
}

static void new_start(struct world *w)
{
    for (int i = 0; i < SLOTS; i++) {
        if (w->starts[i].task)
            continue;
        struct task *t = next_start(w->s);
        if (!t)
            return;
        check_order(w, t);
        w->starts[i] = (struct start){t, false, false};
        return;
    }
}

static void start_step(struct world *w)
{
    struct start *start = &w->starts[any(w, SLOTS)];
    struct task *t = start->task;
    size_t shared;
    if (!t)
        return;
    struct job *j = &w->jobs[n_of(&t->id)];
    const struct limit_count *at = scheduler_shared(w->s, t, &shared);
    if (start->done) {
        start->task = NULL;
        if (start->won)
            scheduler_start_won(w->s, t);
        else
            scheduler_start_lost(w->s, t);
    } else if (shared && any(w, 3) == 0 && !w->drained_faults) {
        start->task = NULL;
        w->blocked++;
        struct bytes selector = at[any(w, shared)].selector;
        scheduler_start_blocked(w->s, t, selector);
    } else {
        start->done = true;
        start->won = j->state == RUN_QUEUED && j->attempt == t->attempt - 1;
        w->started += start->won;
        if (start->won) {
            j->state = RUN_RUNNING;
            j->owner = WE;
            j->attempt++;
            j->retry_at = NO_TIME;
        }
    }
    check(w->s);
}

static void open_gates(struct world *w)
{
    struct bytes selectors[4];
    size_t count = 0;
    for (size_t cursor = 0; count < 4 && scheduler_next_gate(w->s, &cursor, &selectors[count]);)
        count++;
    for (size_t i = 0; i < count; i++) {
        char copy[LIMITS_SELECTOR_MAX];
        (void)snprintf(copy, sizeof copy, "%.*s", BYTES_ARG(selectors[i]));
        scheduler_gate_open(w->s, bytes_of(copy), any(w, 3));
        check(w->s);
        break; /* the names of the others may be gone */
    }
}

/* ---- ends ---- */

static struct task *any_task(struct world *w, bool started)
{
    size_t count = scheduler_task_count(w->s), cursor = count ? any(w, count) : 0;
    struct task *t = scheduler_next_task(w->s, &cursor);
    return t && t->started == started ? t : NULL;
}

static void task_ends(struct world *w)
{
    struct task *t = any_task(w, true);
    if (!t)
        return;
    struct job *j = &w->jobs[n_of(&t->id)];
    assert_true(j->state == RUN_RUNNING && j->owner == WE && j->attempt == t->attempt);
    bool again = !w->drained_faults && any(w, 4) == 0;
    j->owner = NOBODY;
    j->state = again ? RUN_QUEUED : RUN_ENDED;
    j->retry_at = again && any(w, 3) ? w->now + (int64_t)any(w, 400) : NO_TIME;
    w->retries += again;
    scheduler_ended(w->s, t, !again);
    check(w->s);
}

/* Another executor's job ends or is lost, and somebody notices. */
static void other_ends(struct world *w)
{
    struct elsewhere e;
    size_t count = scheduler_elsewhere_count(w->s), cursor = count ? any(w, count) : 0;
    if (!scheduler_next_elsewhere(w->s, &cursor, &e))
        return;
    struct job *j = &w->jobs[n_of(&e.id)];
    if (j->state == RUN_RUNNING) {
        j->state = any(w, 2) ? RUN_QUEUED : RUN_ENDED;
        j->owner = NOBODY;
        w->lost++;
    }
    scheduler_look(w->s, bytes_of(names[j->group]), -1);
    check(w->s);
}

static void cancel(struct world *w)
{
    if (!w->count)
        return;
    int n = w->count - 1 - (int)any(w, w->count < 60 ? (uint64_t)w->count : 60);
    struct job *j = &w->jobs[n];
    struct uuid id = id_of(n);
    if (j->state != RUN_QUEUED || !scheduler_withdraw(w->s, bytes_of(names[j->group]), &id))
        return;
    j->state = RUN_ENDED;
    check(w->s);
}

/* ---- the rest of the world ---- */

static void tell_time(struct world *w, int64_t now)
{
    w->now = now;
    if (now > w->latest)
        w->latest = now;
    scheduler_time(w->s, now);
    check(w->s);
}

static void change_limits(struct world *w)
{
    struct limit items[GROUPS + 2];
    size_t count = 0;
    struct limits *old = w->limits;
    for (int g = 0; g < GROUPS; g++) {
        w->places[g] = 1 + (int64_t)any(w, 3);
        shape_clear(&shape_limit, &items[count]);
        items[count].selector = bytes_of(names[g]);
        items[count++].max_running = w->places[g];
    }
    for (int i = 0; i < 2; i++) {
        if (any(w, 2) == 0 && !w->drained_faults)
            continue;
        shape_clear(&shape_limit, &items[count]);
        items[count].selector = i ? BYTES("*") : BYTES("A/*");
        items[count].weight = 1 + (int64_t)any(w, 3);
        items[count++].max_running = w->drained_faults ? NO_INT : 2;
    }
    w->limits = limits_of(items, count);
    scheduler_limits(w->s, w->limits);
    check(w->s);
    limits_free(old);
}

static void change_holds(struct world *w, bool none)
{
    struct bytes held[GROUPS];
    size_t count = 0;
    for (int g = 0; g < GROUPS; g++) {
        w->held[g] = !none && any(w, 5) == 0;
        if (w->held[g])
            held[count++] = bytes_of(names[g]);
    }
    scheduler_holds(w->s, held, count);
    check(w->s);
}

/* While it is another's, that one starts what comes next, in order. */
static void partition_goes_and_comes(struct world *w)
{
    if (w->ours) {
        scheduler_revoked(w->s, P);
        check(w->s);
        w->ours = w->paged = false;
        return;
    }
    for (int g = 0; g < GROUPS; g++) {
        int64_t taken = (int64_t)any(w, 2);
        for (int n = 0; n < w->count; n++)
            if (w->jobs[n].group == g &&
                (w->jobs[n].state == RUN_RUNNING ||
                    (w->jobs[n].state == RUN_QUEUED && w->jobs[n].retry_at > w->now)))
                taken++;
        for (int n = 0; n < w->count && taken < w->places[g]; n++) {
            struct job *j = &w->jobs[n];
            if (j->group != g || j->state != RUN_QUEUED || j->retry_at > w->now)
                continue;
            j->state = RUN_RUNNING;
            j->owner = OTHER;
            j->attempt++;
            j->retry_at = NO_TIME;
            taken++;
        }
    }
    scheduler_assigned(w->s, P, ++w->assignment);
    check(w->s);
    w->ours = true;
}

/* Pages are read in the lane's turn: nothing else of it is under way. */
static void pages(struct world *w)
{
    if (!w->ours || w->paged || w->lane)
        return;
    for (int n = 0; n < w->count; n++) {
        if (!is_there(w, n))
            continue;
        struct run r = run_from(w, n);
        scheduler_unfinished(w->s, P, w->assignment, &r, 1, false);
        check(w->s);
    }
    scheduler_unfinished(w->s, P, w->assignment, NULL, 0, true);
    check(w->s);
    w->paged = true;
}

static void step(struct world *w)
{
    static const struct {
        int below; /* of 100 */
        void (*action)(struct world *w);
    } actions[] = {{14, new_records}, {22, new_looks}, {44, lane_step}, {58, new_start}, {72, start_step},
        {84, task_ends}, {87, other_ends}, {88, cancel}, {91, open_gates}, {95, pages}};
    int dice = (int)any(w, 100);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (dice < actions[i].below) {
            actions[i].action(w);
            return;
        }
    if (dice < 98)
        tell_time(w, w->now + (any(w, 10) ? (int64_t)any(w, 100) : -(int64_t)any(w, 300)));
    else if (!w->ours || any(w, 8) == 0)
        partition_goes_and_comes(w);
    else if (any(w, 3) == 0)
        change_limits(w);
    else
        change_holds(w, any(w, 2) == 0);
}

static int unfinished(const struct world *w)
{
    int left = 0;
    for (int n = 0; n < w->count; n++)
        left += w->jobs[n].state != RUN_ENDED;
    return left;
}

/* Nothing goes wrong any more: every job ends. */
static void calm(struct world *w)
{
    w->drained_faults = true;
    change_limits(w);
    change_holds(w, true);
    if (!w->ours)
        partition_goes_and_comes(w);
    tell_time(w, w->latest + 1000);
    int limit = 400 + 40 * w->count;
    for (; unfinished(w) && limit; limit--) {
        new_looks(w);
        lane_step(w);
        pages(w);
        new_records(w);
        new_start(w);
        for (int i = 0; i < SLOTS; i++)
            start_step(w);
        task_ends(w);
        other_ends(w);
    }
    if (unfinished(w))
        fail_msg("%d of %d jobs wait for ever", unfinished(w), w->count);
    while (w->lane)
        lane_step(w);
}

static void run_seed(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->seed = seed;
    w->s = scheduler_with(SLOTS, WINDOW);
    w->now = w->latest = 1000;
    scheduler_engine_slots(w->s, BYTES("pg"), 1);
    scheduler_engine_slots(w->s, BYTES("my"), 2);
    tell_time(w, 1000);
    change_limits(w);
    partition_goes_and_comes(w);
    for (int n = 0; n < STEPS; n++)
        step(w);
    calm(w);
    print_message("seed %d: %d jobs, %zu starts, %zu blocked, %zu looks, %zu retries, %zu elsewhere\n",
        (int)seed, w->count, w->started, w->blocked, w->looks, w->retries, w->lost);
    assert_true(w->started > 300 && w->blocked > 5 && w->looks > 100 && w->retries > 20 && w->lost > 10);
    scheduler_free(w->s);
    limits_free(w->limits);
    free(w);
}

static void random_messages_break_no_order_and_no_job_waits_for_ever(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_messages_break_no_order_and_no_job_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
