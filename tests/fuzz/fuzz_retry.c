/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * Retry patterns of users: whatever stands in the first line, the check gives an answer in words or takes it; and what it takes is
 * searched for in the rest in bounded time and memory (the fuzzer's own limits).
 */
#include <string.h>

#include "core/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = {(const char *)data, size};
    const char *end = size ? memchr(all.data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - all.data) : size;
    struct bytes pattern = bytes_slice(all, 0, len);
    struct job_retry rules = {.errors = {&pattern, 1}};
    struct job_error error = {.code = BYTES("code_error"), .message = bytes_slice(all, len + 1, size)};
    struct arena a;
    arena_init(&a);
    const char *problem = retry_pattern_problem(pattern, &a);
    MUST(!problem || problem[0] != '\0');
    bool fits = retry_rule_fits(&rules, NO_INT, &error, &a);
    MUST(!problem || !fits);
    arena_release(&a);
    return 0;
}
