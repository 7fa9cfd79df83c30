/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_pool: the threads for handlers that block (HTTP_WORKER). A queue, a lock, a condition. The queue needs
 * no limit of its own: a connection has at most one request in it, and connections are limited.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/http_private.h"
#include "core/log.h"

struct http_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    STAILQ_HEAD(, http_request) queue;
    bool stopping;
    pthread_t *threads;
    int thread_count; /* started */
};

static void *work(void *arg)
{
    struct http_pool *p = arg;

    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (STAILQ_EMPTY(&p->queue) && !p->stopping)
            pthread_cond_wait(&p->wake, &p->lock);
        struct http_request *r = p->stopping ? NULL : STAILQ_FIRST(&p->queue);
        if (r)
            STAILQ_REMOVE_HEAD(&p->queue, work);
        pthread_mutex_unlock(&p->lock);
        if (!r)
            return NULL;
        r->pattern->route->handler(r->pattern->self, r);
    }
}

struct http_pool *http_pool_new(int threads, struct error *e)
{
    struct http_pool *p = calloc(1, sizeof(*p));
    sigset_t all, before;
    int failed = 0;

    if (!p)
        log_fatal("out_of_memory", "bytes=%zu", sizeof(*p));
    p->threads = calloc((size_t)threads + 1, sizeof(*p->threads));
    if (!p->threads)
        log_fatal("out_of_memory", "threads=%d", threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    STAILQ_INIT(&p->queue);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->thread_count < threads && failed == 0) {
        failed = pthread_create(&p->threads[p->thread_count], NULL, work, p);
        if (failed == 0)
            p->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        error_set(e, "no_threads", "can't start %d worker threads: %s", threads, strerror(failed));
        http_pool_free(p);
        return NULL;
    }
    return p;
}

void http_pool_add(struct http_pool *p, struct http_request *r)
{
    pthread_mutex_lock(&p->lock);
    STAILQ_INSERT_TAIL(&p->queue, r, work);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void http_pool_free(struct http_pool *p)
{
    struct http_request *r;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    while ((r = STAILQ_FIRST(&p->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&p->queue, work);
        http_request_drop(r); /* the handler's share; it will not be called */
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
}
