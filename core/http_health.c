/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_health: the four routes of every program. They run in the server's thread: an answer shows that this
 * thread ticks, and `alive` and `ready` must not block (they look at what other threads have noted).
 */
#include "core/http.h"
#include "core/metrics.h"

static void get_metrics(void *self, struct http_request *r)
{
    struct buf text;

    (void)self;
    buf_init(&text);
    metrics_text(&text);
    http_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_bytes(&text), NULL, 0);
    buf_release(&text);
}

static void answer_state(struct http_request *r, bool (*check)(void *self, struct error *e), void *self)
{
    struct error e;

    error_clear(&e);
    if (!check || check(self, &e))
        http_answer_json(r, 200, json_pack("{s:s}", "status", "ok"));
    else
        http_problem(r, 503, e.code[0] ? e.code : "not_ready", bytes_of(e.text), NULL);
}

static void get_healthz(void *self, struct http_request *r)
{
    const struct http_health *h = self;
    answer_state(r, h->alive, h->self);
}

static void get_readyz(void *self, struct http_request *r)
{
    const struct http_health *h = self;
    answer_state(r, h->ready, h->self);
}

static void get_version(void *self, struct http_request *r)
{
    const struct http_health *h = self;
    http_answer_json(r, 200, json_pack("{s:s, s:s}", "program", h->program, "version", MILLRACE_VERSION));
}

const struct http_route http_health_routes[] = {
    {"GET", "/metrics", HTTP_INLINE, get_metrics, 0, "counters, gauges and durations as Prometheus text",
        "200"},
    {"GET", "/healthz", HTTP_INLINE, get_healthz, 0,
        "whether the program's threads tick; a broker outage is not ill health", "200, 503"},
    {"GET", "/readyz", HTTP_INLINE, get_readyz, 0, "whether it may be sent work now", "200, 503"},
    {"GET", "/version", HTTP_INLINE, get_version, 0, "the program's name and version", "200"},
    {.method = NULL},
};
