/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: see the header. Turns go down from the root (a stack, depth first), ends rise from the leaves. Each call is linear in what it
 * changes and in the depth; the end of a walk touches all that never ran, and when a retry is due, walk_start looks through all
 * nodes.
 */
#include "executor/walk_private.h"

const char *const walk_state_names[WALK_STATES + 1] = {
    "waiting", "running", "retrying", "succeeded", "failed", "cancelled", "skipped", NULL};

bool walk_state_is_final(enum walk_state s)
{
    return s >= WALK_SUCCEEDED;
}

static void set_state(struct walk *w, struct walk_node *n, enum walk_state state)
{
    n->state = state;
    MUST(w->changed_count < w->count);
    w->changed[w->changed_count++] = walk_number(w, n);
}

static void forget_news(struct walk *w)
{
    w->changed_count = w->stop_count = 0;
}

static void push(struct walk *w, size_t at)
{
    MUST(w->turn_count < w->count);
    w->turns[w->turn_count++] = at;
}

static void nap(struct walk *w, const struct walk_node *n)
{
    if (w->napping++ == 0 || n->next_at < w->nap_until)
        w->nap_until = n->next_at;
}

static void queue(struct walk *w, struct walk_node *n)
{
    MUST(w->ready_count < w->count && !n->queued);
    n->queued = true;
    w->ready[(w->ready_from + w->ready_count++) % w->count] = walk_number(w, n);
}

/* ---- closing: from a node down ---- */

/* Its end is known and nothing below it runs. */
static void decide(struct walk *w, struct walk_node *n)
{
    bool finished = n->verdict == WALK_CANCELLED && walk_is_complete(n, n->done);
    set_state(w, n, finished ? WALK_SUCCEEDED : n->verdict);
}

static void close_leaf(struct walk *w, struct walk_node *n)
{
    n->closing = true;
    if (n->state == WALK_RUNNING) {
        w->stops[w->stop_count++] = walk_number(w, n);
    } else if (n->state == WALK_WAITING && n->past && n->past->state == WALK_SUCCEEDED) {
        n->state = WALK_SUCCEEDED; /* its turn did not come again */
    } else {
        w->napping -= n->state == WALK_RETRYING && !n->queued;
        set_state(w, n, n->state == WALK_RETRYING ? WALK_CANCELLED : WALK_SKIPPED);
    }
}

static void close_node(struct walk *w, struct walk_node *n)
{
    if (n->closing || walk_state_is_final(n->state))
        return;
    if (n->kind == WALK_EXEC) {
        close_leaf(w, n);
        return;
    }
    n->closing = true;
    n->verdict = n->state == WALK_RUNNING ? WALK_CANCELLED : WALK_SKIPPED;
    for (size_t c = 0; c < n->child_count; c++)
        close_node(w, &w->nodes[n->children[c]]);
    if (n->live == 0)
        decide(w, n);
}

/* ---- ends: from a leaf up ---- */

static void conclude(struct walk *w, struct walk_node *n, enum walk_state verdict, size_t chosen)
{
    n->closing = true;
    n->verdict = verdict;
    n->chosen = chosen;
    n->retryable = verdict == WALK_FAILED && w->nodes[n->children[chosen]].retryable;
    for (size_t c = 0; c < n->child_count; c++)
        close_node(w, &w->nodes[n->children[c]]);
}

static void sequence_child(struct walk *w, struct walk_node *n, const struct walk_node *child)
{
    if (child->state != WALK_SUCCEEDED)
        conclude(w, n, WALK_FAILED, child->place);
    else if (child->place + 1 == n->child_count)
        conclude(w, n, WALK_SUCCEEDED, child->place);
    else
        push(w, n->children[child->place + 1]);
}

static void all_child(struct walk *w, struct walk_node *n, const struct walk_node *child)
{
    if (child->state != WALK_SUCCEEDED) {
        conclude(w, n, WALK_FAILED, child->place);
        return;
    }
    for (size_t d = child->dependent_count; d-- > 0;)
        if (--w->nodes[child->dependents[d]].waits == 0)
            push(w, child->dependents[d]);
    if (n->done == n->child_count)
        conclude(w, n, WALK_SUCCEEDED, child->place);
}

/* In the plan's order, so that it does not depend on who failed when. */
static size_t race_culprit(const struct walk *w, const struct walk_node *n)
{
    for (size_t c = 0; c < n->child_count; c++)
        if (w->nodes[n->children[c]].retryable)
            return c;
    return 0;
}

static void race_child(struct walk *w, struct walk_node *n, const struct walk_node *child)
{
    if (child->state == WALK_SUCCEEDED)
        conclude(w, n, WALK_SUCCEEDED, child->place);
    else if (n->failed == n->child_count)
        conclude(w, n, WALK_FAILED, race_culprit(w, n));
}

static void fallback_child(struct walk *w, struct walk_node *n, const struct walk_node *child)
{
    if (child->state == WALK_SUCCEEDED)
        conclude(w, n, WALK_SUCCEEDED, child->place);
    else if (child->retryable && child->place + 1 < n->child_count)
        push(w, n->children[child->place + 1]);
    else
        conclude(w, n, WALK_FAILED, child->place);
}

/* A child is decided: what it means to its parent. */
static void hear(struct walk *w, struct walk_node *n, const struct walk_node *child)
{
    n->done += child->state == WALK_SUCCEEDED;
    n->failed += child->state == WALK_FAILED;
    if (n->closing) {
        if (child->state == WALK_SUCCEEDED && n->verdict == WALK_CANCELLED)
            n->chosen = child->place; /* it may have succeeded all the same */
        return;
    }
    switch (n->kind) {
    case WALK_SEQUENCE:
        sequence_child(w, n, child);
        return;
    case WALK_ALL:
        all_child(w, n, child);
        return;
    case WALK_RACE:
        race_child(w, n, child);
        return;
    case WALK_FALLBACK:
        fallback_child(w, n, child);
        return;
    case WALK_EXEC:
    case WALK_KINDS:
        return;
    }
}

static void rise(struct walk *w, const struct walk_node *n)
{
    for (struct walk_node *p; (p = walk_parent(w, n)) != NULL; n = p) {
        hear(w, p, n);
        if (!p->closing || p->live > 0 || walk_state_is_final(p->state))
            return;
        decide(w, p);
    }
}

/* ---- turns: from the root down ---- */

static void take_past(struct walk *w, struct walk_node *n, const struct walk_past *past)
{
    for (struct walk_node *p = walk_parent(w, n); p; p = walk_parent(w, p))
        p->state = p->state == WALK_WAITING ? WALK_RUNNING : p->state;
    n->state = past->state;
    n->try = past->try;
    n->next_at = past->next_at;
    n->retryable = past->retryable;
    w->failures = w->failures || past->state != WALK_SUCCEEDED;
    if (past->state == WALK_RETRYING)
        nap(w, n);
    else
        rise(w, n);
}

static void take_turn(struct walk *w, struct walk_node *n)
{
    if (n->kind == WALK_EXEC && n->past)
        take_past(w, n, n->past);
    else if (n->kind == WALK_EXEC)
        queue(w, n);
    else if (n->kind == WALK_SEQUENCE || n->kind == WALK_FALLBACK)
        push(w, n->children[0]);
    else
        for (size_t c = n->child_count; c-- > 0;)
            if (w->nodes[n->children[c]].waits == 0)
                push(w, n->children[c]);
}

static void take_turns(struct walk *w)
{
    while (w->turn_count > 0) {
        struct walk_node *n = &w->nodes[w->turns[--w->turn_count]];
        if (!n->closing)
            take_turn(w, n);
    }
}

/* ---- the object ---- */

void walk_open(struct walk *w, const struct walk_past *past, size_t count)
{
    int64_t failed_attempt = 0; /* failures up to it are forgotten */
    forget_news(w);
    for (size_t i = 0; i < count; i++)
        if (past[i].at == 0 && past[i].state == WALK_FAILED)
            failed_attempt = past[i].attempt;
    for (size_t i = 0; i < count; i++)
        if (past[i].state == WALK_SUCCEEDED || past[i].attempt > failed_attempt)
            w->nodes[past[i].at].past = &past[i];
    push(w, 0);
    take_turns(w);
}

static void wake_retries(struct walk *w, int64_t now)
{
    int64_t next = INT64_MAX;
    if (w->napping == 0 || w->nap_until > now)
        return;
    for (size_t i = 0; i < w->count; i++) {
        struct walk_node *n = &w->nodes[i];
        if (n->state != WALK_RETRYING || n->queued) {
            continue;
        } else if (n->next_at <= now) {
            w->napping--;
            queue(w, n);
        } else if (n->next_at < next) {
            next = n->next_at;
        }
    }
    w->nap_until = next;
}

static struct walk_node *next_ready(struct walk *w)
{
    while (w->ready_count > 0) {
        struct walk_node *n = &w->nodes[w->ready[w->ready_from]];
        w->ready_from = (w->ready_from + 1) % w->count;
        w->ready_count--;
        n->queued = false;
        if (!n->closing)
            return n;
    }
    return NULL;
}

size_t walk_start(struct walk *w, int64_t now)
{
    forget_news(w);
    wake_retries(w, now);
    struct walk_node *n = next_ready(w);
    if (!n)
        return WALK_NONE;
    n->try++;
    n->retryable = false; /* that was the try before */
    for (struct walk_node *p = n; p; p = walk_parent(w, p)) {
        p->live++;
        if (p == n || p->state == WALK_WAITING)
            set_state(w, p, WALK_RUNNING);
    }
    return walk_number(w, n);
}

void walk_ended(struct walk *w, size_t leaf, enum walk_end end, int64_t next_at)
{
    struct walk_node *n = &w->nodes[leaf];
    forget_news(w);
    MUST(n->kind == WALK_EXEC && n->state == WALK_RUNNING);
    enum walk_state record = walk_to_record(w, leaf, end);
    w->failures = w->failures || record == WALK_FAILED || record == WALK_RETRYING;
    for (struct walk_node *p = n; p; p = walk_parent(w, p))
        p->live--;
    n->retryable = end == WALK_END_RETRYABLE;
    if (walk_is_retried(n, end)) {
        n->next_at = next_at;
        nap(w, n);
        set_state(w, n, WALK_RETRYING);
        return;
    }
    if (end == WALK_END_SUCCEEDED)
        set_state(w, n, WALK_SUCCEEDED);
    else
        set_state(w, n, n->closing ? WALK_CANCELLED : WALK_FAILED);
    n->closing = true;
    rise(w, n);
    take_turns(w);
}

void walk_stop(struct walk *w)
{
    forget_news(w);
    close_node(w, &w->nodes[0]);
}

/* ---- questions ---- */

int64_t walk_next_at(const struct walk *w)
{
    return w->napping > 0 ? w->nap_until : INT64_MAX;
}

bool walk_is_over(const struct walk *w)
{
    return walk_state_is_final(w->nodes[0].state);
}

size_t walk_culprit(const struct walk *w)
{
    const struct walk_node *n = &w->nodes[0];
    while (n->kind != WALK_EXEC)
        n = &w->nodes[n->children[n->chosen]];
    return walk_number(w, n);
}

bool walk_counts(const struct walk *w, size_t leaf)
{
    const struct walk_node *n = &w->nodes[leaf];
    for (const struct walk_node *p; (p = walk_parent(w, n)) != NULL; n = p) {
        bool chooses = p->kind == WALK_RACE || p->kind == WALK_FALLBACK;
        if (chooses && p->state == WALK_SUCCEEDED && p->chosen != n->place)
            return false;
    }
    return true;
}
