/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: see arena.h. A list of blocks, newest first; memory is taken from the newest. Blocks double up to 1
 * MiB, and a reset keeps the largest of those, so that a steady load soon runs in one block without malloc.
 * What is larger than a block gets one of its own behind the newest. Memory that is not handed out is
 * poisoned under AddressSanitizer: use after a reset and overruns show as with malloc.
 */
#include "core/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(data, len) ASAN_POISON_MEMORY_REGION(data, len)
#define UNPOISON(data, len) ASAN_UNPOISON_MEMORY_REGION(data, len)
enum { GAP_BYTES = 16 }; /* between two allocations */
#else
#define POISON(data, len) ((void)(data), (void)(len))
#define UNPOISON(data, len) ((void)(data), (void)(len))
enum { GAP_BYTES = 0 };
#endif

enum { BLOCK_MIN = 4096, BLOCK_MAX = 1024 * 1024 }; /* with the header */
enum { GROW_MIN = 8 };                              /* items */

struct arena_block {
    struct arena_block *next;
    size_t size; /* of data */
    size_t used; /* of data */
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
    a->blocks = NULL;
    a->used_bytes = 0;
}

static void block_free(struct arena_block *block)
{
    UNPOISON(block->data, block->size);
    free(block);
}

static void blocks_free(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        block_free(block);
        block = next;
    }
}

void arena_release(struct arena *a)
{
    blocks_free(a->blocks);
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;

    for (struct arena_block *block = a->blocks; block;) {
        struct arena_block *next = block->next;
        if (block->size + sizeof(*block) <= BLOCK_MAX && (!kept || block->size > kept->size)) {
            struct arena_block *smaller = kept;
            kept = block;
            block = smaller;
        }
        if (block)
            block_free(block);
        block = next;
    }
    if (kept) {
        kept->next = NULL;
        kept->used = 0;
        POISON(kept->data, kept->size);
    }
    a->blocks = kept;
    a->used_bytes = 0;
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (!block)
        log_fatal("out_of_memory", "bytes=%zu", size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    POISON(block->data, block->size);
    return block;
}

/* The newest block has no room for `size` (already rounded): a block that has. */
static struct arena_block *block_for(struct arena *a, size_t size)
{
    struct arena_block *newest = a->blocks;
    size_t whole = newest ? (newest->size + sizeof(*newest)) * 2 : BLOCK_MIN;

    if (whole > BLOCK_MAX)
        whole = BLOCK_MAX;
    if (newest && size > whole / 4) { /* large: don't give up the rest of the newest block for it */
        struct arena_block *own = block_new(size);
        own->next = newest->next;
        newest->next = own;
        return own;
    }
    while (whole - sizeof(*newest) < size && whole < BLOCK_MAX)
        whole *= 2;
    size_t room = whole - sizeof(*newest);
    struct arena_block *block = block_new(size > room ? size : room);
    block->next = newest;
    a->blocks = block;
    return block;
}

/* Memory that is not zeroed yet. */
static void *take(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 4)
        log_fatal("out_of_memory", "bytes=%zu", size);
    size_t rounded = (size + GAP_BYTES + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < rounded)
        block = block_for(a, rounded);
    void *memory = block->data + block->used;
    block->used += rounded;
    a->used_bytes += rounded;
    UNPOISON(memory, size);
    return memory;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *memory = take(a, size);
    memset(memory, 0, size);
    return memory;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        log_fatal("out_of_memory", "count=%zu size=%zu", count, size);
    return arena_alloc(a, total);
}

char *arena_text(struct arena *a, struct bytes b)
{
    char *copy = take(a, b.len + 1);
    if (b.len > 0)
        memcpy(copy, b.data, b.len);
    copy[b.len] = '\0';
    return copy;
}

void *arena_grow(struct arena *a, void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = count > GROW_MIN / 2 ? 2 * count : GROW_MIN;
    void *larger = arena_array(a, *room, size);
    if (count > 0)
        memcpy(larger, items, count * size);
    return larger;
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
    if (!b.data)
        return BYTES_NONE;
    return (struct bytes){arena_text(a, b), b.len};
}

struct bytes arena_printf(struct arena *a, const char *format, ...)
{
    char small[256];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    MUST(len >= 0);
    if ((size_t)len < sizeof(small))
        return arena_copy(a, (struct bytes){small, (size_t)len});
    char *text = take(a, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return (struct bytes){text, (size_t)len};
}
