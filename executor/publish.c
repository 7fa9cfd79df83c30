/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish: events on their way, and `unsent`. A publication is what one outcome has to tell: when all its events are delivered, `unsent` is
 * cleared (settled). Outcomes that stayed unsent are looked for and told again, whoever wrote them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "executor/rules_private.h"

#define SETTLE_BATCH RULES_SIZE(1000, 2)
#define RESEND_AFTER_MS 10000
#define RESEND_BATCH RULES_SIZE(50, 2)

/* ---- publications ---- */

struct publication *publication_new(struct rules *r, const char *outcome, bool settle)
{
    struct publication *p = calloc(1, sizeof *p);
    if (!p)
        log_fatal("out_of_memory", "what=publication");
    memcpy(p->outcome, outcome, strlen(outcome) + 1);
    p->settle = settle;
    p->open = true;
    TAILQ_INSERT_TAIL(&r->publications, p, entry);
    return p;
}

static void settle_later(struct rules *r, const char *outcome)
{
    struct outcome_name name;
    memcpy(name.text, outcome, sizeof name.text);
    LIST_ADD(r->settles, name);
}

static void maybe_done(struct rules *r, struct publication *p)
{
    if (p->open || p->pending > 0)
        return;
    if (p->settle)
        settle_later(r, p->outcome);
    TAILQ_REMOVE(&r->publications, p, entry);
    free(p);
}

void publication_add(
    struct rules *r, struct publication *p, struct bytes group, const struct uuid *job, struct bytes event)
{
    p->pending++;
    r->world->send(r->self, group, job, event, p);
}

void publication_close(struct rules *r, struct publication *p)
{
    if (BUG(UNSENT_CLEARED_EARLY) && p->settle) {
        settle_later(r, p->outcome);
        p->settle = false;
    }
    p->open = false;
    maybe_done(r, p);
}

void publish_alone(struct rules *r, struct bytes group, const struct uuid *job, struct bytes event)
{
    struct publication *p = publication_new(r, "", false);
    publication_add(r, p, group, job, event);
    publication_close(r, p);
}

/* One that was not delivered: the outcome stays unsent, so it will be sent again, by us or by another executor of the pool. */
void rules_delivered(struct rules *r, struct publication *p, bool ok)
{
    if (!ok)
        p->settle = false;
    p->pending--;
    maybe_done(r, p);
}

/* ---- settling ---- */

bool settle_step(struct rules *r, struct op *op)
{
    if (op->at++ > 0 || r->settles.count == 0)
        return false;
    size_t n = r->settles.count < SETTLE_BATCH ? r->settles.count : SETTLE_BATCH;
    op->ask.kind = ASK_SETTLE;
    op->ask.names = arena_array(&op->memory, n, sizeof *op->ask.names);
    op->ask.count = n;
    for (size_t i = 0; i < n; i++)
        op->ask.names[i] = arena_copy(&op->memory, bytes_of(r->settles.items[i].text));
    r->settles.count -= n;
    memmove(r->settles.items, r->settles.items + n, r->settles.count * sizeof *r->settles.items);
    return true;
}

/* ---- outcomes that stayed unsent: their executor died, or Kafka did not answer it ---- */

struct unsent_op {
    struct op op;
    struct unsent *items;
    size_t count;
};
const size_t unsent_size = sizeof(struct unsent_op);

static bool ask_fates(struct unsent_op *u)
{
    struct ask *ask = &u->op.ask;
    size_t lines = 0;
    u->items = ask->unsents;
    u->count = ask->found;
    for (size_t i = 0; i < u->count; i++)
        lines += u->items[i].count;
    if (u->count == 0)
        return false;
    ask->kind = ASK_FIND;
    ask->with_payload = false;
    ask->ids = arena_array(&u->op.memory, lines + 1, sizeof *ask->ids);
    ask->count = 0;
    for (size_t i = 0; i < u->count; i++)
        for (size_t k = 0; k < u->items[i].count; k++)
            ask->ids[ask->count++] = u->items[i].lines[k].id;
    u->op.at = 2;
    return true;
}

/* Can the outcome still close this run? Its write may arrive late, whatever became of its writer. */
static bool may_still_close(const struct outcome_line *line, const struct run *run)
{
    if (!run)
        return line->from ==
               RUN_STATES; /* only a refused run can still be inserted; one that was there is gone for good */
    if (run->state == RUN_ENDED || run->attempt > line->attempt)
        return false;
    return line->from == run->state;
}

/* Kafka may just be slow: then its events wait already, and more of them would not help. */
static bool is_on_its_way(const struct rules *r, struct bytes outcome)
{
    const struct publication *p;
    TAILQ_FOREACH (p, &r->publications, entry)
        if (bytes_equal_text(outcome, p->outcome))
            return true;
    return false;
}

static void resend(struct rules *r, const struct unsent *u, const struct runs *found)
{
    char outcome[UUID_TEXT_LEN + 1] = "";
    bool settled = true;
    memcpy(outcome, u->id.data, u->id.len < UUID_TEXT_LEN ? u->id.len : UUID_TEXT_LEN);
    struct publication *p = publication_new(r, outcome, false);
    for (size_t i = 0; i < u->count; i++) {
        const struct outcome_line *line = &u->lines[i];
        const struct run *run = runs_of(found, &line->id);
        if (run && bytes_equal(run->out, u->id))
            publication_add(r, p, line->group, &line->id, line->event);
        else
            settled = settled && !may_still_close(line, run);
    }
    p->settle = settled;
    r->counts.resent++;
    publication_close(r, p);
}

bool unsent_step(struct rules *r, struct op *op)
{
    struct unsent_op *u = (struct unsent_op *)op;
    switch (op->at) {
    case 0:
        op->ask.kind = ASK_UNSENT;
        op->ask.older_than = rules_now(r).utc_ms - RESEND_AFTER_MS;
        op->ask.limit = RESEND_BATCH;
        op->at = 1;
        return true;
    case 1:
        return ask_fates(u);
    case 2:
        runs_sort(&op->ask.runs);
        for (size_t i = 0; i < u->count; i++)
            if (!is_on_its_way(r, u->items[i].id))
                resend(r, &u->items[i], &op->ask.runs);
        return false;
    }
    return false;
}
