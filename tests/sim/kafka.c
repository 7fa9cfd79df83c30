/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kafka: the planned topic and the executors' consumer group. A partition that moves is first taken from its owner (who reads on until it
 * hears of it), then given. A member that is silent for the session, or that the group loses, is not asked: it hears of it late. A commit
 * of a loser may still be taken: the rules must not need that fence.
 */
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { RECORDS_MAX = 6 };

/* ---- records ---- */

static void append(struct sim *s, struct partition *p, const struct planned *record)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->records = realloc(p->records, p->cap * sizeof *p->records);
        MUST(p->records);
    }
    p->records[p->count++] = *record;
    struct life *l;
    TAILQ_FOREACH (l, &s->lives, all)
        if (l->rules && !l->frozen)
            kafka_wake(l);
}

enum { RECORD_IS_DUE = 1, RECORD_IS_IMPOSTOR = 2 };

void kafka_produce(struct sim *s, int64_t delay, const struct sim_job *j, bool due, bool impostor)
{
    if (due)
        s->due_pending++;
    sim_push(s, s->now + delay, HAPPEN_RECORD, NULL, &s->jobs[j->number],
        (due ? RECORD_IS_DUE : 0) | (impostor ? RECORD_IS_IMPOSTOR : 0));
}

void kafka_record(struct sim *s, const struct happening *h)
{
    struct sim_job *j = h->what;
    bool due = h->number & RECORD_IS_DUE, impostor = h->number & RECORD_IS_IMPOSTOR;
    struct sim_group *g = j->group;
    if (due)
        s->due_pending--;
    if (impostor && !j->run.exists) { /* its turn comes once the first is in the ledger */
        sim_push(s, s->now + 500, HAPPEN_RECORD, NULL, j, h->number);
        return;
    }
    if (impostor)
        g = &s->groups[(g->number + 1) % s->group_count];
    struct partition *p = &s->partitions[g->partition];
    if (!due && !impostor && j->record < 0) {
        j->record = (int64_t)p->count;
        s->coverage.cancel_before_record += j->cancel;
    }
    if (due && j->due_record < 0)
        j->due_record = (int64_t)p->count;
    NOTE(s, "kafka", "planned %d/%zu: job %d of %.*s%s%s", p->number, p->count, j->number, BYTES_ARG(g->name),
        due ? ", due" : "", impostor ? ", of another group" : "");
    append(s, p, &(struct planned){j->number, due, impostor, sim_utc(s)});
    if (sim_hits(s, s->weather.lose_at_record)) /* its reader may take it all the same */
        kafka_lose(s, p);
}

/* ---- reading ---- */

static bool readable(const struct life *l, int32_t p)
{
    const struct share *share = &l->shares[p];
    return share->told && share->fetched && share->position < (int64_t)l->sim->partitions[p].count &&
           rules_is_open(l->rules, p);
}

void kafka_wake(struct life *l)
{
    struct sim *s = l->sim;
    if (l->poll_is_due || !rules_wants_records(l->rules))
        return;
    for (int32_t p = 0; p < s->partition_count; p++)
        if (readable(l, p)) {
            l->poll_is_due = true;
            sim_push(s, s->now + sim_in(s, 0, 20), HAPPEN_POLL, l, NULL, 0);
            return;
        }
}

static void fill_record(struct life *l, const struct partition *p, int64_t offset, struct rules_record *out)
{
    struct sim *s = l->sim;
    const struct planned *planned = &p->records[offset];
    struct sim_job *j = &s->jobs[planned->job];
    const struct sim_group *g =
        planned->impostor ? &s->groups[(j->group->number + 1) % s->group_count] : j->group;
    *out = (struct rules_record){.kind = RECORD_NEW,
        .id = j->id,
        .partition = p->number,
        .seq = offset,
        .group = g->name,
        .engine = j->engine,
        .payload = j->payload,
        .wake_at = NO_TIME};
    if (planned->due)
        out->kind = RECORD_DUE;
    else if (j->refused)
        out->kind = RECORD_REFUSED;
    else if (j->not_before != NO_TIME && j->not_before > life_now(l).utc_ms)
        out->kind = RECORD_DELAYED;
    if (out->kind == RECORD_DELAYED)
        out->wake_at = j->not_before;
    else if (j->queue_timeout_ms)
        out->wake_at = planned->at + j->queue_timeout_ms;
    if (out->kind == RECORD_REFUSED)
        out->event = events_refused(s, j);
}

void kafka_poll(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    l->poll_is_due = false;
    if (!l->rules || !rules_wants_records(l->rules))
        return;
    size_t max = (size_t)sim_in(s, 1, RECORDS_MAX);
    struct rules_batch *b = arena_alloc(&s->memory, sizeof *b);
    b->records = arena_array(&s->memory, max, sizeof *b->records);
    b->offsets = arena_array(&s->memory, PARTITIONS_MAX, sizeof *b->offsets);
    int32_t first = (int32_t)sim_in(s, 0, s->partition_count - 1);
    for (int32_t i = 0; i < s->partition_count; i++) {
        int32_t p = (first + i) % s->partition_count;
        struct share *share = &l->shares[p];
        size_t before = b->count;
        while (b->count < max && readable(l, p))
            fill_record(l, &s->partitions[p], share->position++, &b->records[b->count++]);
        if (b->count == before)
            continue;
        s->coverage.poll_by_loser += s->partitions[p].owner != l;
        b->offsets[b->offset_count++] = (struct rules_offset){p, share->assignment, share->position};
    }
    if (b->count == 0)
        return;
    NOTE(s, l->name, "takes %zu records", b->count);
    rules_intake(l->rules, b);
}

static bool is_current(const struct life *l, const struct rules_batch *b, int32_t partition)
{
    const struct share *share = &l->shares[partition];
    for (size_t i = 0; i < b->offset_count; i++)
        if (b->offsets[i].partition == partition)
            return share->told && share->assignment == b->offsets[i].assignment;
    return false;
}

void kafka_taken(struct life *l, struct rules_batch *b, bool ok)
{
    struct sim *s = l->sim;
    for (size_t i = 0; ok && i < b->count; i++) {
        const struct rules_record *r = &b->records[i];
        if (!is_current(l, b, r->partition)) /* it was taken away meanwhile */
            continue;
        struct sim_job *j = plan_job(s, &r->id);
        bool other = !bytes_equal(r->group, j->group->name);
        if (other != (r->other_group.data != NULL))
            complain(s, j, "a record of group %.*s: other_group says %.*s", BYTES_ARG(r->group),
                BYTES_ARG(r->other_group));
        s->coverage.impostor += other;
        if (!j->run.exists)
            complain(s, j, "its record is taken, and it is not in the ledger");
    }
    for (size_t i = 0; ok && i < b->offset_count; i++) {
        const struct rules_offset *o = &b->offsets[i];
        if (!is_current(l, b, o->partition) || sim_hits(s, s->weather.commit_lost))
            continue;
        NOTE(s, l->name, "commits %d/%lld", o->partition, (long long)o->next);
        struct rules_offset *commit = arena_alloc(&s->memory, sizeof *commit);
        *commit = *o;
        struct happening h = {
            s->now + sim_in(s, 1, sim_in(s, 0, 9) ? 30 : 900), 0, HAPPEN_COMMIT, l, commit, 0};
        queue_push(&s->queue, &h);
    }
}

void kafka_commit(struct sim *s, const struct happening *h)
{
    const struct rules_offset *o = h->what;
    struct partition *p = &s->partitions[o->partition];
    if (p->owner != h->life) {
        if (!sim_hits(s, s->weather.commit_unfenced))
            return;
        s->coverage.commit_by_loser++;
    }
    p->committed = o->next;
}

/* ---- the group ---- */

/* What a member hears of the group comes in order. */
static void tell(struct life *l, enum happening_kind kind, int64_t delay, int32_t p, bool lost)
{
    struct sim *s = l->sim;
    int64_t at = s->now + delay;
    if (at < l->group_news_at)
        at = l->group_news_at;
    l->group_news_at = at;
    sim_push(s, at, kind, l, lost ? &s->partitions[p] : NULL, p);
}

static bool is_member(const struct sim *s, const struct life *l)
{
    for (int i = 0; i < s->host_count; i++)
        if (l && s->by_kafka[i] == l)
            return true;
    return false;
}

static struct life *any_member(struct sim *s)
{
    int first = (int)sim_in(s, 0, s->host_count - 1);
    for (int i = 0; i < s->host_count; i++)
        if (s->by_kafka[(first + i) % s->host_count])
            return s->by_kafka[(first + i) % s->host_count];
    return NULL;
}

static void give(struct sim *s, struct partition *p, struct life *to)
{
    p->owner = to;
    p->revoking = false;
    if (!to)
        return;
    NOTE(s, "kafka", "partition %d goes to %s", p->number, to->name);
    tell(to, HAPPEN_ASSIGNED, sim_in(s, 1, sim_in(s, 0, 1) ? 10 : 50), p->number, false);
}

static void want_rebalance(struct sim *s)
{
    sim_push(s, s->now + sim_in(s, 1, 100), HAPPEN_REBALANCE, NULL, NULL, 0);
}

void kafka_rebalance(struct sim *s, const struct happening *h)
{
    bool stir = h->number != 0;
    for (int32_t i = 0; i < s->partition_count; i++) {
        struct partition *p = &s->partitions[i];
        bool owned = is_member(s, p->owner);
        if (owned && (p->revoking || sim_in(s, 0, 3) >= (stir ? 3 : 1)))
            continue;
        struct life *to = any_member(s);
        if (!owned) {
            give(s, p, to);
        } else if (to != p->owner && to) {
            p->target = to;
            p->revoking = true;
            s->coverage.rebalance++;
            NOTE(s, "kafka", "partition %d is to go from %s to %s", i, p->owner->name, to->name);
            tell(p->owner, HAPPEN_REVOKED, sim_in(s, 1, 100), i, false);
        }
    }
}

/* Given away without asking its owner, who hears of it late. */
void kafka_lose(struct sim *s, struct partition *p)
{
    struct life *loser = p->owner;
    if (!is_member(s, loser))
        return;
    s->coverage.lost_partition++;
    NOTE(s, "kafka", "%s loses partition %d", loser->name, p->number);
    tell(loser, HAPPEN_REVOKED, sim_in(s, 10, sim_hits(s, s->weather.late_news) ? 5000 : 500), p->number,
        true);
    give(s, p, any_member(s));
}

void kafka_join(struct life *l)
{
    l->joined = true;
    l->sim->by_kafka[l->host->number] = l;
    want_rebalance(l->sim);
}

static void remove_member(struct sim *s, struct life *l)
{
    s->by_kafka[l->host->number] = NULL;
    for (int32_t i = 0; i < s->partition_count; i++) {
        struct partition *p = &s->partitions[i];
        if (p->target == l)
            p->target = NULL;
        if (p->owner != l)
            continue;
        p->owner = NULL;
        p->revoking = false;
        if (l->state != LIFE_ENDED)
            tell(l, HAPPEN_REVOKED, 1, i, true);
    }
    want_rebalance(s);
}

void kafka_leave(struct life *l)
{
    if (is_member(l->sim, l))
        remove_member(l->sim, l);
    l->joined = false;
}

/* Not heard of for the session. */
void kafka_session(struct sim *s, const struct happening *h)
{
    struct life *l = h->what;
    if (is_member(s, l) && (l->frozen || l->state == LIFE_ENDED)) {
        NOTE(s, "kafka", "%s is not heard of any more", l->name);
        remove_member(s, l);
    }
}

void kafka_revoked(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    int32_t i = (int32_t)h->number;
    struct partition *p = &s->partitions[i];
    bool lost = h->what != NULL;
    if (lost && p->owner && p->owner != l)
        s->coverage.stale_revoke++;
    if (l->shares[i].told) {
        bool fetched = l->shares[i].fetched;
        l->shares[i].told = l->shares[i].fetched = false;
        NOTE(s, l->name, "hears that partition %d is %s", i, lost ? "lost" : "revoked");
        if (l->rules && (fetched || BUG(LEDGER_BEFORE_OFFSET)))
            rules_revoked(l->rules, i);
    }
    if (!lost && p->owner == l && p->revoking)
        give(s, p, is_member(s, p->target) ? p->target : any_member(s));
    if (lost && l->rules && l->joined && !is_member(s, l) && !s->by_kafka[l->host->number])
        kafka_join(l); /* back into the group */
}

void kafka_assigned(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    int32_t i = (int32_t)h->number;
    struct share *share = &l->shares[i];
    if (!l->rules)
        return;
    MUST(!share->told);
    *share = (struct share){
        .told = true, .assignment = ++l->next_assignment, .position = s->partitions[i].committed};
    if (BUG(LEDGER_BEFORE_OFFSET))
        rules_assigned(l->rules, i, share->assignment);
    sim_push(s, s->now + sim_in(s, 1, sim_hits(s, s->weather.late_news) ? 1500 : 50), HAPPEN_FETCHED, l, NULL,
        share->assignment * PARTITIONS_MAX + i);
}

void kafka_fetched(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    int32_t i = (int32_t)(h->number % PARTITIONS_MAX);
    struct share *share = &l->shares[i];
    if (!l->rules || !share->told || share->assignment != h->number / PARTITIONS_MAX)
        return;
    share->fetched = true;
    if (BUG(LEDGER_BEFORE_OFFSET) || sim_in(s, 0, 1)) /* as it is now, or as it was when it was asked for */
        share->position = s->partitions[i].committed;
    NOTE(s, l->name, "has partition %d from %lld", i, (long long)share->position);
    if (!BUG(LEDGER_BEFORE_OFFSET))
        rules_assigned(l->rules, i, share->assignment);
}
