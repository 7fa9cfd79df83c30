/* SPDX-License-Identifier: Apache-2.0 */
/* store_private: what store.c lends to store_indexes.c: a command of the database, with the same patience. */
#ifndef MILLRACE_CORE_STORE_PRIVATE_H
#define MILLRACE_CORE_STORE_PRIVATE_H

#include "core/store.h"

bool store_command(struct store *s, const bson_t *command, int64_t patience_ms, struct error *e);

#endif
