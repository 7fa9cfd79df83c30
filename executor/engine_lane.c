/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_lane: which process takes which task, when a process is started, and when one makes room for others.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/engine_pool.h"

#define MAKE_ROOM_MS 1000                            /* an idle engine that is asked to go has this long */
#define ENGINE_UNSENT_MAX ((size_t)16 * 1024 * 1024) /* run lines that its stdin did not take yet */

static void key_part(struct buf *key, struct bytes text)
{
    buf_printf(key, "%zu:", text.len);
    buf_add_bytes(key, text);
}

/* Everything that must be equal for two tasks to share a process. */
static void lane_key(const struct engine_task *t, const struct engine_info *engine, struct buf *key)
{
    key_part(key, t->engine);
    if (t->fresh) {
        key_part(key, bytes_of(t->run));
    }
    if (engine->shared) {
        return;
    }
    key_part(key, t->creator);
    key_part(key, t->user);
    key_part(key, t->target);
    for (size_t i = 0; i < t->conf.count; i++) {
        key_part(key, t->conf.items[i].key);
        key_part(key, t->conf.items[i].value);
    }
}

static void copy_name(char out[65], struct bytes name)
{
    size_t len = name.len > 64 ? 64 : name.len;
    if (len > 0) {
        memcpy(out, name.data, len);
    }
    out[len] = '\0';
}

struct lane *lane_of(struct engines *p, const struct engine_task *t, const struct engine_info *engine)
{
    struct buf key;
    struct lane *lane = NULL;
    buf_init(&key);
    lane_key(t, engine, &key);
    HASH_FIND(hh, p->lanes, key.data, key.len, lane);
    if (lane != NULL) {
        buf_release(&key);
        return lane;
    }
    lane = calloc(1, sizeof(*lane));
    MUST(lane != NULL);
    lane->key = key.data; /* handed over */
    lane->key_len = key.len;
    lane->engine = engine;
    lane->fresh = t->fresh;
    if (!engine->shared) {
        copy_name(lane->creator, t->creator);
        copy_name(lane->user, t->user);
    }
    TAILQ_INIT(&lane->waiting);
    TAILQ_INIT(&lane->processes);
    HASH_ADD_KEYPTR(hh, p->lanes, lane->key, lane->key_len, lane);
    return lane;
}

void lane_set_hungry(struct engines *p, struct lane *lane, bool hungry)
{
    if (hungry && !lane->hungry) {
        TAILQ_INSERT_TAIL(&p->hungry, lane, hungry_link);
        p->hungry_count++;
    } else if (!hungry && lane->hungry) {
        TAILQ_REMOVE(&p->hungry, lane, hungry_link);
        p->hungry_count--;
    }
    lane->hungry = hungry;
}

void lane_free(struct engines *p, struct lane *lane)
{
    lane_set_hungry(p, lane, false);
    HASH_DEL(p->lanes, lane);
    free(lane->key);
    free(lane);
}

/* ---- which process takes which task ---- */

static struct engine_process *find_room(const struct lane *lane)
{
    struct engine_process *x;
    TAILQ_FOREACH (x, &lane->processes, lane_link) {
        if (x->state == PROCESS_READY && x->in >= 0 && (int64_t)x->active < x->concurrency &&
            x->to.len < ENGINE_UNSENT_MAX) {
            return x;
        }
    }
    return NULL;
}

/* How many runs a process of the lane takes, as its first one told; 0: not known yet. */
static int64_t known_concurrency(const struct lane *lane)
{
    const struct engine_process *x;
    TAILQ_FOREACH (x, &lane->processes, lane_link) {
        if (x->concurrency > 0) {
            return x->concurrency;
        }
    }
    return 0;
}

/* While nobody knows how many runs a process takes, one is started at a time. */
static bool wants_process(const struct lane *lane)
{
    if (lane->waiting_count == 0 || lane->starting_count == 0) {
        return lane->waiting_count > 0;
    }
    return lane->waiting_count > lane->starting_count * (size_t)known_concurrency(lane) &&
           known_concurrency(lane) > 0;
}

static bool is_idle(const struct engine_process *x)
{
    return x->state == PROCESS_READY && TAILQ_EMPTY(&x->tasks) && x->lane->waiting_count == 0;
}

/* Ends the process that has been idle for longest, if not enough are ending already. */
static void make_room(struct engines *p)
{
    struct engine_process *oldest = NULL;
    struct engine_process *x;
    if (p->stopping_count >= p->hungry_count) {
        return;
    }
    TAILQ_FOREACH (x, &p->processes, link) {
        if (is_idle(x) && (oldest == NULL || x->idle_since < oldest->idle_since)) {
            oldest = x;
        }
    }
    if (oldest != NULL) {
        process_stop(oldest, p->settings.grace_ms < MAKE_ROOM_MS ? p->settings.grace_ms : MAKE_ROOM_MS);
    }
}

static bool is_full(const struct engines *p)
{
    return (int64_t)p->process_count >= p->settings.max_processes || p->process_count >= p->most_for_now;
}

/* Without descriptors its task waits for a process to end, as at the largest number of processes; with no other process there is
 * nothing to wait for. */
static void start_failed(struct engines *p, const struct lane *lane, const struct error *e)
{
    bool scarce = strcmp(e->code, ENGINE_NO_DESCRIPTORS) == 0;
    if (scarce && p->process_count > 0) {
        p->most_for_now = p->process_count;
        log_warn(ENGINE_NO_DESCRIPTORS, "engine_processes=%zu error=%s", p->process_count,
            log_quote(bytes_of(e->text)));
        return;
    }
    task_fail(p, TAILQ_FIRST(&lane->waiting), scarce ? "engine_unavailable" : e->code, e->text, true);
}

static void start_processes(struct engines *p, struct lane *lane)
{
    while (wants_process(lane)) {
        if (is_full(p)) {
            lane_set_hungry(p, lane, true);
            make_room(p);
            return;
        }
        struct error e;
        error_clear(&e);
        if (process_start(p, lane, &e) == NULL) {
            start_failed(p, lane, &e);
        }
    }
    lane_set_hungry(p, lane, false);
}

static void fill_processes(struct lane *lane)
{
    struct engine_process *x;
    while (lane->waiting_count > 0 && (x = find_room(lane)) != NULL) {
        task_start(x, TAILQ_FIRST(&lane->waiting));
    }
}

static bool is_unused(const struct lane *lane)
{
    return lane->waiting_count == 0 && lane->held_count == 0 && TAILQ_EMPTY(&lane->processes);
}

void pool_dispatch(struct engines *p, struct lane *lane)
{
    fill_processes(lane);
    start_processes(p, lane);
    p->has_unused_lanes = p->has_unused_lanes || is_unused(lane);
}

/* At the end of a turn, when nobody holds a lane. */
void pool_free_unused_lanes(struct engines *p)
{
    struct lane *lane;
    struct lane *next;
    if (p->has_unused_lanes) {
        HASH_ITER (hh, p->lanes, lane, next) {
            if (is_unused(lane)) {
                lane_free(p, lane);
            }
        }
        p->has_unused_lanes = false;
    }
}

void pool_feed_hungry(struct engines *p)
{
    while (p->hungry_count > 0 && !is_full(p)) {
        struct lane *lane = TAILQ_FIRST(&p->hungry);
        lane_set_hungry(p, lane, false); /* comes back behind the others if it wants still more */
        pool_dispatch(p, lane);
    }
}

void pool_process_idle(struct engines *p, struct engine_process *x)
{
    if (x->state != PROCESS_READY) {
        return;
    }
    if (x->lane->fresh && x->used) {
        process_stop(x, p->settings.grace_ms);
        return;
    }
    fill_processes(x->lane);
    if (x->active > 0) {
        return;
    }
    x->idle_since = clock_boot_ms();
    x->ping_at = x->idle_since + ENGINE_PING_MS;
    x->pinged = false;
    pool_timer(p, x->ping_at);
    pool_timer(p, x->idle_since + p->settings.idle_ms);
    if (p->hungry_count > 0) {
        make_room(p);
    }
}
