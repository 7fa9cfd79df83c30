/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: aligned columns on stdout. Widths are those of the characters on a terminal, not bytes. Control characters in cells are
 * shown as escapes: data must neither break the lines nor steer the terminal.
 */
#ifndef MILLRACE_CLI_TABLE_H
#define MILLRACE_CLI_TABLE_H

#include <jansson.h>

#include "core/bytes.h"

struct table;
/* `heads`: NULL-terminated; NULL for a table without a head line. */
struct table *table_new(size_t columns, const char *const *heads);
void table_free(struct table *t);
void table_right(struct table *t, size_t column); /* align to the right */
/* Cells are added row by row, from the left. Copied. */
void table_add(struct table *t, struct bytes cell);
void table_add_text(struct table *t, const char *cell);
void table_add_json(
    struct table *t, const json_t *value); /* a string as it is, null as "null", absent (NULL) as "" */
void table_print(const struct table *t);

/* "2026-01-31T08:30:00.123Z" as "2026-01-31 08:30:00Z"; other text as it is. */
struct bytes time_shown(const char *text, char out[32]);
/* Pretty JSON and a line end. */
void print_json(const json_t *value);

#endif
