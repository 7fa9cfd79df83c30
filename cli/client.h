/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: one HTTP request after the other to ingest, over one kept connection (libcurl); answers as JSON or text; what the server
 * says is wrong as lines for people.
 */
#ifndef MILLRACE_CLI_CLIENT_H
#define MILLRACE_CLI_CLIENT_H

#include <jansson.h>

#include "cli/command.h"

struct client;
/* Always there; a bad address shows with the first request. */
struct client *client_open(const struct args *a);
void client_close(struct client *c);

struct reply {
    int status; /* 0: no answer; `failure` says why */
    struct buf body;
    json_t *json;        /* the body, when it is JSON */
    int64_t next_offset; /* of a page, or -1 */
    char failure[512];
};
void reply_init(struct reply *r);
void reply_release(struct reply *r);
bool reply_ok(const struct reply *r);
/* Text of a member of the JSON object, "" if absent. Borrowed. */
const char *reply_text(const struct reply *r, const char *name);
/* Tells on stderr why there is no good answer; one line a problem. Returns the exit code. */
enum outcome reply_explain(const struct reply *r);
/* OUTCOME_DONE for a good answer; else explained. */
enum outcome reply_outcome(const struct reply *r);
/* A good answer goes to stdout, as JSON or as `show` does it; else explained. */
enum outcome reply_print(const struct reply *r, bool as_json, void (*show)(const json_t *answer));

/* The reply is released and filled anew. `accept`: NULL for JSON. */
void client_get(struct client *c, const char *path, const char *accept, struct reply *out);
/* `body` may be NULL. `key`: Idempotency-Key, or NULL. */
void client_post(struct client *c, const char *path, const json_t *body, const char *key, struct reply *out);
void client_put(struct client *c, const char *path, const json_t *body, struct reply *out);
void client_delete(struct client *c, const char *path, struct reply *out);
/* GET of a job, or of what lies below it: "" or "/plan". */
void client_get_job(struct client *c, const char *id, const char *below, struct reply *out);

/* Appends "?name=value" or "&name=value", percent-encoded; nothing when value is NULL. */
void path_add(struct buf *path, const char *name, const char *value);
/* As one segment of a path. */
void path_add_segment(struct buf *path, const char *segment);
/* As segments: a slash stays one. */
void path_add_segments(struct buf *path, const char *segments);
/* Appends /v1/jobs/{id} and what lies below it, as it is. */
void path_add_job(struct buf *path, const char *id, const char *below);
const char *path_text(struct buf *path);

#endif
