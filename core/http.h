/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: a small HTTP/1.1 server over libmicrohttpd (one epoll thread, connections suspended while work goes on), with
 * routes as a table.
 *
 * A handler gets a complete request (the body is read up to the limit; 413 beyond) and answers it with http_answer_*,
 * now or later, from any thread, exactly once. HTTP_INLINE handlers run in the server's thread and must not block.
 * HTTP_WORKER handlers run on a pool of worker threads and may block.
 *
 * Errors are application/problem+json (RFC 9457) with `code` and, for input, `errors[{field, code, detail}]`.
 * Unknown path: 404 not_found; known path, other method: 405 with Allow; HEAD is answered like GET without a body;
 * OPTIONS with Allow. Every answer has X-Request-Id (the client's if it is sane, else made) and it is logged (debug).
 */
#ifndef MILLRACE_CORE_HTTP_H
#define MILLRACE_CORE_HTTP_H

#include <jansson.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/shape.h"

struct http_request;
typedef void http_handler(void *self, struct http_request *r);

enum http_where { HTTP_INLINE, HTTP_WORKER };

struct http_route {
    const char *method; /* "GET"; NULL ends the table */
    const char *path;   /* "/v1/jobs/{id}/results/{n}": a name in braces is one segment, percent-decoded */
    enum http_where where;
    http_handler *handler;
    int64_t max_body_bytes; /* 0: no body is accepted (413) */
    const char *help;       /* one line; docs/reference/routes.md is made from the table */
    const char *answers;    /* "202, 400, 409, ..." for the same page */
};

struct http_options {
    const char *address;
    int port;
    int workers;         /* threads for HTTP_WORKER, 0 when no route needs them */
    int max_connections; /* 1000 */
    int idle_timeout_s;  /* 60 */
    const char *program; /* in the Server header and /version */
};

struct http_server;
/* `tables`: NULL-terminated list of route tables with their self pointers. Fails (code port_busy) when the address is taken. */
struct http_table {
    const struct http_route *routes;
    void *self;
};
struct http_server *http_open(
    const struct http_options *o, const struct http_table *tables, size_t count, struct error *e);
/* The port that it listens on (options.port 0 takes a free one). */
int http_port(const struct http_server *s);
/* Stops taking connections, lets answers go out for up to 5 s, closes; requests that are not answered then get 503. Waits
 * for handlers that run at this moment. A request that was deferred stays valid until its owner answers it, also after
 * this call (the answer then goes nowhere). */
void http_close(struct http_server *s);

/* The request; everything is borrowed until it is answered. */
struct bytes http_method(const struct http_request *r);
struct bytes http_path(const struct http_request *r);       /* as sent (not decoded), without the query */
struct bytes http_request_id(const struct http_request *r); /* for logs */
struct bytes http_param(const struct http_request *r, const char *name); /* of the path, percent-decoded */
struct bytes http_query(
    const struct http_request *r, const char *name); /* first value; BYTES_NONE if absent; "" if empty */
/* Walks all query parameters, so that handlers can refuse unknown ones. index from 0; false at the end. */
bool http_query_at(const struct http_request *r, size_t index, struct bytes *name, struct bytes *value);
struct bytes http_header(const struct http_request *r, const char *name); /* any case */
struct bytes http_body(const struct http_request *r);
struct arena *http_arena(struct http_request *r); /* lives as long as the request */

/* Answers. The request is gone after the call. */
struct http_header_out {
    const char *name;
    struct bytes value;
};
void http_answer(struct http_request *r, int status, const char *content_type, struct bytes body,
    const struct http_header_out *headers, size_t header_count); /* copies body */
void http_answer_json(struct http_request *r, int status, json_t *body /* taken */);
/* As above with headers. */
void http_answer_json_with(struct http_request *r, int status, json_t *body /* taken */,
    const struct http_header_out *headers, size_t header_count);
/* application/problem+json; `problems` may be NULL. title and type follow from the code. */
void http_problem(struct http_request *r, int status, const char *code, struct bytes detail,
    const struct field_problems *problems);
/* The body of such an answer, for handlers that add to it. New reference. */
json_t *http_problem_json(int status, const char *code, struct bytes detail, struct bytes request_id,
    const struct field_problems *problems);
/* 503 with Retry-After. */
void http_unavailable(struct http_request *r, const char *code, struct bytes detail, int retry_after_s);

/* A table of docs/reference/routes.md, with its head. */
void http_markdown(const struct http_route *routes, struct buf *out);

/* The four routes of every program. ready(self, e): may it be sent work; alive: do its threads tick. */
struct http_health {
    bool (*alive)(void *self, struct error *e);
    bool (*ready)(void *self, struct error *e);
    void *self;
    const char *program;
};
extern const struct http_route http_health_routes[]; /* self: struct http_health */

#endif
