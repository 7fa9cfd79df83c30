/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: the memory of a batch. Everything that lives as long as one batch of records (or one HTTP request) is
 * taken from an arena and goes at once with arena_reset. No single free, no destructor. Memory is zeroed and
 * aligned for any standard type (a bson_t needs more). Running out of memory ends the process.
 */
#ifndef MILLRACE_CORE_ARENA_H
#define MILLRACE_CORE_ARENA_H

#include "core/bytes.h"

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out since the last reset */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
/* Forgets everything; keeps up to 1 MiB of blocks for the next batch. */
void arena_reset(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size); /* overflow ends the process */
/* Room for one more behind `count` items: the same array while *room is larger, else a copy of twice the room (the old one stays where it
 * is, so that all copies together are no more than twice the last). */
void *arena_grow(struct arena *a, void *items, size_t count, size_t *room, size_t size);
struct bytes arena_copy(struct arena *a, struct bytes b); /* the copy is followed by a NUL byte */
char *arena_text(struct arena *a, struct bytes b);        /* the copy as a C string */
struct bytes arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
