/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: memory is zeroed, aligned, never handed out twice before a reset, and a steady load runs in one
 * block.
 */
/* LIBS: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/log.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 2000; size += 7) {
            unsigned char *memory = arena_alloc(&a, size);
            assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(memory[i], 0);
            memset(memory, 0xAA, size);
        }
        arena_reset(&a);
    }
    arena_release(&a);
}

static void allocations_do_not_overlap(void **state)
{
    enum { COUNT = 3000 };
    static unsigned char *items[COUNT];
    static size_t sizes[COUNT];
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = i % 97 == 0 ? 300000 : i * 31 % 500 + 1; /* now and then larger than a block */
        items[i] = arena_alloc(&a, sizes[i]);
        memset(items[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i][0], i % 251);
        assert_int_equal(items[i][sizes[i] - 1], i % 251);
    }
    arena_release(&a);
}

static size_t block_count(const struct arena *a)
{
    /* The first member of a block is the next one (core/arena.c). */
    size_t count = 0;
    for (const void *block = a->blocks; block; block = *(const void *const *)block)
        count++;
    return count;
}

static void a_reset_forgets_all_and_keeps_one_block(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    arena_reset(&a);
    assert_null(a.blocks);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 1000; i++)
            arena_alloc(&a, 800);
        assert_true(a.used_bytes >= 800000);
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
        assert_int_equal(block_count(&a), 1);
    }
    for (int i = 0; i < 1000; i++)
        arena_alloc(&a, 800);
    assert_int_equal(block_count(&a), 1); /* warm: no new blocks */
    arena_alloc(&a, 5 * 1024 * 1024);
    arena_reset(&a);
    assert_int_equal(block_count(&a), 1); /* the large one is not kept */
    arena_release(&a);
    assert_null(a.blocks);
    arena_release(&a);
}

static void copies_end_with_a_nul_and_none_stays_none(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    struct bytes copy = arena_copy(&a, BYTES("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.data, "a\0b\0", 4);
    assert_null(arena_copy(&a, BYTES_NONE).data);
    assert_non_null(arena_copy(&a, BYTES("")).data);
    assert_string_equal(arena_text(&a, BYTES_NONE), "");
    assert_string_equal(arena_text(&a, BYTES("text")), "text");
    arena_release(&a);
}

static void printf_takes_short_and_long_texts(void **state)
{
    struct arena a;
    char longer[1000];

    (void)state;
    arena_init(&a);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "a").data, "7-a");
    for (int len = 250; len < 260; len++) {
        struct bytes text = arena_printf(&a, "%.*s", len, longer);
        assert_int_equal(text.len, len);
        assert_int_equal(strlen(text.data), len);
    }
    assert_string_equal(arena_printf(&a, "%s", longer).data, longer);
    assert_int_equal(arena_printf(&a, "%s", "").len, 0);
    arena_release(&a);
}

static void an_array_that_overflows_ends_the_process(void **state)
{
    int status;

    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct arena a;
        arena_init(&a);
        close(STDERR_FILENO);
        arena_array(&a, SIZE_MAX / 2, 4);
        _exit(77);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_BROKEN);
}

static void a_list_grows_one_by_one_and_keeps_what_it_has(void **state)
{
    enum { ITEMS = 5000 };
    struct arena a;
    int *items = NULL;
    size_t room = 0;

    (void)state;
    arena_init(&a);
    for (int i = 0; i < ITEMS; i++) {
        const int *before = items;
        size_t had = room;
        items = arena_grow(&a, items, (size_t)i, &room, sizeof(*items));
        MUST(items != NULL);
        assert_true(room > (size_t)i);
        assert_true((items == before) == (room == had));
        items[i] = i;
    }
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(items[i], i);
    /* Not the square of their number. */
    assert_true(a.used_bytes < 8 * ITEMS * sizeof(*items));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(a_reset_forgets_all_and_keeps_one_block),
        cmocka_unit_test(a_list_grows_one_by_one_and_keeps_what_it_has),
        cmocka_unit_test(copies_end_with_a_nul_and_none_stays_none),
        cmocka_unit_test(printf_takes_short_and_long_texts),
        cmocka_unit_test(an_array_that_overflows_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
