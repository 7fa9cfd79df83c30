/* SPDX-License-Identifier: Apache-2.0 */
/* node_event: see the header. */
#include "executor/node_event.h"

#include "core/clock.h"
#include "core/log.h"
#include "executor/announce.h"
#include "executor/running.h"

#define REASON_MAX 500

/* ---- why ---- */

static struct bytes id_of(const struct walk *w, size_t at)
{
    return w->nodes[at].node->id;
}

static struct bytes chosen_of(const struct walk *w, const struct walk_node *n)
{
    return id_of(w, n->children[n->chosen]);
}

static struct bytes why_decided(struct running *r, const struct walk_node *n)
{
    const struct walk *w = &r->nodes.walk;
    bool chooses = n->kind == WALK_RACE || n->kind == WALK_FALLBACK;
    if (n->state == WALK_FAILED)
        return arena_printf(&r->memory, "%.*s failed", BYTES_ARG(chosen_of(w, n)));
    if (n->state == WALK_SUCCEEDED && chooses)
        return arena_printf(&r->memory, "%.*s succeeded", BYTES_ARG(chosen_of(w, n)));
    return BYTES_NONE;
}

/* The nearest node above whose end was known without this one; else the job itself was stopped. */
static struct bytes why_not_needed(struct running *r, const struct walk_node *n)
{
    const struct walk *w = &r->nodes.walk;
    while (n->parent != WALK_NONE) {
        n = &w->nodes[n->parent];
        if (n->closing && (n->verdict == WALK_SUCCEEDED || n->verdict == WALK_FAILED))
            return arena_printf(
                &r->memory, "%.*s %s", BYTES_ARG(chosen_of(w, n)), walk_state_names[n->verdict]);
    }
    return nodes_why_stopped(r);
}

static struct bytes why_again(struct running *r, const struct leaf *l)
{
    return arena_printf(&r->memory, "try %lld of %lld failed: %.*s: %.*s",
        (long long)r->nodes.walk.nodes[l->at].try, (long long)r->nodes.walk.nodes[l->at].node->retry,
        BYTES_ARG(l->error.code), BYTES_ARG(bytes_cut(l->error.message, REASON_MAX)));
}

/* ---- the event ---- */

static void fill_leaf(struct running *r, struct leaf *l, enum walk_state state, struct event *ev)
{
    ev->node_try = r->nodes.walk.nodes[l->at].try;
    if (state == WALK_RUNNING)
        return;
    ev->at = l->ended_at;
    ev->results.items = l->results;
    ev->results.count = l->result_count;
    ev->exit_code = l->exit_code;
    if ((state == WALK_FAILED || state == WALK_RETRYING) && l->has_error) {
        l->error.retryable = l->end == WALK_END_RETRYABLE;
        ev->error = &l->error;
    }
    if (state == WALK_RETRYING) {
        ev->reason = why_again(r, l);
        ev->next_at = l->next_at;
    }
}

void node_event_encode(struct running *r, size_t at, enum walk_state state, size_t max, struct buf *out)
{
    const struct walk_node *n = &r->nodes.walk.nodes[at];
    struct report rep = running_report(r);
    struct event ev = report_event(&rep, PHASE_NODE, clock_utc_ms());
    ev.node = n->node->id;
    ev.node_state = bytes_of(walk_state_names[state]);
    if (state == WALK_CANCELLED || state == WALK_SKIPPED)
        ev.reason = why_not_needed(r, n);
    else if (n->kind != WALK_EXEC)
        ev.reason = why_decided(r, n);
    ev.node_try = 1;
    if (n->kind == WALK_EXEC && r->nodes.leaves[at] && state != WALK_SKIPPED)
        fill_leaf(r, r->nodes.leaves[at], state, &ev);
    report_encode_within(r->x->world->codec, &ev, max, out);
}

static bool is_worth_telling(const struct running *r)
{
    const struct walk *w = &r->nodes.walk;
    return w->count > 1 || w->nodes[0].node->retry > 1;
}

/* What is skipped because all is over, is seen by that. What was killed goes on elsewhere. */
static bool is_told(const struct running *r, size_t at)
{
    const struct walk *w = &r->nodes.walk;
    enum walk_state state = w->nodes[at].state;
    if (state == WALK_SKIPPED)
        return !w->nodes[0].closing;
    return state == WALK_SUCCEEDED || state == WALK_RUNNING || nodes_may_tell(r);
}

void node_event_news(struct running *r)
{
    const struct walk *w = &r->nodes.walk;
    struct buf out;
    if (!is_worth_telling(r))
        return;
    buf_init(&out);
    for (size_t i = 0; i < w->changed_count; i++) {
        size_t at = w->changed[i];
        bool told = at == r->nodes.recorded && w->nodes[at].state == r->nodes.recorded_state;
        if (told || !is_told(r, at))
            continue;
        buf_clear(&out);
        node_event_encode(r, at, w->nodes[at].state, REPORT_MAX, &out);
        announce_send(r->x, r->group, &r->id, buf_bytes(&out), NULL, NULL);
    }
    buf_release(&out);
}

/* ---- earlier attempts ---- */

/* In events of older executors all of these finished. */
static bool read_state(struct bytes name, enum walk_state *out)
{
    static const enum walk_state states[] = {WALK_SUCCEEDED, WALK_FAILED, WALK_RETRYING};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (bytes_equal_text(name, walk_state_names[states[i]])) {
            *out = states[i];
            return true;
        }
    return false;
}

/* Leaves' events are told again: their teller may have died before they were delivered. */
static void take_past(struct running *r, size_t at, const struct event *ev, struct bytes told)
{
    struct nodes *n = &r->nodes;
    struct walk_past past = {.at = at,
        .attempt = ev->attempt,
        .try = ev->node_try > 0 ? ev->node_try : 1,
        .next_at = ev->next_at == NO_INT ? ev->at : ev->next_at,
        .retryable = ev->error && ev->error->retryable};
    if (at == WALK_NONE || !read_state(ev->node_state, &past.state)) {
        log_warn("node_unknown", "job=%.*s node=%.*s state=%.*s", BYTES_ARG(r->job.job_id),
            BYTES_ARG(ev->node), BYTES_ARG(ev->node_state));
        return;
    }
    n->past[n->past_count++] = past;
    if (n->walk.nodes[at].kind != WALK_EXEC)
        return;
    struct leaf *l = leaf_of(r, at);
    leaf_take_event(l, ev);
    l->end = past.retryable ? WALK_END_RETRYABLE : WALK_END_FAILED;
    n->next_file += (int64_t)l->result_count;
    n->record_bytes += l->record_bytes = told.len;
    if (at != 0 || past.state != WALK_FAILED)
        announce_send(r->x, r->group, &r->id, told, NULL, NULL);
}

enum codec_verdict node_event_read_past(struct running *r)
{
    enum codec_verdict v = CODEC_OK;
    r->nodes.past = arena_array(&r->memory, r->finished_count, sizeof *r->nodes.past);
    r->nodes.past_count = r->nodes.record_bytes = 0;
    for (size_t i = 0; i < r->finished_count && v == CODEC_OK; i++) {
        struct event ev;
        struct error e;
        const struct run_node *node = &r->finished[i];
        v = codec_decode(r->x->world->codec, &shape_event, node->event, false, &r->memory, &ev, &e);
        if (v == CODEC_OK)
            take_past(r, walk_find(&r->nodes.walk, node->id), &ev, node->event);
        else
            log_warn("node_unreadable", "job=%.*s node=%.*s code=%s error=%s", BYTES_ARG(r->job.job_id),
                BYTES_ARG(node->id), e.code, log_quote(bytes_of(e.text)));
    }
    return v;
}
