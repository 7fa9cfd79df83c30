/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry: see the header. One connection, one lock, two lists that only grow: a process meets a handful of
 * schemas in its life.
 */
#include "core/registry.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

#define PAUSE_MS 1000                /* after it was away, before the next call waits for it */
#define ANSWER_MAX (4 * 1024 * 1024) /* of bytes; more is no schema */

struct known_text { /* by id */
    struct known_text *next;
    uint32_t id;
    char *text;
};

struct known_id { /* by topic and schema */
    struct known_id *next;
    char *topic, *text;
    uint32_t id;
};

struct registry {
    char *url, *prefix;
    pthread_mutex_t lock;
    CURL *curl;
    struct curl_slist *headers;
    struct known_text *texts;
    struct known_id *ids;
    int64_t away_until; /* clock_boot_ms */
    struct error away;  /* why */
};

/* ---- life ---- */

struct registry *registry_new(const char *url, const char *topic_prefix)
{
    MUST(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
    struct registry *r = calloc(1, sizeof *r);
    MUST(r);
    struct bytes base = bytes_of(url);
    while (base.len && base.data[base.len - 1] == '/')
        base.len--;
    r->url = bytes_dup(base);
    r->prefix = bytes_dup(bytes_of(topic_prefix));
    MUST(pthread_mutex_init(&r->lock, NULL) == 0);
    r->curl = curl_easy_init();
    MUST(r->curl);
    r->headers = curl_slist_append(r->headers, "Content-Type: application/vnd.schemaregistry.v1+json");
    r->headers =
        curl_slist_append(r->headers, "Accept: application/vnd.schemaregistry.v1+json, application/json");
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    while (r->texts) {
        struct known_text *t = r->texts;
        r->texts = t->next;
        free(t->text);
        free(t);
    }
    while (r->ids) {
        struct known_id *i = r->ids;
        r->ids = i->next;
        free(i->topic);
        free(i->text);
        free(i);
    }
    curl_slist_free_all(r->headers);
    curl_easy_cleanup(r->curl);
    pthread_mutex_destroy(&r->lock);
    free(r->url);
    free(r->prefix);
    free(r);
    curl_global_cleanup();
}

/* ---- one call ---- */

static size_t take_answer(char *data, size_t size, size_t count, void *user)
{
    struct buf *answer = user;
    if (answer->len + size * count > ANSWER_MAX)
        return 0;
    buf_add(answer, data, size * count);
    return size * count;
}

static enum registry_verdict away(struct registry *r, struct error *e)
{
    r->away = *e;
    r->away_until = clock_boot_ms() + PAUSE_MS;
    return REGISTRY_AWAY;
}

/* body NULL: GET. On REGISTRY_OK *answer is a new JSON object. */
static enum registry_verdict call(
    struct registry *r, const char *url, const char *body, json_t **answer, struct error *e)
{
    if (clock_boot_ms() < r->away_until) {
        *e = r->away;
        return REGISTRY_AWAY;
    }
    struct buf text;
    buf_init(&text);
    curl_easy_reset(r->curl);
    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, (long)REGISTRY_TIMEOUT_MS);
    curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, &text);
    if (body)
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
    CURLcode done = curl_easy_perform(r->curl);
    long status = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *object = done == CURLE_OK ? json_loadb(text.data ? text.data : "", text.len, 0, NULL) : NULL;
    buf_release(&text);
    const char *message = json_string_value(json_object_get(object, "message"));

    enum registry_verdict verdict = REGISTRY_OK;
    if (done != CURLE_OK) {
        error_set(e, "registry_away", "schema registry %s: %s", r->url, curl_easy_strerror(done));
        verdict = away(r, e);
    } else if (status == 404 || status == 409 || status == 422) {
        error_set(e, "unknown_schema", "schema registry %s answers %ld: %s", r->url, status,
            message ? message : "no message");
        verdict = REGISTRY_NONE;
    } else if (status != 200 || !json_is_object(object)) {
        error_set(e, "registry_away", "schema registry %s answers %ld: %s", r->url, status,
            message ? message : "no JSON object");
        verdict = away(r, e);
    }
    if (verdict == REGISTRY_OK)
        *answer = object;
    else
        json_decref(object);
    return verdict;
}

/* ---- the text of an id ---- */

static struct known_text *find_text(const struct registry *r, uint32_t id)
{
    struct known_text *t = r->texts;
    while (t && t->id != id)
        t = t->next;
    return t;
}

static enum registry_verdict fetch_text(
    struct registry *r, uint32_t id, struct known_text **out, struct error *e)
{
    struct buf url;
    buf_init(&url);
    buf_printf(&url, "%s/schemas/ids/%u", r->url, id);
    buf_add_char(&url, '\0');
    json_t *answer = NULL;
    enum registry_verdict verdict = call(r, url.data, NULL, &answer, e);
    buf_release(&url);
    if (verdict != REGISTRY_OK)
        return verdict;
    const char *type = json_string_value(json_object_get(answer, "schemaType"));
    const char *text = json_string_value(json_object_get(answer, "schema"));
    if (!text || (type && strcmp(type, "AVRO") != 0) ||
        json_array_size(json_object_get(answer, "references"))) {
        error_set(e, "unknown_schema", "not an Avro schema without references");
        verdict = REGISTRY_NONE;
    } else {
        struct known_text *t = calloc(1, sizeof *t);
        MUST(t);
        *t = (struct known_text){.next = r->texts, .id = id, .text = bytes_dup(bytes_of(text))};
        r->texts = t;
        *out = t;
    }
    json_decref(answer);
    return verdict;
}

enum registry_verdict registry_schema(struct registry *r, uint32_t id, struct bytes *text, struct error *e)
{
    pthread_mutex_lock(&r->lock);
    struct known_text *t = find_text(r, id);
    enum registry_verdict verdict = t ? REGISTRY_OK : fetch_text(r, id, &t, e);
    if (verdict == REGISTRY_OK)
        *text = bytes_of(t->text);
    pthread_mutex_unlock(&r->lock);
    return verdict;
}

/* ---- the id of a text ---- */

static struct known_id *find_id(const struct registry *r, const char *topic, struct bytes text)
{
    struct known_id *i = r->ids;
    while (i && (strcmp(i->topic, topic) != 0 || !bytes_equal_text(text, i->text)))
        i = i->next;
    return i;
}

static enum registry_verdict fetch_id(
    struct registry *r, const char *topic, struct bytes text, struct known_id **out, struct error *e)
{
    json_t *request = json_pack("{s:s%}", "schema", text.data, text.len);
    if (!request) {
        error_set(e, "unknown_schema", "the schema is not UTF-8 text");
        return REGISTRY_NONE;
    }
    char *body = json_dumps(request, JSON_COMPACT);
    MUST(body);
    json_decref(request);
    struct buf url;
    buf_init(&url);
    buf_printf(&url, "%s/subjects/%s%s-value/versions", r->url, r->prefix, topic);
    buf_add_char(&url, '\0');
    json_t *answer = NULL;
    enum registry_verdict verdict = call(r, url.data, body, &answer, e);
    buf_release(&url);
    free(body);
    if (verdict != REGISTRY_OK)
        return verdict;
    json_int_t id = json_integer_value(json_object_get(answer, "id"));
    json_decref(answer);
    if (id <= 0 || id > UINT32_MAX) {
        error_set(e, "registry_away", "schema registry %s answers without an id", r->url);
        return away(r, e);
    }
    struct known_id *i = calloc(1, sizeof *i);
    MUST(i);
    *i = (struct known_id){
        .next = r->ids, .topic = bytes_dup(bytes_of(topic)), .text = bytes_dup(text), .id = (uint32_t)id};
    r->ids = i;
    *out = i;
    return REGISTRY_OK;
}

enum registry_verdict registry_id(
    struct registry *r, const char *topic, struct bytes text, uint32_t *id, struct error *e)
{
    pthread_mutex_lock(&r->lock);
    struct known_id *i = find_id(r, topic, text);
    enum registry_verdict verdict = i ? REGISTRY_OK : fetch_id(r, topic, text, &i, e);
    if (verdict == REGISTRY_OK)
        *id = i->id;
    pthread_mutex_unlock(&r->lock);
    return verdict;
}
