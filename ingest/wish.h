/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish: what the handlers that change something read of a request: a JSON object, and in it who asks and why: {"by", "reason"}, both
 * optional, at most 1024 bytes each. A function that returns false has answered.
 */
#ifndef MILLRACE_INGEST_WISH_H
#define MILLRACE_INGEST_WISH_H

#include "core/http.h"
#include "core/orders.h"

/* The body as an object; a body that is blank is an empty one. New reference. */
bool wish_object(struct http_request *r, json_t **out);
/* Takes "by" and "reason" out of the object. What is wrong is added to the problems. `at` is now. */
void wish_order(struct http_request *r, json_t *object, struct order *out, struct field_problems *problems);
/* Refuses (400 invalid) what is left in the object, and problems. */
bool wish_settled(struct http_request *r, json_t *object, struct field_problems *problems);
/* All three, for a body that may hold nothing else. */
bool wish_read(struct http_request *r, struct order *out);

#endif
