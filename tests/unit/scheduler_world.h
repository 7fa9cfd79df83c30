/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler_world: for the tests of the scheduler: jobs with small numbers as ids, which are also their places. After every message what
 * must always be true is checked (scheduler_wrong).
 */
#ifndef MILLRACE_TESTS_SCHEDULER_WORLD_H
#define MILLRACE_TESTS_SCHEDULER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "executor/scheduler_private.h"

#define P 0 /* the partition */
#define A 1 /* its assignment */
#define SHELL BYTES("shell")

static size_t dropped;

static inline void drop(void *payload)
{
    dropped++;
    free(payload);
}

static inline void check(const struct scheduler *s)
{
    const char *wrong = scheduler_wrong(s);
    if (wrong)
        fail_msg("not true: %s", wrong);
}

static inline struct scheduler *scheduler_with(size_t slots, size_t window)
{
    struct scheduler_options o = {slots, window, drop, free};
    dropped = 0;
    return scheduler_new(&o);
}

static inline struct scheduler *opened(size_t slots, size_t window)
{
    struct scheduler *s = scheduler_with(slots, window);
    scheduler_assigned(s, P, A);
    scheduler_unfinished(s, P, A, NULL, 0, true);
    check(s);
    return s;
}

static inline struct uuid id_of(int n)
{
    struct uuid u = {{0}};
    memcpy(u.bytes, &n, sizeof n);
    return u;
}

static inline int n_of(const struct uuid *u)
{
    int n;
    memcpy(&n, u->bytes, sizeof n);
    return n;
}

/* A record and its answer at once. */
static inline struct task *take_for(
    struct scheduler *s, const char *group, const char *engine, int n, void *payload)
{
    struct uuid id = id_of(n);
    struct task *t = scheduler_record(s, P, &id, n, bytes_of(group), bytes_of(engine));
    check(s);
    scheduler_inserted(s, P, A, &id, n, bytes_of(group), bytes_of(engine), 0, t, false, payload);
    check(s);
    return t;
}

static inline struct task *take(struct scheduler *s, const char *group, int n)
{
    return take_for(s, group, "shell", n, NULL);
}

static inline struct run run_of(int n, const char *group, enum run_state state)
{
    return (struct run){.id = id_of(n),
        .partition = P,
        .seq = n,
        .group = bytes_of(group),
        .engine = SHELL,
        .state = state,
        .wake_at = NO_TIME,
        .retry_at = NO_TIME,
        .instance = bytes_of(state == RUN_RUNNING ? "other" : NULL)};
}

static inline struct run retry_of(int n, const char *group, int64_t retry_at)
{
    struct run r = run_of(n, group, RUN_QUEUED);
    r.attempt = r.tries = 1;
    r.retry_at = retry_at;
    return r;
}

static inline struct limit limit_of(const char *selector)
{
    struct limit l;
    shape_clear(&shape_limit, &l);
    l.selector = bytes_of(selector);
    return l;
}

static inline struct task *next_start(struct scheduler *s)
{
    struct task *t = scheduler_next_start(s);
    check(s);
    return t;
}

static inline void won(struct scheduler *s, struct task *t)
{
    scheduler_start_won(s, t);
    check(s);
}

static inline void ended(struct scheduler *s, struct task *t)
{
    scheduler_ended(s, t, true);
    check(s);
}

/* The next start is this one, and it is won. */
static inline struct task *starts(struct scheduler *s, int n)
{
    struct task *t = next_start(s);
    assert_non_null(t);
    assert_int_equal(n_of(&t->id), n);
    won(s, t);
    return t;
}

/* The look that is due is asked for. */
static inline size_t asks(struct scheduler *s, const char *group)
{
    struct bytes name;
    size_t limit = 0;
    assert_true(scheduler_next_look(s, &name, &limit));
    assert_true(bytes_equal_text(name, group));
    check(s);
    return limit;
}

static inline void looked(struct scheduler *s, const char *group, const struct run *runs, size_t count)
{
    scheduler_looked(s, bytes_of(group), runs, count);
    check(s);
}

static inline bool looks(struct scheduler *s)
{
    return scheduler_figures(s).looks > 0;
}

#endif
