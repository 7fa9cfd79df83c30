/* SPDX-License-Identifier: Apache-2.0 */
/* lease: renewals by a thread of their own, so that no slow batch delays them. */
#include "executor/lease.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

struct lease {
    struct lease_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool closing;
    bool stopped; /* the thread is joined; the caller's */
    _Atomic int64_t until_boot;
    _Atomic bool over;
};

/* A renewal's news for the loop. */
struct news {
    struct request request;
    struct lease *lease;
    struct arena memory;
    struct runs mine;
    int64_t until_boot;
    bool over;
};

static void news_done(struct request *r)
{
    struct news *n = (struct news *)r;
    const struct lease_options *o = &n->lease->options;
    if (n->over)
        o->over(o->self);
    else
        o->renewed(o->self, n->until_boot, &n->mine);
    arena_release(&n->memory);
    free(n);
}

static void tell(struct lease *l, bool over, int64_t until)
{
    struct news *n = calloc(1, sizeof *n);
    struct error e;
    if (!n)
        log_fatal("out_of_memory", "what=lease");
    n->lease = l;
    n->over = over;
    n->until_boot = until;
    arena_init(&n->memory);
    n->request.done = news_done;
    /* Without an answer in time this round forgets nothing; the next renewal must not wait for it. */
    const struct lease_options *o = &l->options;
    if (!over && !ledger_running_of(o->ledger, o->ledger->instance, o->renew_ms, &n->memory, &n->mine, &e))
        n->mine = (struct runs){NULL, 0};
    desk_post(l->options.desk, &n->request);
}

static void renew_once(struct lease *l, int64_t counter)
{
    const struct lease_options *o = &l->options;
    struct error e;
    int64_t sent = clock_boot_ms();
    switch (ledger_renew(o->ledger, counter, clock_utc_ms(), o->renew_ms, &e)) {
    case RENEWED:
        atomic_store(&l->until_boot, sent + o->hold_ms);
        tell(l, false, sent + o->hold_ms);
        break;
    case RENEW_OVER:
        atomic_store(&l->over, true);
        tell(l, true, 0);
        break;
    case RENEW_UNANSWERED:
        log_warn(
            "renewal_unanswered", "left_ms=%lld", (long long)(atomic_load(&l->until_boot) - clock_boot_ms()));
        break;
    }
}

static void *lease_main(void *self)
{
    struct lease *l = self;
    int64_t counter = 3; /* 1 enlisted, 2 was renewed at the opening */
    pthread_mutex_lock(&l->lock);
    while (!l->closing && !atomic_load(&l->over)) {
        const struct timespec until = clock_after(CLOCK_MONOTONIC, l->options.renew_ms);
        while (!l->closing && pthread_cond_timedwait(&l->wake, &l->lock, &until) != ETIMEDOUT)
            continue;
        if (l->closing)
            break;
        pthread_mutex_unlock(&l->lock);
        renew_once(l, counter++);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

struct lease *lease_open(const struct lease_options *o, struct error *e)
{
    int64_t sent = clock_boot_ms();
    if (!ledger_enlist(o->ledger, o->host, getpid(), clock_utc_ms(), e))
        return NULL;
    struct lease *l = calloc(1, sizeof *l);
    if (!l)
        log_fatal("out_of_memory", "what=lease");
    l->options = *o;
    /* Waiting for the store may have taken longer than a lease; nothing ran meanwhile, the first renewal tells. */
    atomic_store(&l->until_boot, sent + o->hold_ms);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, &attr);
    pthread_condattr_destroy(&attr);
    renew_once(l, 2);
    if (pthread_create(&l->thread, NULL, lease_main, l) != 0)
        log_fatal("no_thread", "what=lease");
    return l;
}

void lease_stop(struct lease *l)
{
    if (!l || l->stopped)
        return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->stopped = true;
}

void lease_close(struct lease *l)
{
    if (!l)
        return;
    struct error e;
    bool ended;
    lease_stop(l);
    (void)ledger_end_lease(
        l->options.ledger, bytes_of(l->options.ledger->instance), -1, clock_utc_ms(), &ended, &e);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->wake);
    free(l);
}

bool lease_is_valid(const struct lease *l)
{
    return !atomic_load(&l->over) && clock_boot_ms() < atomic_load(&l->until_boot);
}

int64_t lease_until(const struct lease *l)
{
    return atomic_load(&l->until_boot);
}
