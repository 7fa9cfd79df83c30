/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * Variables in any code: no crash, no more than the limit, JSON stays JSON, and a refusal has a code that is known and a place. The first
 * line tells code type, a value for three of the variables, and the time, in any bytes; the rest is the code.
 */
#include <jansson.h>
#include <string.h>

#include "converter/variables.h"
#include "core/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 4096 };

static const char *const types[] = {"sql", "python", "shell", "scala", "java", "json", "text", "data_calc"};

static struct bytes take_field(struct bytes *line)
{
    const char *end = line->len > 0 ? memchr(line->data, '|', line->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - line->data) : line->len;
    struct bytes field = bytes_slice(*line, 0, len);

    *line = bytes_slice(*line, len + 1, line->len);
    return field;
}

static bool is_json(struct bytes text)
{
    json_t *value =
        json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);

    json_decref(value);
    return value != NULL;
}

static void check_problem(const struct variables_problem *problem)
{
    MUST(job_error_code(problem->code) != NULL && problem->message.len > 0);
    MUST(problem->line == NO_INT || problem->line >= 1);
}

static void check_text(struct bytes code, struct bytes code_type, struct bytes out, enum variables_end end)
{
    MUST(end != VARIABLES_REPLACED || out.len <= MAX_BYTES || bytes_equal_text(code_type, "java"));
    MUST(end != VARIABLES_NONE ||
         (out.len == code.len && (code.len == 0 || memcmp(out.data, code.data, code.len) == 0)));
    if (end == VARIABLES_REPLACED &&
        (bytes_equal_text(code_type, "json") || bytes_equal_text(code_type, "data_calc")))
        MUST(is_json(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = {(const char *)data, size};
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    struct bytes line = bytes_slice(all, 0, end != NULL ? (size_t)(end - all.data) : size);
    struct bytes code = bytes_slice(all, line.len + 1, size);
    struct bytes type = take_field(&line);
    struct bytes code_type = bytes_of(types[type.len > 0 ? (unsigned char)type.data[0] % 8 : 0]);
    struct pair pairs[] = {
        {BYTES("a"), take_field(&line)}, {BYTES("b-c"), take_field(&line)}, {BYTES("d"), take_field(&line)}};
    struct pairs given = {pairs, 3};
    int64_t at = 1715851812345;
    struct variables_problem problem;
    struct bytes out;
    struct arena a;

    bytes_parse_int64(take_field(&line), &at);
    arena_init(&a);
    const struct variables_input input = {.code = code,
        .code_type = code_type,
        .given = &given,
        .user = BYTES("ann"),
        .submitter = BYTES("ops"),
        .zone = zone_of_utc,
        .submitted_at = at,
        .max_bytes = MAX_BYTES};
    struct variables *v = variables_new(&input, &a, &problem);
    if (v != NULL) {
        enum variables_end done = variables_replace(v, 0, code.len, &out, &problem);
        if (done == VARIABLES_REFUSED)
            check_problem(&problem);
        else
            check_text(code, code_type, out, done);
        struct strings warnings = variables_warnings(v);
        MUST(warnings.count <= VARIABLE_WARNINGS_MAX);
        for (size_t i = 0; i < warnings.count; i++)
            MUST(warnings.items[i].len > 0 &&
                 memchr(warnings.items[i].data, '\n', warnings.items[i].len) == NULL);
    } else {
        check_problem(&problem);
    }
    arena_release(&a);
    return 0;
}
