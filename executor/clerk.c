/* SPDX-License-Identifier: Apache-2.0 */
/* clerk: threads with a mailbox each, and the desk where their answers arrive. */
#include "executor/clerk.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"

struct desk {
    pthread_mutex_t lock;
    struct request_list answers;
    int fd;
};

struct clerk {
    struct desk *desk;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct request_list requests;
    bool closing;
};

struct desk *desk_new(void)
{
    struct desk *d = calloc(1, sizeof *d);
    if (!d)
        log_fatal("out_of_memory", "what=desk");
    pthread_mutex_init(&d->lock, NULL);
    STAILQ_INIT(&d->answers);
    d->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (d->fd < 0)
        log_fatal("no_descriptor", "what=eventfd");
    return d;
}

void desk_free(struct desk *d)
{
    if (!d)
        return;
    (void)desk_serve(d);
    close(d->fd);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

int desk_fd(const struct desk *d)
{
    return d->fd;
}

int desk_serve(struct desk *d)
{
    uint64_t count;
    int served = 0;
    struct request_list taken = STAILQ_HEAD_INITIALIZER(taken);
    if (read(d->fd, &count, sizeof count) < 0)
        count = 0; /* nothing new; what is in the list is served all the same */
    pthread_mutex_lock(&d->lock);
    STAILQ_CONCAT(&taken, &d->answers);
    pthread_mutex_unlock(&d->lock);
    while (!STAILQ_EMPTY(&taken)) {
        struct request *r = STAILQ_FIRST(&taken);
        STAILQ_REMOVE_HEAD(&taken, entry);
        r->done(r);
        served++;
    }
    return served;
}

static void desk_post(struct desk *d, struct request *r)
{
    uint64_t one = 1;
    pthread_mutex_lock(&d->lock);
    STAILQ_INSERT_TAIL(&d->answers, r, entry);
    pthread_mutex_unlock(&d->lock);
    MUST(write(d->fd, &one, sizeof one) == (ssize_t)sizeof one);
}

static void *clerk_main(void *self)
{
    struct clerk *c = self;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (STAILQ_EMPTY(&c->requests) && !c->closing)
            pthread_cond_wait(&c->posted, &c->lock);
        if (STAILQ_EMPTY(&c->requests))
            break;
        struct request *r = STAILQ_FIRST(&c->requests);
        STAILQ_REMOVE_HEAD(&c->requests, entry);
        pthread_mutex_unlock(&c->lock);
        r->work(r);
        desk_post(c->desk, r);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct clerk *clerk_new(struct desk *d, const char *name)
{
    struct clerk *c = calloc(1, sizeof *c);
    if (!c)
        log_fatal("out_of_memory", "what=clerk");
    c->desk = d;
    STAILQ_INIT(&c->requests);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->posted, NULL);
    if (pthread_create(&c->thread, NULL, clerk_main, c) != 0)
        log_fatal("no_thread", "what=%s", name);
    return c;
}

void clerk_free(struct clerk *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_signal(&c->posted);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->posted);
    free(c);
}

void clerk_ask(struct clerk *c, struct request *r)
{
    pthread_mutex_lock(&c->lock);
    STAILQ_INSERT_TAIL(&c->requests, r, entry);
    pthread_cond_signal(&c->posted);
    pthread_mutex_unlock(&c->lock);
}
