/* SPDX-License-Identifier: Apache-2.0 */
/* fold: see fold.h. One function per part of the document; each returns whether the event changed it. */
#include "collector/fold.h"

#include <string.h>

#include "collector/brief.h"
#include "core/uuid.h"

/* ---- orders ---- */

static int compare_int(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

int claim_compare(int64_t a_at, struct bytes a_instance, int64_t b_at, struct bytes b_instance)
{
    if (a_at == b_at)
        return bytes_compare(a_instance, b_instance);
    if (a_at == NO_INT)
        return 1;
    if (b_at == NO_INT)
        return -1;
    return compare_int(a_at, b_at);
}

static int compare_origins(const struct origin *a, const struct origin *b)
{
    int order = compare_int(a->timestamp, b->timestamp);
    if (order == 0)
        order = compare_int(a->partition, b->partition);
    if (order == 0)
        order = compare_int(a->offset, b->offset);
    return order;
}

/* Whose claim to the job id counts before whose. */
static int compare_views(const struct job_view *a, const struct job_view *b)
{
    if (a->fold.standing != b->fold.standing)
        return b->fold.standing - a->fold.standing;
    int order = a->fold.standing == STANDING_STUB ? 0 : compare_origins(&a->fold.origin, &b->fold.origin);
    return order ? order : bytes_compare(a->group, b->group);
}

static enum standing standing_of(const struct event *e)
{
    return bytes_equal_text(e->stage, "executor") ? STANDING_EXECUTOR : STANDING_EVENT;
}

/* ---- the parts of a view ---- */

static bool fold_standing(struct job_view *v, const struct event *e)
{
    int standing = (int)standing_of(e);
    bool first = v->fold.standing == STANDING_STUB;
    bool changed = false;
    if (first || compare_origins(&e->origin, &v->fold.origin) < 0) {
        v->fold.origin = e->origin;
        changed = true;
    }
    if (standing > v->fold.standing) {
        v->fold.standing = standing;
        changed = true;
    }
    return changed;
}

/* Does this event's word count before the one that the claim stands for? Then the claim is its own from now on. */
static bool take_claim(struct claim **claim, const struct event *e, struct arena *a)
{
    if (*claim && claim_compare(e->at, e->instance, (*claim)->at, (*claim)->instance) >= 0)
        return false;
    *claim = arena_alloc(a, sizeof **claim);
    **claim = (struct claim){e->at, e->instance};
    return true;
}

static bool fold_spec(struct job_view *v, const struct event *e, struct arena *a)
{
    if (e->phase != PHASE_ACCEPTED || !e->spec || !take_claim(&v->fold.spec, e, a))
        return false;
    v->spec = *e->spec;
    return true;
}

static bool fold_plan(struct job_view *v, const struct event *e, struct arena *a)
{
    if (e->phase != PHASE_PLANNED || !e->plan || !take_claim(&v->fold.plan, e, a))
        return false;
    v->shown.plan = e->plan;
    return true;
}

static bool least_time(int64_t *time, int64_t told)
{
    if (told == NO_INT || (*time != NO_INT && *time <= told))
        return false;
    *time = told;
    return true;
}

/* The time that an event is about is its own `at` where it does not say. */
static int64_t told_time(int64_t told, bool about, int64_t at)
{
    return told == NO_INT && about ? at : told;
}

static bool fold_times(struct job_times *t, const struct event *e)
{
    enum job_phase phase = (enum job_phase)e->phase;
    const struct job_times *told = &e->times;
    bool changed = least_time(&t->accepted, told_time(told->accepted, phase == PHASE_ACCEPTED, e->at));
    changed |= least_time(&t->converted, told_time(told->converted, phase == PHASE_CONVERTED, e->at));
    changed |= least_time(&t->planned, told_time(told->planned, phase == PHASE_PLANNED, e->at));
    changed |= least_time(&t->queued, told_time(told->queued, phase == PHASE_QUEUED, e->at));
    changed |= least_time(&t->started, told_time(told->started, phase == PHASE_STARTED, e->at));
    changed |= least_time(&t->finished, told_time(told->finished, job_phase_is_final(phase), e->at));
    return changed;
}

static bool fold_progress(struct job_view *v, const struct event *e)
{
    struct fold_state *f = &v->fold;
    if (e->phase != PHASE_PROGRESS || !(e->progress >= 0))
        return false;
    double progress = e->progress < 1 ? e->progress : 1;
    if (e->attempt < f->progress_attempt || (e->attempt == f->progress_attempt && progress <= f->progress))
        return false;
    f->progress_attempt = e->attempt;
    f->progress = progress;
    return true;
}

/* How far a state is within one try of a node. One that is not in the table counts as the furthest. */
static int node_rank(struct bytes state)
{
    static const char *const by_rank[] = {
        "queued", "running", "retrying", "skipped", "cancelled", "failed", "succeeded"};
    int rank = 0;
    while (rank < (int)(sizeof by_rank / sizeof *by_rank) && !bytes_equal_text(state, by_rank[rank]))
        rank++;
    return rank;
}

static int64_t try_of(const struct event *e)
{
    return e->node_try > 1 ? e->node_try : 1;
}

/* Less than 0 when the event is about an earlier run of the node than what is known. */
static int compare_try(const struct event *e, const struct node_state *n)
{
    int order = compare_int(e->attempt, n->attempt);
    return order ? order : compare_int(try_of(e), n->try);
}

/* Greater than 0 when the event's word on the node counts before what is known. */
static int compare_node(const struct event *e, const struct node_state *n)
{
    int order = compare_try(e, n);
    if (order == 0)
        order = node_rank(e->node_state) - node_rank(n->state);
    if (order == 0)
        order = -claim_compare(e->at, e->instance, n->at, n->instance);
    return order ? order : -bytes_compare(e->node_state, n->state);
}

static void node_insert(struct fold_state *f, size_t place, struct arena *a)
{
    size_t behind = f->nodes.count - place;
    f->nodes.items = arena_grow(a, f->nodes.items, f->nodes.count, &f->nodes_room, sizeof *f->nodes.items);
    memmove(&f->nodes.items[place + 1], &f->nodes.items[place], behind * sizeof *f->nodes.items);
    f->nodes.count++;
}

/* The start of the latest try, whether its `running` counts or comes after its end. */
static int64_t node_started(const struct node_state *n, bool known, const struct event *e)
{
    int64_t before = known && compare_try(e, n) == 0 ? n->started : NO_INT;
    bool tells = bytes_equal_text(e->node_state, "running");
    return tells && (before == NO_INT || e->at < before) ? e->at : before;
}

static bool fold_node(struct job_view *v, const struct event *e, struct arena *a)
{
    bool found;
    if (e->phase != PHASE_NODE || !e->node.data || !e->node_state.data)
        return false;
    size_t place = node_state_place(&v->fold, e->node, &found);
    if (found && compare_try(e, &v->fold.nodes.items[place]) < 0)
        return false;
    if (!found)
        node_insert(&v->fold, place, a);
    struct node_state *n = &v->fold.nodes.items[place];
    int64_t started = node_started(n, found, e);
    if (found && compare_node(e, n) <= 0) {
        bool earlier = started != n->started;
        n->started = started;
        return earlier;
    }
    *n = (struct node_state){.id = e->node,
        .state = e->node_state,
        .attempt = e->attempt,
        .try = try_of(e),
        .at = e->at,
        .started = started,
        .instance = e->instance,
        .reason = brief_text(e->reason, BRIEF_NODE_REASON_BYTES),
        .next_at = e->next_at,
        .error = brief_error(e->error, BRIEF_NODE_ERROR_BYTES, a)};
    return true;
}

/* Greater than 0 when the event is the head rather than the one before. */
static int compare_head(const struct event *e, const struct fold_state *f)
{
    int order = compare_int(e->attempt, f->attempt);
    if (order == 0)
        order = compare_int(job_phase_rank((enum job_phase)e->phase), f->rank);
    if (order == 0)
        order = -claim_compare(e->at, e->instance, f->at, f->instance);
    return order ? order : f->phase - e->phase;
}

static bool fold_head(struct job_view *v, const struct event *e)
{
    if (compare_head(e, &v->fold) <= 0)
        return false;
    v->fold.attempt = e->attempt;
    v->fold.rank = job_phase_rank((enum job_phase)e->phase);
    v->fold.phase = e->phase;
    v->fold.at = e->at;
    v->fold.stage = e->stage;
    v->fold.instance = e->instance;
    bool final = job_phase_is_final((enum job_phase)e->phase);
    struct event *shown = &v->shown;
    shown->reason = e->reason;
    shown->next_at = e->phase == PHASE_RETRYING ? e->next_at : NO_INT;
    shown->results.items = final ? e->results.items : NULL;
    shown->results.count = final ? e->results.count : 0;
    shown->cached_from = final ? e->cached_from : BYTES_NONE;
    shown->error = final ? e->error : NULL;
    shown->exit_code = final ? e->exit_code : NO_INT;
    shown->log = final ? e->log : NULL;
    return true;
}

/* ---- views ---- */

static struct job_view *find_view(const struct job_doc *doc, struct bytes group)
{
    for (size_t i = 0; i < doc->count; i++)
        if (bytes_equal(doc->views[i]->group, group))
            return doc->views[i];
    return NULL;
}

static struct job_view *view_new(struct bytes group, struct arena *a)
{
    struct job_view *v = arena_alloc(a, sizeof *v);
    v->group = group;
    v->fold.phase = PHASE_ACCEPTED;
    v->fold.at = NO_INT;
    shape_clear(&shape_submitted, &v->spec);
    shape_clear(&shape_event, &v->shown);
    return v;
}

static bool is_settled(const struct job_doc *doc)
{
    return doc->count > 0 && doc->views[0]->fold.standing == STANDING_EXECUTOR;
}

/* Puts the owner first; drops views that can't become it any more. */
static void settle(struct job_doc *doc, struct job_view **views, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && compare_views(views[k], views[k - 1]) < 0; k--) {
            struct job_view *v = views[k];
            views[k] = views[k - 1];
            views[k - 1] = v;
        }
    doc->count = 0;
    for (size_t i = 0; i < count && doc->count < JOB_DOC_VIEWS; i++) {
        bool stands = i == 0 || views[0]->fold.standing < STANDING_EXECUTOR ||
                      views[i]->fold.standing == STANDING_EXECUTOR;
        if (stands)
            doc->views[doc->count++] = views[i];
    }
}

static bool fold_view(struct job_view *v, const struct event *e, struct arena *a)
{
    bool changed = fold_standing(v, e);
    changed |= fold_spec(v, e, a);
    changed |= fold_plan(v, e, a);
    changed |= fold_times(&v->shown.times, e);
    changed |= fold_progress(v, e);
    changed |= fold_node(v, e, a);
    changed |= attempts_fold(&v->attempts, e, a);
    changed |= fold_head(v, e);
    return changed;
}

void fold_event(struct job_doc *doc, const struct event *e, struct arena *a)
{
    struct job_view *views[JOB_DOC_VIEWS + 1];
    size_t count = doc->count;
    struct job_view *view = find_view(doc, e->group);
    if (!view && is_settled(doc) && standing_of(e) < STANDING_EXECUTOR)
        return;
    memcpy(views, doc->views, count * sizeof *views);
    if (!view)
        view = views[count++] = view_new(e->group, a);
    if (!fold_view(view, e, a))
        return;
    doc->changed = true;
    settle(doc, views, count);
}

/* ---- what can be folded ---- */

bool fold_accepts(const struct event *event, struct error *e)
{
    struct uuid id;
    const char *slash = event->group.len ? memchr(event->group.data, '/', event->group.len) : NULL;
    if (!uuid_parse(event->job_id, &id))
        return error_set(e, "bad_value", "job_id: expected a UUID, got \"%.*s\"",
            BYTES_ARG(bytes_slice(event->job_id, 0, 80)));
    if (!slash)
        return error_set(e, "bad_value", "group: expected creator/user, got \"%.*s\"",
            BYTES_ARG(bytes_slice(event->group, 0, 200)));
    if (event->phase < 0 || event->phase >= JOB_PHASES)
        return error_set(e, "bad_value", "phase: there is no phase %d", event->phase);
    if (event->attempt < 0)
        return error_set(e, "bad_value", "attempt: expected 0 or more, got %lld", (long long)event->attempt);
    if (event->at <= 0)
        return error_set(e, "missing", "at: an event needs its time");
    if (event->phase == PHASE_NODE && (!event->node.len || !event->node_state.len))
        return error_set(e, "missing", "node, node_state: an event about a node needs both");
    return true;
}
