/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena_world: for tests of what is pure and needs nothing but memory: one arena for the program, which a test resets as it likes.
 */
#ifndef MILLRACE_TESTS_ARENA_WORLD_H
#define MILLRACE_TESTS_ARENA_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/arena.h"

static struct arena arena;

static inline int arena_set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static inline int arena_tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

#endif
