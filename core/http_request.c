/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request: the life of a request in MHD's thread: read, routed or refused, handled, answered (the states
 * are in core/http_private.h). MHD parses and sends; it neither limits bodies nor decodes as we need, so that
 * is done here: its own decoding of the target is switched off and the raw target is taken from its log
 * callback.
 *
 * A request that is refused (no route, too large) still has its body read and thrown away, up to DISCARD_MAX:
 * closing a socket with unread bytes resets the connection, and the client would lose the answer. A client
 * that asked first (Expect: 100-continue) is told at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/http_private.h"
#include "core/log.h"
#include "core/metrics.h"

enum { DISCARD_MAX = 64 * 1024 * 1024 };

enum { METRIC_2XX, METRIC_3XX, METRIC_4XX, METRIC_5XX, METRIC_DURATION, METRIC_COUNT };
static struct metric http_metrics[METRIC_COUNT] = {
    [METRIC_2XX] = {.name = "millrace_http_requests_total",
        .labels = "class=\"2xx\"",
        .kind = METRIC_COUNTER,
        .help = "HTTP requests answered, by class of status."},
    [METRIC_3XX] = {.name = "millrace_http_requests_total",
        .labels = "class=\"3xx\"",
        .kind = METRIC_COUNTER,
        .help = "HTTP requests answered, by class of status."},
    [METRIC_4XX] = {.name = "millrace_http_requests_total",
        .labels = "class=\"4xx\"",
        .kind = METRIC_COUNTER,
        .help = "HTTP requests answered, by class of status."},
    [METRIC_5XX] = {.name = "millrace_http_requests_total",
        .labels = "class=\"5xx\"",
        .kind = METRIC_COUNTER,
        .help = "HTTP requests answered, by class of status."},
    [METRIC_DURATION] = {.name = "millrace_http_request_seconds",
        .kind = METRIC_SECONDS,
        .help = "From the request's first line to its answer being queued."},
};

void http_request_metrics(void)
{
    metrics_register(http_metrics, METRIC_COUNT);
}

/* ---- begin and end of a request ---- */

void *http_request_new(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *s = cls;
    struct http_request *r = calloc(1, sizeof(*r));

    if (!r)
        log_fatal("out_of_memory", "bytes=%zu", sizeof(*r));
    r->server = s;
    r->connection = connection;
    atomic_init(&r->phase, HTTP_READING);
    atomic_init(&r->owners, 1);
    arena_init(&r->arena);
    buf_init(&r->body);
    r->uri = arena_copy(&r->arena, bytes_of(uri ? uri : ""));
    r->began_us = clock_boot_us();
    return r;
}

void http_request_drop(struct http_request *r)
{
    if (atomic_fetch_sub_explicit(&r->owners, 1, memory_order_acq_rel) != 1)
        return;
    if (r->response) /* the client went away before it could be sent */
        MHD_destroy_response(r->response);
    buf_release(&r->body);
    arena_release(&r->arena);
    free(r);
}

static void wake_closer(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* MHD is done with the request, whether it was answered or broken off. Server's thread. */
void http_request_completed(
    void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    struct http_server *s = cls;
    struct http_request *r = *state;

    (void)connection;
    (void)why;
    if (!r)
        return;
    *state = NULL;
    if (r->dispatched && atomic_fetch_sub(&s->busy, 1) == 1 && atomic_load(&s->closing))
        wake_closer(s);
    http_request_drop(r);
}

/* ---- answers ---- */

static void count_answer(const struct http_request *r, unsigned status)
{
    int row = status < 300 ? METRIC_2XX : status < 400 ? METRIC_3XX : status < 500 ? METRIC_4XX : METRIC_5XX;
    int64_t us = clock_boot_us() - r->began_us;

    metric_add(&http_metrics[row], 1);
    metric_observe_us(&http_metrics[METRIC_DURATION], us);
    if (log_wants(LOG_DEBUG))
        log_debug("http_answered", "method=%s path=%s status=%u us=%lld request=%s", log_quote(r->method),
            log_quote(r->target.path), status, (long long)us, r->id);
}

/* Server's thread. Takes `response`. */
static enum MHD_Result send_response(struct http_request *r, unsigned status, struct MHD_Response *response)
{
    struct http_server *s = r->server;

    MHD_add_response_header(response, "Server", s->name);
    if (atomic_load(&s->closing))
        MHD_add_response_header(response, "Connection", "close");
    count_answer(r, status);
    enum MHD_Result result = MHD_queue_response(r->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_answer(struct http_request *r)
{
    struct MHD_Response *response = r->response;
    r->response = NULL;
    return send_response(r, r->status, response);
}

/* http_close gave up on the handler. r->response is not ours to touch: the handler's side may be at it. */
static enum MHD_Result send_shutting_down(struct http_request *r)
{
    json_t *body =
        http_problem_json(503, "shutting_down", BYTES("the server stops; try again"), BYTES_NONE, NULL);
    char *text = json_dumps(body, JSON_COMPACT);

    MUST(text);
    json_decref(body);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (!response)
        log_fatal("out_of_memory", "answer=503");
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    MHD_add_response_header(response, "Retry-After", "1");
    MHD_add_response_header(response, "X-Request-Id", r->id);
    return send_response(r, 503, response);
}

/* Any thread. */
void http_request_finish(struct http_request *r, unsigned status, struct MHD_Response *response)
{
    struct http_server *s = r->server;
    enum http_phase phase = atomic_load(&r->phase);

    if (phase != HTTP_ABANDONED) { /* else http_close's side may be reading; it never reads these two */
        r->response = response;
        r->status = status;
    }
    while (phase != HTTP_ABANDONED && !atomic_compare_exchange_weak(&r->phase, &phase, HTTP_ANSWERED))
        MUST(phase != HTTP_ANSWERED); /* exactly once */
    MUST(phase != HTTP_ANSWERED && phase != HTTP_READING);
    if (phase == HTTP_ABANDONED) {
        r->response = NULL;
        MHD_destroy_response(response);
    } else if (phase == HTTP_WAITING) {
        MHD_resume_connection(r->connection);
        pthread_mutex_lock(&s->lock);
        TAILQ_REMOVE(&s->pending, r, pending);
        if (atomic_load(&s->closing))
            pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    http_request_drop(r);
}

/* ---- handlers ---- */

/* Before anybody else may resume it. False: http_close has begun to abandon. */
static bool suspend(struct http_request *r)
{
    struct http_server *s = r->server;

    pthread_mutex_lock(&s->lock);
    bool ok = !atomic_load(&s->refusing);
    if (ok) {
        MHD_suspend_connection(r->connection);
        TAILQ_INSERT_TAIL(&s->pending, r, pending);
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static enum MHD_Result call_worker(struct http_request *r)
{
    struct http_server *s = r->server;

    atomic_store(&r->phase, HTTP_WAITING);
    if (!suspend(r)) {
        atomic_store(&r->phase, HTTP_ABANDONED);
        enum MHD_Result result = send_shutting_down(r);
        http_request_drop(r);
        return result;
    }
    http_pool_add(s->pool, r);
    return MHD_YES;
}

static enum MHD_Result call_inline(struct http_request *r)
{
    enum http_phase phase = HTTP_HANDLING;

    atomic_store(&r->phase, HTTP_HANDLING);
    r->pattern->route->handler(r->pattern->self, r);
    if (atomic_load(&r->phase) == HTTP_ANSWERED)
        return send_answer(r);
    if (!suspend(r)) {
        if (atomic_compare_exchange_strong(&r->phase, &phase, HTTP_ABANDONED))
            return send_shutting_down(r);
        return send_answer(r);
    }
    if (atomic_compare_exchange_strong(&r->phase, &phase, HTTP_WAITING))
        return MHD_YES;
    /* Answered between the handler's return and here, by a thread that found nothing to resume. */
    struct http_server *s = r->server;
    MHD_resume_connection(r->connection);
    pthread_mutex_lock(&s->lock);
    TAILQ_REMOVE(&s->pending, r, pending);
    if (atomic_load(&s->closing))
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return MHD_YES;
}

static void answer_options(struct http_request *r)
{
    struct http_header_out allow = {"Allow", r->allow};
    http_answer(r, 204, NULL, BYTES(""), &allow, 1);
}

/* The request is complete, or refused with nothing left to read. */
static enum MHD_Result dispatch(struct http_request *r)
{
    struct http_server *s = r->server;

    if (atomic_load(&s->refusing))
        return send_shutting_down(r);
    atomic_fetch_add(&r->owners, 1); /* the handler's share */
    atomic_fetch_add(&s->busy, 1);
    r->dispatched = true;
    if (r->pattern)
        return r->pattern->route->where == HTTP_WORKER ? call_worker(r) : call_inline(r);
    atomic_store(&r->phase, HTTP_HANDLING);
    if (r->refusal_status == 204)
        answer_options(r);
    else
        http_problem(r, r->refusal_status, r->refusal_code, r->refusal_detail, NULL);
    return send_answer(r);
}

/* ---- reading ---- */

static void refuse(struct http_request *r, int status, const char *code, struct bytes detail)
{
    r->pattern = NULL;
    r->refusal_status = status;
    r->refusal_code = code;
    r->refusal_detail = detail;
    buf_release(&r->body);
}

static void refuse_large(struct http_request *r)
{
    struct bytes detail = r->body_limit == 0
                              ? BYTES("this route takes no body")
                              : arena_printf(&r->arena, "the body may have at most %zu bytes", r->body_limit);
    refuse(r, 413, "too_large", detail);
}

static enum MHD_Result keep_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
    struct http_request *r = cls;

    (void)kind;
    r->headers[r->header_count++] = (struct http_field){arena_copy(&r->arena, (struct bytes){name, name_len}),
        arena_copy(&r->arena, (struct bytes){value ? value : "", value_len})};
    return MHD_YES;
}

/* Into the arena: handlers may look while, or after, MHD has let go of the connection. */
static void keep_headers(struct http_request *r)
{
    int count = MHD_get_connection_values(r->connection, MHD_HEADER_KIND, NULL, NULL);

    r->headers = arena_array(&r->arena, (size_t)count, sizeof(*r->headers));
    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, keep_header, r);
}

static bool is_sane_id(struct bytes id)
{
    if (id.len == 0 || id.len >= sizeof(((struct http_request *)0)->id))
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                    c == '_' || c == '.' || c == ':' || c == '@';
        if (!fine)
            return false;
    }
    return true;
}

static void set_id(struct http_request *r)
{
    struct http_server *s = r->server;
    struct bytes given = http_header(r, "X-Request-Id");

    if (is_sane_id(given)) {
        memcpy(r->id, given.data, given.len);
        r->id[given.len] = '\0';
    } else {
        snprintf(r->id, sizeof(r->id), "%s-%llu", s->id_prefix, (unsigned long long)++s->id_count);
    }
}

/* The pattern is the server's, the request may outlive it. */
static void keep_params(struct http_request *r)
{
    const struct http_pattern *p = r->pattern;

    if (p->params == 0)
        return;
    r->params = arena_array(&r->arena, p->count, sizeof(*r->params));
    for (size_t i = 0; i < p->count; i++) {
        if (p->params & 1U << i)
            r->params[r->param_count++] = (struct http_field){p->segments[i], r->target.segments[i]};
    }
}

static void find_route(struct http_request *r)
{
    struct http_server *s = r->server;
    struct error e;

    if (!http_target_parse(&r->arena, r->uri, &r->target, &e)) {
        refuse(r, 400, arena_text(&r->arena, bytes_of(e.code)), arena_copy(&r->arena, bytes_of(e.text)));
        return;
    }
    enum http_match match = http_router_find(&s->router, r->method, &r->target, &r->pattern);
    switch (match) {
    case HTTP_MATCH:
        r->body_limit = (size_t)r->pattern->route->max_body_bytes;
        keep_params(r);
        break;
    case HTTP_MATCH_NO_PATH:
        refuse(r, 404, "not_found", BYTES("there is no such path"));
        break;
    case HTTP_MATCH_NO_METHOD:
        r->allow = http_router_allow(&s->router, &r->arena, &r->target);
        if (bytes_equal_text(r->method, "OPTIONS"))
            refuse(r, 204, "", BYTES(""));
        else
            refuse(r, 405, "method_not_allowed",
                arena_printf(&r->arena, "this path allows %.*s", BYTES_ARG(r->allow)));
        break;
    }
}

/* What the headers say about the body. *announced_bytes: -1 unknown (chunked). False: they contradict each
 * other or are not understood; where the body ends is then anybody's guess, so the connection must close. */
static bool body_framing(const struct http_request *r, int64_t *announced_bytes)
{
    struct bytes encoding = http_header(r, "Transfer-Encoding");
    struct bytes length = BYTES_NONE;

    for (size_t i = 0; i < r->header_count; i++) {
        struct bytes name = r->headers[i].name;
        if (name.len != strlen("Content-Length") || strncasecmp(name.data, "Content-Length", name.len) != 0)
            continue;
        if (length.data && !bytes_equal(length, r->headers[i].value))
            return false;
        length = r->headers[i].value;
    }
    *announced_bytes = 0;
    if (encoding.data) {
        *announced_bytes = -1;
        return !length.data && encoding.len == strlen("chunked") &&
               strncasecmp(encoding.data, "chunked", encoding.len) == 0;
    }
    return !length.data || bytes_parse_int64(length, announced_bytes);
}

/* The headers are there, the body is not. */
static enum MHD_Result begin(struct http_request *r, const char *method)
{
    int64_t announced;

    r->begun = true;
    r->method = arena_copy(&r->arena, bytes_of(method));
    keep_headers(r);
    set_id(r);
    if (!body_framing(r, &announced)) {
        refuse(r, 400, "bad_request",
            BYTES("Content-Length and Transfer-Encoding do not tell where the body ends"));
        return dispatch(r); /* before the body: MHD closes after it */
    }
    find_route(r);
    if (r->pattern && announced > 0 && (uint64_t)announced > r->body_limit)
        refuse_large(r);
    if (!r->refusal_status || announced == 0)
        return MHD_YES;
    struct bytes expect = http_header(r, "Expect");
    bool asks =
        expect.len == strlen("100-continue") && strncasecmp(expect.data, "100-continue", expect.len) == 0;
    return asks || announced > DISCARD_MAX ? dispatch(r) : MHD_YES;
}

static enum MHD_Result take_body(struct http_request *r, struct bytes piece)
{
    if (!r->refusal_status && piece.len > r->body_limit - r->body.len)
        refuse_large(r);
    if (!r->refusal_status) {
        buf_add_bytes(&r->body, piece);
        return MHD_YES;
    }
    r->discarded_bytes += piece.len;
    return r->discarded_bytes > DISCARD_MAX ? MHD_NO : MHD_YES; /* no: closes the connection */
}

/* MHD calls this with the headers, with each piece of the body, at the body's end, and after each resume. */
enum MHD_Result http_request_step(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_len, void **state)
{
    struct http_request *r = *state;

    (void)cls;
    (void)connection;
    (void)url;
    (void)version;
    MUST(r); /* http_request_new ran with the first line */
    switch (atomic_load(&r->phase)) {
    case HTTP_READING:
        break;
    case HTTP_ANSWERED:
        return send_answer(r);
    case HTTP_ABANDONED:
        return send_shutting_down(r);
    case HTTP_HANDLING:
    case HTTP_WAITING:
        error_bug(__FILE__, __LINE__, "MHD leaves suspended connections alone");
    }
    if (!r->begun)
        return begin(r, method);
    if (*upload_len > 0) {
        struct bytes piece = {upload, *upload_len};
        *upload_len = 0;
        return take_body(r, piece);
    }
    return dispatch(r);
}
