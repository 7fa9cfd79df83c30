/* SPDX-License-Identifier: Apache-2.0 */
/* nodes: see the header. */
#include "executor/nodes.h"

#include "core/clock.h"
#include "core/log.h"
#include "executor/announce.h"
#include "executor/node_event.h"
#include "executor/report.h"
#include "executor/retry.h"
#include "executor/running.h"

#define PROGRESS_EVERY_MS 1000
#define NAMES_MAX 10
#define MESSAGE_MAX 300 /* of an error, in a line of the log */

/* Records of nodes lie in the job's run, a document of at most 16 MiB, beside the payload of at most 8; what they hold is in the job's
 * document once more. When they have come to the first of these, each that follows is cut to a little; beyond the second no more results are taken. */
#define RECORDS_LARGE (2 * 1024 * 1024)
#define RECORDS_MAX (3 * 1024 * 1024)
#define RECORD_BRIEF (4 * 1024)

void nodes_init(struct nodes *n)
{
    STAILQ_INIT(&n->ended);
    n->recorded = WALK_NONE;
    buf_init(&n->record);
}

void nodes_release(struct nodes *n)
{
    buf_release(&n->record);
}

static bool time_is_up(const struct running *r)
{
    return r->deadline_boot && clock_boot_ms() >= r->deadline_boot;
}

/* 0: no limit. */
static int64_t time_left(const struct running *r)
{
    int64_t left = r->deadline_boot - clock_boot_ms();
    return r->deadline_boot == 0 ? 0 : left > 0 ? left : 1;
}

static struct bytes id_of(const struct running *r, size_t at)
{
    return r->nodes.walk.nodes[at].node->id;
}

/* ---- stopping ---- */

static void stop_leaves(struct running *r)
{
    const struct walk *w = &r->nodes.walk;
    for (size_t i = 0; i < w->stop_count; i++) {
        const struct leaf *l = r->nodes.leaves[w->stops[i]];
        if (l->on_engine)
            engines_cancel(r->x->engines, l->run);
    }
}

static void heed_news(struct running *r)
{
    stop_leaves(r);
    node_event_news(r);
}

/* The rest follows later: who calls this may be in the middle of something. */
void nodes_stop(struct running *r, enum nodes_stop why)
{
    struct nodes *n = &r->nodes;
    if (n->walk.count == 0 || r->concluded || n->stop != NODES_GO_ON)
        return;
    n->stop = why;
    walk_stop(&n->walk);
    heed_news(r);
    running_nap(r, clock_boot_ms());
}

struct bytes nodes_why_stopped(struct running *r)
{
    static const char *const why[NODES_STOPS] = {
        NULL, "the job was cancelled", "the job's run_timeout_ms was over", "the executor ended", "lost"};
    return bytes_of(why[r->nodes.stop]);
}

bool nodes_may_tell(const struct running *r)
{
    return r->nodes.stop != NODES_KILLED && r->nodes.stop != NODES_LOST && !r->x->killing;
}

/* ---- the end ---- */

static void gather_results(struct running *r)
{
    const struct nodes *n = &r->nodes;
    size_t count = 0;
    for (size_t i = 0; i < n->walk.count; i++)
        count += n->leaves[i] ? n->leaves[i]->result_count : 0;
    r->results = arena_array(&r->memory, count, sizeof *r->results);
    for (size_t i = 0; i < n->walk.count; i++) {
        const struct leaf *l = n->leaves[i];
        for (size_t k = 0; l && walk_counts(&n->walk, i) && k < l->result_count; k++) {
            r->results[r->result_count] = l->results[k];
            r->results[r->result_count].n =
                (int64_t)r->result_count; /* its file keeps the number that it has */
            r->result_count++;
        }
    }
}

static void conclude_run_timeout(struct running *r, int64_t exit_code)
{
    struct job_error error =
        report_error("run_timeout", arena_printf(&r->memory, "it ran longer than run_timeout_ms (%lld)",
                                        (long long)r->job.limits.run_timeout_ms));
    running_conclude(r, PHASE_TIMED_OUT, &error, exit_code, false);
}

/* The exit code of what ran last, in the plan's order. */
static void conclude_success(struct running *r)
{
    const struct nodes *n = &r->nodes;
    int64_t exit_code = NO_INT;
    for (size_t i = 0; i < n->walk.count; i++)
        if (n->walk.nodes[i].state == WALK_SUCCEEDED && n->leaves[i] && walk_counts(&n->walk, i))
            exit_code = n->leaves[i]->exit_code;
    running_conclude(r, PHASE_SUCCEEDED, NULL, exit_code, false);
}

static void conclude_failure(struct running *r)
{
    const struct leaf *l = r->nodes.leaves[walk_culprit(&r->nodes.walk)];
    if (l->timed_out && time_is_up(r))
        conclude_run_timeout(r, l->exit_code);
    else
        running_conclude(r, l->timed_out ? PHASE_TIMED_OUT : PHASE_FAILED, &l->error, l->exit_code,
            l->end == WALK_END_RETRYABLE);
}

static void conclude(struct running *r)
{
    gather_results(r);
    if (r->nodes.stop == NODES_LOST)
        running_conclude_error(r, PHASE_FAILED, "lost", BYTES("the attempt is not this executor's any more"));
    else if (r->nodes.walk.nodes[0].state == WALK_SUCCEEDED)
        conclude_success(r);
    else if (r->cancelled)
        running_conclude_cancelled(r);
    else if (r->nodes.stop == NODES_TIMED_OUT)
        conclude_run_timeout(r, NO_INT);
    else if (r->nodes.stop == NODES_KILLED)
        running_conclude_error(r, PHASE_FAILED, "lost", BYTES("the executor ended all its engine processes"));
    else
        conclude_failure(r);
}

/* ---- records ---- */

/* False: there is no room for its results. */
static bool write_record(struct running *r, size_t at, enum walk_state state)
{
    struct nodes *n = &r->nodes;
    struct leaf *l = n->leaves[at];
    size_t others = n->record_bytes - (l ? l->record_bytes : 0);
    buf_clear(&n->record);
    node_event_encode(r, at, state, others < RECORDS_LARGE ? REPORT_MAX : RECORD_BRIEF, &n->record);
    if (l && l->result_count > 0 && others + n->record.len > RECORDS_MAX)
        return false;
    n->record_bytes = others + n->record.len;
    if (l)
        l->record_bytes = n->record.len;
    return true;
}

/* That is written. */
static void record(struct running *r, size_t at, enum walk_state state)
{
    struct nodes *n = &r->nodes;
    struct run_node node = {id_of(r, at), buf_bytes(&n->record)};
    n->recorded = at;
    n->recorded_state = state;
    n->recording = true;
    rules_node(r->x->rules, r->task, &node);
}

/* The next attempt begins failures and retries anew, unless it goes on from this one because its executor is gone. */
static bool root_must_be_recorded(const struct running *r)
{
    const struct nodes *n = &r->nodes;
    bool failed = n->walk.nodes[0].state == WALK_FAILED || n->stop == NODES_TIMED_OUT;
    return n->walk.failures && failed && !r->cancelled && nodes_may_tell(r) && !n->root_on_record;
}

/* ---- going on ---- */

static void nap_until_retry(struct running *r)
{
    const struct nodes *n = &r->nodes;
    int64_t next = walk_next_at(&n->walk), now = clock_boot_ms();
    if (next == INT64_MAX || n->walk.nodes[0].live >= (size_t)r->x->settings->nodes_at_once)
        return; /* the end of a leaf wakes it */
    int64_t utc = clock_utc_ms(), wake_at = next > utc ? clock_later(now, next - utc) : now;
    running_nap(r, r->deadline_boot && r->deadline_boot < wake_at ? r->deadline_boot : wake_at);
}

static void start_leaves(struct running *r)
{
    struct walk *w = &r->nodes.walk;
    while (r->nodes.stop == NODES_GO_ON && w->nodes[0].live < (size_t)r->x->settings->nodes_at_once) {
        size_t at = walk_start(w, clock_utc_ms());
        if (at == WALK_NONE)
            return;
        struct leaf *l = leaf_of(r, at);
        heed_news(r);
        leaf_run(l, time_left(r));
    }
}

static void go_on(struct running *r)
{
    struct nodes *n = &r->nodes;
    if (r->concluded || n->recording)
        return;
    if (!walk_is_over(&n->walk) && time_is_up(r))
        nodes_stop(r, NODES_TIMED_OUT);
    if (!walk_is_over(&n->walk)) {
        start_leaves(r);
        nap_until_retry(r);
    } else if (root_must_be_recorded(r)) {
        n->root_on_record = true;
        (void)write_record(r, 0, WALK_FAILED);
        record(r, 0, WALK_FAILED);
    } else {
        conclude(r);
    }
}

/* ---- a leaf's end ---- */

static void log_failure(struct running *r, const struct leaf *l)
{
    const struct walk_node *n = &r->nodes.walk.nodes[l->at];
    char text[CLOCK_TEXT_SIZE];
    if (n->state == WALK_RETRYING)
        running_line(r, "warn",
            arena_printf(&r->memory,
                "node %.*s: try %lld of %lld failed (%.*s: %.*s), the next one is due at %s",
                BYTES_ARG(n->node->id), (long long)n->try, (long long)n->node->retry,
                BYTES_ARG(l->error.code), BYTES_ARG(bytes_cut(l->error.message, MESSAGE_MAX)),
                clock_text(l->next_at, text)));
    else if (l->at == r->nodes.recorded && n->state == WALK_FAILED)
        running_line(r, "warn",
            arena_printf(&r->memory, "node %.*s failed (%.*s: %.*s), the job goes on", BYTES_ARG(n->node->id),
                BYTES_ARG(l->error.code), BYTES_ARG(bytes_cut(l->error.message, MESSAGE_MAX))));
}

static void apply(struct running *r, struct leaf *l)
{
    STAILQ_REMOVE_HEAD(&r->nodes.ended, ended_entry);
    walk_ended(&r->nodes.walk, l->at, l->end, l->next_at);
    heed_news(r);
    log_failure(r, l);
}

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value == NO_INT ? otherwise : value;
}

/* As what the end must be on record; WALK_WAITING: it need not. */
static enum walk_state judge(struct running *r, struct leaf *l)
{
    struct nodes *n = &r->nodes;
    const struct job_retry *retry = &r->job.retry;
    if (l->end == WALK_END_RETRYABLE && time_is_up(r))
        l->end = WALK_END_FAILED;
    enum walk_state state = walk_to_record(&n->walk, l->at, l->end);
    if (state == WALK_RETRYING)
        l->next_at = clock_later(l->ended_at,
            retry_pause(n->walk.nodes[l->at].try, or_else(retry->backoff_ms, RETRY_BACKOFF_MS),
                or_else(retry->max_backoff_ms, RETRY_MAX_BACKOFF_MS), executor_world.random(r->x)));
    if (n->stop == NODES_LOST || (state == WALK_FAILED && time_is_up(r)))
        return WALK_WAITING;
    return state;
}

static void serve_ended(struct running *r)
{
    struct leaf *l;
    while (
        !r->nodes.recording && (l = STAILQ_FIRST(&r->nodes.ended)) != NULL && r->delivered >= l->log_mark) {
        enum walk_state state = judge(r, l);
        if (state != WALK_WAITING && !write_record(r, l->at, state)) {
            leaf_refuse_results(l);
            continue;
        }
        if (state != WALK_WAITING)
            record(r, l->at, state);
        else
            apply(r, l);
    }
    go_on(r);
}

void running_node_kept(struct running *r, bool still_ours)
{
    struct nodes *n = &r->nodes;
    struct leaf *l = STAILQ_FIRST(&n->ended); /* none: the record was the root's */
    n->recording = false;
    if (!still_ours)
        nodes_stop(r, NODES_LOST);
    if (l && still_ours)
        announce_send(r->x, r->group, &r->id, buf_bytes(&n->record), NULL, NULL);
    if (l)
        apply(r, l);
    n->recorded = WALK_NONE;
    serve_ended(r);
}

void nodes_ended(void *self, const struct task_outcome *o)
{
    struct leaf *l = self;
    struct running *r = l->r;
    leaf_take_outcome(l, o);
    running_log_now(r);
    l->log_mark = r->sent;
    STAILQ_INSERT_TAIL(&r->nodes.ended, l, ended_entry);
    if (r->x->killing)
        nodes_stop(r, NODES_KILLED);
    serve_ended(r);
}

void nodes_delivered(struct running *r)
{
    if (!r->nodes.recording && !STAILQ_EMPTY(&r->nodes.ended))
        serve_ended(r);
}

void nodes_wake(struct running *r)
{
    if (!r->nodes.recording)
        serve_ended(r);
}

void nodes_progress(void *self, double done)
{
    struct leaf *l = self;
    struct running *r = l->r;
    const struct walk *w = &r->nodes.walk;
    int64_t now = clock_boot_ms();
    l->fraction = done;
    if (r->nodes.progress_at && now - r->nodes.progress_at < PROGRESS_EVERY_MS)
        return;
    r->nodes.progress_at = now;
    double sum = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->nodes[i].kind == WALK_EXEC)
            sum += walk_state_is_final(w->nodes[i].state) ? 1
                   : r->nodes.leaves[i]                   ? r->nodes.leaves[i]->fraction
                                                          : 0;
    struct report rep = running_report(r);
    struct event ev = report_event(&rep, PHASE_PROGRESS, clock_utc_ms());
    ev.progress = sum / (double)w->leaf_count;
    running_send_event(r, &ev);
}

/* ---- the beginning ---- */

static void say_where_it_goes_on(struct running *r)
{
    const struct nodes *n = &r->nodes;
    struct buf names;
    size_t count = 0;
    buf_init(&names);
    for (size_t i = 0; i < n->walk.count; i++)
        if (n->walk.nodes[i].kind == WALK_EXEC && n->walk.nodes[i].state == WALK_SUCCEEDED &&
            count++ < NAMES_MAX)
            buf_printf(&names, "%s%.*s", names.len ? ", " : "", BYTES_ARG(id_of(r, i)));
    if (count > NAMES_MAX)
        buf_printf(&names, " and %zu more", count - NAMES_MAX);
    if (count > 0)
        running_line(r, "info",
            arena_printf(&r->memory, "goes on after node%s %.*s, which finished in an earlier attempt",
                count > 1 ? "s" : "", BYTES_ARG(buf_bytes(&names))));
    buf_release(&names);
}

bool nodes_begin(struct running *r)
{
    struct nodes *n = &r->nodes;
    struct error e;
    bool walkable = walk_plan(&r->job, &r->memory, &n->walk, &e);
    n->leaves = arena_array(&r->memory, n->walk.count, sizeof(struct leaf *));
    enum codec_verdict v = walkable ? node_event_read_past(r) : CODEC_OK;
    if (v == CODEC_RETRY) {
        n->walk.count = 0;
        return false;
    }
    running_started(r);
    if (!walkable) {
        n->walk.count = 0;
        running_conclude_error(r, PHASE_FAILED, e.code, arena_copy(&r->memory, bytes_of(e.text)));
        return true;
    }
    if (v == CODEC_BAD) { /* to run it again might repeat its effects */
        running_conclude_error(
            r, PHASE_FAILED, "internal", BYTES("the record of a finished node in the ledger is damaged"));
        return true;
    }
    walk_open(&n->walk, n->past, n->past_count);
    heed_news(r);
    say_where_it_goes_on(r);
    go_on(r);
    return true;
}
