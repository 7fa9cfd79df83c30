/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: opening and closing of the server: the listening socket, libmicrohttpd's one epoll thread, the worker
 * threads. Closing is the part with care in it: MHD must not be stopped while a connection is suspended, and
 * a handler may answer at any moment, also after the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/http_private.h"
#include "core/log.h"

enum {
    CONNECTION_MEMORY =
        32 * 1024, /* of MHD, per connection: the line and headers must fit, bodies pass through */
    BACKLOG = 1024,
    CLOSE_PATIENCE_MS = 5000,
    CLOSE_FLUSH_MS = 1000
};

static size_t leave_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void mhd_says(void *cls, const char *format, va_list args)
{
    char text[512];

    (void)cls;
    if (!log_wants(LOG_DEBUG))
        return;
    vsnprintf(text, sizeof(text), format, args);
    log_debug("http_library", "says=%s", log_quote(bytes_trim(bytes_of(text))));
}

_Noreturn static void mhd_panics(void *cls, const char *file, unsigned line, const char *reason)
{
    (void)cls;
    log_fatal("http_library_failed", "file=%s line=%u reason=%s", file, line, log_quote(bytes_of(reason)));
}

static int listen_on(const struct addrinfo *a)
{
    int on = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);

    if (fd < 0)
        return -1;
    /* A restart must not wait for connections of the last run in TIME_WAIT. (Two servers still can't share
     * it.) */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool listener_open(const struct http_options *o, int *fd, int *port, struct error *e)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof(bound);
    char service[16];

    snprintf(service, sizeof(service), "%d", o->port);
    int failed = getaddrinfo(o->address, service, &hints, &found);
    if (failed != 0)
        return error_set(
            e, "bad_address", "can't listen on %s:%d: %s", o->address, o->port, gai_strerror(failed));
    *fd = listen_on(found);
    int why = errno;
    freeaddrinfo(found);
    if (*fd < 0 && why == EADDRINUSE)
        return error_set(e, "port_busy",
            "port %d on %s is taken by another program: stop it, or set another http.port", o->port,
            o->address);
    if (*fd < 0)
        return error_set(e, "bad_address", "can't listen on %s:%d: %s", o->address, o->port, strerror(why));
    MUST(getsockname(*fd, (struct sockaddr *)&bound, &bound_len) == 0);
    *port = bound.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
                                        : ntohs(((struct sockaddr_in *)&bound)->sin_port);
    return true;
}

static struct MHD_Daemon *daemon_start(struct http_server *s, const struct http_options *o, int fd)
{
    sigset_t all, before;

    MHD_set_panic_func(mhd_panics, NULL);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        http_request_step, s, MHD_OPTION_EXTERNAL_LOGGER, mhd_says, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, http_request_new, s, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, s, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

static struct http_server *server_new(
    const struct http_options *o, const struct http_table *tables, size_t count)
{
    struct http_server *s = calloc(1, sizeof(*s));
    pthread_condattr_t attributes;
    uint64_t random = 0;

    if (!s)
        log_fatal("out_of_memory", "bytes=%zu", sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%.60s/%s", o->program, MILLRACE_VERSION);
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint64_t)clock_boot_us();
    snprintf(s->id_prefix, sizeof(s->id_prefix), "%016llx", (unsigned long long)random);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    TAILQ_INIT(&s->pending);
    http_router_init(&s->router, tables, count);
    return s;
}

static void server_free(struct http_server *s)
{
    http_pool_free(s->pool);
    http_router_release(&s->router);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static bool check_workers(const struct http_server *s, const struct http_options *o, struct error *e)
{
    for (size_t i = 0; o->workers <= 0 && i < s->router.count; i++) {
        const struct http_route *route = s->router.patterns[i].route;
        if (route->where == HTTP_WORKER)
            return error_set(e, "no_threads", "%s %s needs worker threads, but there are none", route->method,
                route->path);
    }
    return true;
}

struct http_server *http_open(
    const struct http_options *o, const struct http_table *tables, size_t count, struct error *e)
{
    struct http_server *s = server_new(o, tables, count);
    int fd = -1;

    http_request_metrics();
    if (!check_workers(s, o, e) || !listener_open(o, &fd, &s->port, e))
        goto failed;
    if (o->workers > 0 && !(s->pool = http_pool_new(o->workers, e)))
        goto failed;
    s->daemon = daemon_start(s, o, fd);
    if (!s->daemon) {
        error_set(e, "http_failed", "the HTTP server does not start on %s:%d", o->address, s->port);
        goto failed;
    }
    return s;
failed:
    if (fd >= 0)
        close(fd);
    server_free(s);
    return NULL;
}

int http_port(const struct http_server *s)
{
    return s->port;
}

static bool is_idle(struct http_server *s)
{
    return atomic_load(&s->busy) == 0;
}

static bool none_pending(struct http_server *s)
{
    return TAILQ_EMPTY(&s->pending);
}

/* With the lock held; for up to limit_ms, or without end when that is negative. */
static void wait_until(struct http_server *s, bool (*done)(struct http_server *s), int limit_ms)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += limit_ms / 1000;
    while (!done(s) && waited == 0) {
        if (limit_ms < 0)
            waited = pthread_cond_wait(&s->changed, &s->lock);
        else
            waited = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
}

/* With the lock held. Those that are just being answered are left to who answers them. */
static void abandon_pending(struct http_server *s)
{
    struct http_request *r = TAILQ_FIRST(&s->pending);

    atomic_store(&s->refusing, true);
    while (r) {
        struct http_request *next = TAILQ_NEXT(r, pending);
        enum http_phase phase = HTTP_WAITING;
        if (atomic_compare_exchange_strong(&r->phase, &phase, HTTP_ABANDONED)) {
            log_warn("request_abandoned", "request=%s path=%s", r->id, log_quote(r->target.path));
            TAILQ_REMOVE(&s->pending, r, pending);
            MHD_resume_connection(r->connection);
        }
        r = next;
    }
}

void http_close(struct http_server *s)
{
    if (!s)
        return;
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);
    if (fd != MHD_INVALID_SOCKET)
        shutdown(fd, SHUT_RD); /* listens no more; closed later: MHD's thread may just be looking at it */
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->closing, true);
    wait_until(s, is_idle, CLOSE_PATIENCE_MS);
    abandon_pending(s);
    wait_until(s, none_pending, -1); /* MHD must not be stopped with suspended connections */
    wait_until(s, is_idle, CLOSE_FLUSH_MS);
    pthread_mutex_unlock(&s->lock);
    MHD_stop_daemon(s->daemon); /* before the pool: its thread adds to it */
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    server_free(s);
}
