/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec-tool: records between forms, for tests in other languages and for people. Lines in, lines out.
 *
 *   codec-tool encode NAME     JSON objects -> framed records as hex
 *   codec-tool decode NAME     framed records as hex -> JSON objects
 *   codec-tool schema NAME     prints the Avro schema; schemas/NAME.avsc is this text
 *   codec-tool fingerprint     an Avro schema on stdin -> its CRC-64-AVRO
 *   codec-tool markdown        prints docs/reference/records.md
 *   codec-tool errors          prints docs/reference/errors.md
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/codec.h"
#include "core/job.h"

struct tool {
    struct codec *codec;
    const struct shape *shape;
    struct arena arena;
    struct error e;
};

static int fail(const char *what, const struct error *e)
{
    fprintf(stderr, "codec-tool: %s: %s: %s\n", what, e->code, e->text);
    return 1;
}

static int encode_line(struct tool *t, struct bytes line)
{
    json_error_t why;
    json_t *object = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!object) {
        fprintf(stderr, "codec-tool: %s\n", why.text);
        return 1;
    }
    void *record = arena_alloc(&t->arena, t->shape->size);
    struct field_problems problems;
    struct buf framed;
    buf_init(&framed);
    bool ok = shape_from_json(t->shape, object, SHAPE_NUL, &t->arena, record, &problems);
    for (size_t i = 0; i < problems.count; i++)
        fprintf(stderr, "codec-tool: %.*s: %.*s\n", BYTES_ARG(problems.items[i].field),
            BYTES_ARG(problems.items[i].detail));
    int status = !ok;
    if (ok && !codec_encode(t->codec, t->shape, record, &framed, &t->e))
        status = fail("encode", &t->e);
    for (size_t i = 0; i < framed.len; i++)
        printf("%02x", (unsigned)(unsigned char)framed.data[i]);
    printf("\n");
    buf_release(&framed);
    json_decref(object);
    return status;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool read_hex(struct bytes line, struct buf *out)
{
    for (size_t i = 0; i + 1 < line.len; i += 2) {
        int high = hex_digit(line.data[i]);
        int low = hex_digit(line.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        buf_add_char(out, (char)(high << 4 | low));
    }
    return line.len % 2 == 0;
}

static int decode_line(struct tool *t, struct bytes line)
{
    struct buf framed;
    buf_init(&framed);
    void *record = arena_alloc(&t->arena, t->shape->size);
    int status = 1;
    if (!read_hex(bytes_trim(line), &framed)) {
        fprintf(stderr, "codec-tool: not hex\n");
    } else if (codec_decode(t->codec, t->shape, buf_bytes(&framed), false, &t->arena, record, &t->e) !=
               CODEC_OK) {
        status = fail("decode", &t->e);
    } else {
        json_t *object = shape_to_json(t->shape, record, 0);
        char *text = json_dumps(object, JSON_COMPACT);
        printf("%s\n", text ? text : "null");
        free(text);
        json_decref(object);
        status = 0;
    }
    buf_release(&framed);
    return status;
}

static int each_line(struct tool *t, int (*take)(struct tool *, struct bytes))
{
    char *line = NULL;
    size_t cap = 0;
    int status = 0;
    for (ssize_t len; (len = getline(&line, &cap, stdin)) > 0;) {
        status |= take(t, (struct bytes){line, (size_t)len});
        arena_reset(&t->arena);
    }
    free(line);
    return status;
}

static int fingerprint_of_stdin(void)
{
    struct buf text;
    struct error e;
    uint64_t fingerprint = 0;
    char block[4096];
    buf_init(&text);
    for (size_t n; (n = fread(block, 1, sizeof block, stdin)) > 0;)
        buf_add(&text, block, n);
    bool ok = codec_fingerprint(buf_bytes(&text), &fingerprint, &e);
    if (ok)
        printf("%016llx\n", (unsigned long long)fingerprint);
    buf_release(&text);
    return ok ? 0 : fail("fingerprint", &e);
}

static int print_buf(struct buf *text)
{
    fwrite(text->data, 1, text->len, stdout);
    buf_release(text);
    return 0;
}

static int print_markdown(void)
{
    struct buf text;
    buf_init(&text);
    buf_add_text(&text,
        "# Records\n\nMade from core/job_shapes.c. Which topic carries which record, and the framing: "
        "schemas/README.md.\n\n");
    for (size_t i = 0; job_shapes[i]; i++)
        shape_markdown(job_shapes[i], &text);
    return print_buf(&text);
}

static int print_errors(void)
{
    struct buf text;
    buf_init(&text);
    buf_add_text(&text, "# Error codes\n\nMade from core/job_errors.c. In the answers of REST (`code`, "
                        "`errors[].code`), in a job's `error.code`, "
                        "and in the header `dead_code` of a dead letter.\nA code is never renamed and never "
                        "gets another meaning. The class says who "
                        "has to act; HTTP is the status of an answer with this code.\n\n| code | class | "
                        "HTTP | meaning |\n|---|---|---|---|\n");
    for (const struct error_code *row = job_error_codes; row->code; row++) {
        buf_printf(&text, "| `%s` | %s | ", row->code, error_class_names[row->class]);
        if (row->http_status)
            buf_printf(&text, "%d", row->http_status);
        buf_printf(&text, " | %s |\n", row->meaning);
    }
    return print_buf(&text);
}

static int print_schema(const struct shape *shape)
{
    struct buf text;
    buf_init(&text);
    shape_schema(shape, &text);
    return print_buf(&text);
}

static int usage(void)
{
    fprintf(stderr, "usage: codec-tool encode|decode|schema NAME, codec-tool fingerprint|markdown|errors\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "fingerprint") == 0)
        return fingerprint_of_stdin();
    if (strcmp(verb, "markdown") == 0)
        return print_markdown();
    if (strcmp(verb, "errors") == 0)
        return print_errors();
    struct tool t = {.shape = NULL};
    for (size_t i = 0; argc == 3 && job_shapes[i]; i++)
        if (strcmp(job_shapes[i]->name, argv[2]) == 0)
            t.shape = job_shapes[i];
    if (!t.shape)
        return usage();
    if (strcmp(verb, "schema") == 0)
        return print_schema(t.shape);
    t.codec = codec_new(NULL);
    arena_init(&t.arena);
    int status = 2;
    if (strcmp(verb, "encode") == 0)
        status = each_line(&t, encode_line);
    else if (strcmp(verb, "decode") == 0)
        status = each_line(&t, decode_line);
    else
        usage();
    arena_release(&t.arena);
    codec_free(t.codec);
    return status;
}
