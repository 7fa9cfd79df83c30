/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: see client.h.
 */
#include "cli/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/table.h"
#include "core/error.h"

#define TIMEOUT_S 60L
#define CONNECT_TIMEOUT_S 5L
#define DEFAULT_URL "http://127.0.0.1:8420"

struct client {
    CURL *curl;
    struct buf base; /* without a slash at the end */
};

struct client *client_open(const struct args *a)
{
    const char *set = getenv("MILLRACE_URL");
    const char *url = args_text(a, "url", set && *set ? set : DEFAULT_URL); /* --url "" is no address */
    struct client *c = calloc(1, sizeof *c);
    MUST(c != NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->curl = curl_easy_init();
    MUST(c->curl != NULL);
    buf_init(&c->base);
    buf_add_text(&c->base, url);
    while (c->base.len > 0 && c->base.data[c->base.len - 1] == '/')
        c->base.len--;
    (void)path_text(&c->base); /* ended by NUL, for messages */
    return c;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    curl_global_cleanup();
    buf_release(&c->base);
    free(c);
}

/* ---- replies ---- */

void reply_init(struct reply *r)
{
    *r = (struct reply){.next_offset = -1};
    buf_init(&r->body);
}

void reply_release(struct reply *r)
{
    buf_release(&r->body);
    json_decref(r->json);
    reply_init(r);
}

bool reply_ok(const struct reply *r)
{
    return r->status >= 200 && r->status < 300;
}

const char *reply_text(const struct reply *r, const char *name)
{
    const char *text = json_string_value(json_object_get(r->json, name));
    return text ? text : "";
}

enum outcome reply_explain(const struct reply *r)
{
    size_t index;
    const json_t *problem;
    const json_t *errors = json_object_get(r->json, "errors");
    if (r->status == 0) {
        complain("no answer: %s (is it up? --url or MILLRACE_URL tells where)", r->failure);
        return OUTCOME_UNREACHABLE;
    }
    const char *code = reply_text(r, "code"), *detail = reply_text(r, "detail");
    const char *job = reply_text(r, "job_id");
    if (*code)
        complain("%s (%s, HTTP %d)%s%s", *detail ? detail : code, code, r->status, *job ? ": job " : "", job);
    else
        complain("the server answered with HTTP %d", r->status);
    json_array_foreach(errors, index, problem)
    {
        const char *field = json_string_value(json_object_get(problem, "field"));
        const char *what = json_string_value(json_object_get(problem, "detail"));
        const char *which = json_string_value(json_object_get(problem, "code"));
        /* One problem of a query is told by the answer's own detail already. */
        if (field && what && json_array_size(errors) == 1 && strstr(detail, what))
            continue;
        complain("  %s: %s (%s)", field ? field : "", what ? what : "", which ? which : "");
    }
    return r->status == 503 ? OUTCOME_UNREACHABLE : OUTCOME_REFUSED;
}

enum outcome reply_outcome(const struct reply *r)
{
    return reply_ok(r) ? OUTCOME_DONE : reply_explain(r);
}

enum outcome reply_print(const struct reply *r, bool as_json, void (*show)(const json_t *answer))
{
    if (!reply_ok(r))
        return reply_explain(r);
    as_json ? print_json(r->json) : show(r->json);
    return OUTCOME_DONE;
}

static size_t take_body(char *data, size_t size, size_t count, void *self)
{
    struct reply *r = self;
    buf_add(&r->body, data, size * count);
    return size * count;
}

static size_t take_header(char *data, size_t size, size_t count, void *self)
{
    static const char name[] = "X-Next-Offset:";
    struct reply *r = self;
    struct bytes line = {data, size * count};
    if (line.len > sizeof name && strncasecmp(data, name, sizeof name - 1) == 0)
        (void)bytes_parse_int64(bytes_trim(bytes_slice(line, sizeof name - 1, line.len)), &r->next_offset);
    return line.len;
}

static void perform(struct client *c, const char *path, struct curl_slist *headers, struct reply *out)
{
    long status = 0;
    char why[CURL_ERROR_SIZE] = "";
    struct buf url;
    buf_init(&url);
    buf_add_bytes(&url, buf_bytes(&c->base));
    buf_add_text(&url, path);
    buf_add_char(&url, '\0');
    curl_easy_setopt(c->curl, CURLOPT_URL, url.data);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, out);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
    CURLcode code = curl_easy_perform(c->curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    else
        (void)snprintf(out->failure, sizeof out->failure, "%.200s: %.200s", c->base.data,
            *why ? why : curl_easy_strerror(code));
    out->status = (int)status;
    out->json = json_loadb(out->body.data ? out->body.data : "", out->body.len, JSON_ALLOW_NUL, NULL);
    curl_easy_reset(c->curl);
    curl_slist_free_all(headers);
    buf_release(&url);
}

void client_get(struct client *c, const char *path, const char *accept, struct reply *out)
{
    char header[80];
    reply_release(out);
    (void)snprintf(header, sizeof header, "Accept: %s", accept ? accept : "application/json");
    perform(c, path, curl_slist_append(NULL, header), out);
}

/* With a body (NULL: none), by this method. */
static void send_body(struct client *c, const char *method, const char *path, const json_t *body,
    const char *key, struct reply *out)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct buf header;
    reply_release(out);
    buf_init(&header);
    if (key) {
        buf_printf(&header, "Idempotency-Key: %s", key);
        buf_add_char(&header, '\0');
        headers = curl_slist_append(headers, header.data);
    }
    curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(text ? strlen(text) : 0));
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, text ? text : "");
    headers = curl_slist_append(headers, "Expect:"); /* no wait for 100-continue */
    perform(c, path, headers, out);
    free(text);
    buf_release(&header);
}

void client_post(struct client *c, const char *path, const json_t *body, const char *key, struct reply *out)
{
    send_body(c, "POST", path, body, key, out);
}

void client_put(struct client *c, const char *path, const json_t *body, struct reply *out)
{
    send_body(c, "PUT", path, body, NULL, out);
}

void client_delete(struct client *c, const char *path, struct reply *out)
{
    reply_release(out);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, "DELETE");
    perform(c, path, curl_slist_append(NULL, "Accept: application/json"), out);
}

void client_get_job(struct client *c, const char *id, const char *below, struct reply *out)
{
    struct buf path;
    buf_init(&path);
    path_add_job(&path, id, below);
    client_get(c, path_text(&path), NULL, out);
    buf_release(&path);
}

/* ---- paths ---- */

static void add_escaped(struct buf *path, const char *text, const char *plain)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool as_it_is = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        strchr(plain, c) != NULL;
        if (as_it_is)
            buf_add_char(path, (char)c);
        else
            buf_printf(path, "%%%02X", c);
    }
}

void path_add_segment(struct buf *path, const char *segment)
{
    add_escaped(path, segment, "-._~");
}

void path_add_segments(struct buf *path, const char *segments)
{
    add_escaped(path, segments, "-._~/");
}

void path_add_job(struct buf *path, const char *id, const char *below)
{
    buf_add_text(path, "/v1/jobs/");
    path_add_segment(path, id);
    buf_add_text(path, below);
}

void path_add(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(path, "%c%s=", path->len && memchr(path->data, '?', path->len) ? '&' : '?', name);
    path_add_segment(path, value);
}

const char *path_text(struct buf *path)
{
    buf_add_char(path, '\0');
    path->len--;
    return path->data;
}
