/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer: small pieces of JSON answers. All are new references.
 */
#ifndef MILLRACE_INGEST_ANSWER_H
#define MILLRACE_INGEST_ANSWER_H

#include <jansson.h>

#include "core/orders.h"

json_t *answer_text(struct bytes text);           /* any bytes; null when there are none */
json_t *answer_time(int64_t utc_ms);              /* RFC 3339; null for NO_INT */
json_t *answer_order(const struct order *o);      /* {"by", "reason", "at"}; NULL: null */
void answer_add(json_t *object, json_t *members); /* takes `members` */

#endif
