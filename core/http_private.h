/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_private: what the files of the http library share. Above: the pure part (http_route.c), which turns
 * the text of a request line into a path, its parameters and a route, and is tested and fuzzed without
 * sockets. Below: the life of a request (http.c), its answers (http_answer.c) and the threads for handlers
 * that block (http_pool.c).
 */
#ifndef MILLRACE_CORE_HTTP_PRIVATE_H
#define MILLRACE_CORE_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "core/http.h"

/* ---- http_route.c: no I/O ---- */

enum { HTTP_SEGMENTS_MAX = 16 };

struct http_field {
    struct bytes name, value;
};

/* The target of a request line. */
struct http_target {
    struct bytes path;                        /* as sent */
    struct bytes segments[HTTP_SEGMENTS_MAX]; /* decoded */
    size_t segment_count;                     /* HTTP_SEGMENTS_MAX + 1: more than that, matches nothing */
    struct http_field *query;                 /* decoded, in order */
    size_t query_count;
};

/* %XX (and '+' as a space, when asked) to bytes; borrowed when there is nothing to decode. False: a bad
 * escape, a NUL, or not UTF-8. */
bool http_decode(struct arena *a, struct bytes text, bool plus, struct bytes *out);
/* Origin form ("/a/b?c=d") or absolute form ("http://host/a"). False: code bad_path or bad_query. The result
 * borrows from uri and the arena. */
bool http_target_parse(struct arena *a, struct bytes uri, struct http_target *out, struct error *e);

/* A row of a route table, split once at start. */
struct http_pattern {
    const struct http_route *route;
    void *self;
    struct bytes segments[HTTP_SEGMENTS_MAX]; /* "{id}" without its braces where bit i of `params` is set */
    size_t count;
    unsigned params;
};

struct http_router {
    struct http_pattern *patterns;
    size_t count;
};

void http_router_init(struct http_router *r, const struct http_table *tables, size_t count);
void http_router_release(struct http_router *r);

enum http_match { HTTP_MATCH, HTTP_MATCH_NO_PATH, HTTP_MATCH_NO_METHOD };
/* A literal segment wins over a name in braces, from left to right. HEAD finds GET. */
enum http_match http_router_find(const struct http_router *r, struct bytes method,
    const struct http_target *t, const struct http_pattern **out);
/* "GET, HEAD, OPTIONS": what the path of t allows. */
struct bytes http_router_allow(const struct http_router *r, struct arena *a, const struct http_target *t);

/* ---- the life of a request ---- */

/*
 * Who holds a request: the server, from its first line until MHD says that it is completed; and its handler,
 * from the call until it answers. Each drops its share; the last one frees. So a deferred request outlives
 * http_close.
 *
 *   READING  -> HANDLING    complete, the handler is called (server's thread)
 *   HANDLING -> ANSWERED    answered during the call
 *   HANDLING -> WAITING     not answered when the call returned; the connection is suspended
 *   READING  -> WAITING     the same at once, for worker routes
 *   WAITING  -> ANSWERED    answered later, from any thread: who does this resumes the connection
 *   WAITING  -> ABANDONED   http_close ran out of patience: it resumes the connection, which then gets 503
 *
 * `response` and `status` are written before ANSWERED is stored and read after it was loaded; ANSWERED and
 * ABANDONED are never left.
 */
enum http_phase { HTTP_READING, HTTP_HANDLING, HTTP_WAITING, HTTP_ANSWERED, HTTP_ABANDONED };

/* Shared by http.c (open, close) and http_request.c. */
struct http_server {
    struct MHD_Daemon *daemon;
    struct http_router router;
    struct http_pool *pool; /* NULL: no workers */
    char name[80];          /* the Server header */
    int port;
    char id_prefix[17];
    uint64_t id_count; /* server's thread only */

    atomic_bool closing;  /* say Connection: close */
    atomic_bool refusing; /* call no handlers any more; changes under lock */
    atomic_int busy;      /* requests whose handler was called and whose answer has not gone out */
    pthread_mutex_t lock; /* of pending, and for waiting */
    pthread_cond_t changed;
    TAILQ_HEAD(, http_request) pending; /* their connections are suspended */
};

struct http_request {
    struct http_server *server; /* not to be touched by a handler's side once abandoned */
    struct MHD_Connection *connection;
    _Atomic(enum http_phase) phase;
    atomic_int owners;

    struct arena arena; /* all that is borrowed below */
    struct bytes uri, method;
    struct http_target target;
    struct http_field *headers;
    size_t header_count;
    struct http_field *params; /* of the path; the names are the route table's */
    size_t param_count;
    const struct http_pattern *pattern; /* the server's; NULL: refused */
    char id[65];                        /* X-Request-Id */
    int64_t began_us;

    bool begun;      /* the headers were looked at */
    bool dispatched; /* counted in the server's busy */
    struct buf body;
    size_t body_limit;
    size_t discarded_bytes;

    int refusal_status; /* not 0: the body is thrown away and this is the answer */
    const char *refusal_code;
    struct bytes refusal_detail;
    struct bytes allow; /* for 405 and OPTIONS */

    struct MHD_Response *response;
    unsigned status;
    TAILQ_ENTRY(http_request) pending; /* in the server's list while the connection is suspended */
    STAILQ_ENTRY(http_request) work;   /* in the pool's queue */
};

void http_request_metrics(void); /* registers them */

/* MHD's callbacks; cls is the server. Of a request: its first line; each step of it; its end. */
void *http_request_new(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_request_step(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_len, void **state);
void http_request_completed(
    void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why);

/* Hands the answer over (takes `response`); any thread. Drops the handler's share. */
void http_request_finish(struct http_request *r, unsigned status, struct MHD_Response *response);
void http_request_drop(struct http_request *r);

/* ---- http_answer.c ---- */

/* ---- http_pool.c ---- */
struct http_pool;
struct http_pool *http_pool_new(int threads, struct error *e); /* NULL: e */
void http_pool_add(struct http_pool *p, struct http_request *r);
/* Drops what has not begun (its requests are abandoned), waits for what runs, frees. */
void http_pool_free(struct http_pool *p);

#endif
