/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_body: the body of POST /v1/jobs, as one submission and as lines. What is accepted must hold what the rest of the program
 * relies on: valid names, UTF-8 without NUL, and a stub that can be built of it.
 */
/* LIBS: ingest */
#include "ingest/post.h"
#include "ingest/stub.h"
#include "tests/unit/engines_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct folder_engine engines[] = {
    {"noop", "\"code_types\":[\"noop\"],\"targets\":[\"t\"],\"conf\":[\"t\"]"}};
static struct engines_folder folder;

static void leave(void)
{
    engines_folder_close(&folder);
}

static void enter(void)
{
    MUST(engines_folder_open(&folder, engines, 1));
    MUST(atexit(leave) == 0);
}

static void check_refused(const struct refusal *why)
{
    MUST(why->status == 400 || why->status == 413 || why->status == 422);
    MUST(why->detail.len > 0 && bytes_is_utf8(why->detail));
    MUST(why->problems.count <= SHAPE_PROBLEMS_MAX);
}

static void check_accepted(struct submission *s, struct arena *a)
{
    submit_identify(s, 1700000000000, BYTES_NONE, a);
    MUST(job_name_is_valid(s->job.creator) && job_name_is_valid(s->job.user));
    MUST(bytes_is_utf8(s->job.code) && bytes_is_utf8(s->job.name));
    MUST(bytes_trim(s->job.code).len > 0 || s->job.parts.count > 0);
    bson_t *stub = stub_new(s, BYTES("framed"), 0, 0, NULL);
    MUST(bson_validate(stub, BSON_VALIDATE_UTF8, NULL));
    bson_destroy(stub);
}

static void try_one(struct bytes text, struct arena *a)
{
    const struct submit_rules rules = {64 * 1024, folder.list};
    struct submission s;
    const struct refusal *why = NULL;
    if (submit_parse(&rules, text, BYTES_NONE, a, &s, &why))
        check_accepted(&s, a);
    else
        check_refused(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = {(const char *)data, size}, line;
    struct arena a;
    if (!folder.list)
        enter();
    arena_init(&a);
    try_one(body, &a);
    while (post_next_line(&body, &line))
        try_one(line, &a);
    arena_release(&a);
    return 0;
}
