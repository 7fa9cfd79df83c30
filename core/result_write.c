/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_write: the writer of result tables. Rows gather in a block; a full block is deflated and written,
 * its place goes to the index. Memory: one block, and 24 bytes for each block written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "core/clock.h"
#include "core/result.h"
#include "core/result_file.h"

#define BLOCK_SIZE (64 * 1024)

struct column {
    enum result_type type;
    char *name; /* as given */
};

struct result_writer {
    int fd;
    char *root, *path, *temporary; /* path relative to root, the others ready to open */
    struct column *columns;
    size_t column_count;
    unsigned char sync[RESULT_SYNC_SIZE];
    struct buf raw;  /* rows of the open block */
    struct buf row;  /* the row being added */
    struct buf out;  /* the block as written */
    struct buf text; /* scratch */
    int64_t raw_rows, rows;
    uint64_t size;
    struct result_block *blocks;
    size_t block_count, block_cap;
    z_stream zip;
    bool zip_ready;
};

/* ---- output ---- */

static bool write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool put_out(struct result_writer *w, struct bytes data, struct error *e)
{
    if (!write_all(w->fd, data.data, data.len)) {
        return error_set(e, "result_error", "can't write %s: %s", w->temporary, strerror(errno));
    }
    w->size += data.len;
    return true;
}

/* Raw deflate of w->raw into w->out after what is there. */
static void deflate_block(struct result_writer *w)
{
    w->zip.next_in = (unsigned char *)w->raw.data;
    w->zip.avail_in = (uInt)w->raw.len;
    MUST(deflateReset(&w->zip) == Z_OK);
    size_t bound = deflateBound(&w->zip, (uLong)w->raw.len);
    buf_reserve(&w->out, bound);
    w->zip.next_out = (unsigned char *)w->out.data + w->out.len;
    w->zip.avail_out = (uInt)bound;
    MUST(deflate(&w->zip, Z_FINISH) == Z_STREAM_END);
    w->out.len += bound - w->zip.avail_out;
}

static void remember_block(struct result_writer *w, uint64_t crc)
{
    if (w->block_count == w->block_cap) {
        w->block_cap = w->block_cap == 0 ? 16 : w->block_cap * 2;
        w->blocks = realloc(w->blocks, w->block_cap * sizeof(*w->blocks));
        MUST(w->blocks != NULL);
    }
    w->blocks[w->block_count++] = (struct result_block){(uint64_t)(w->rows - w->raw_rows), w->size, crc};
}

static bool flush_block(struct result_writer *w, struct error *e)
{
    if (w->raw_rows == 0) {
        return true;
    }
    /* The head needs the packed size, which is known afterwards: pack behind a gap, then write head and body.
     */
    buf_clear(&w->out);
    deflate_block(w);
    buf_clear(&w->text);
    result_put_long(&w->text, w->raw_rows);
    result_put_long(&w->text, (int64_t)w->out.len);
    uLong crc = crc32(0, (const unsigned char *)w->text.data, (uInt)w->text.len);
    crc = crc32(crc, (const unsigned char *)w->out.data, (uInt)w->out.len);
    remember_block(w, crc);
    buf_add(&w->out, w->sync, RESULT_SYNC_SIZE);
    w->raw_rows = 0;
    buf_clear(&w->raw);
    return put_out(w, buf_bytes(&w->text), e) && put_out(w, buf_bytes(&w->out), e);
}

/* ---- header ---- */

static bool is_avro_name(const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                (i > 0 && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name[0] != '\0' && strlen(name) <= 255;
}

static bool is_taken(const struct result_column *columns, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(columns[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* c1, c2, ... for what Avro does not take or what is there twice; with more underscores if an original has
 * that name. */
static void field_name(
    const struct result_writer *w, const struct result_column *columns, size_t i, char *out, size_t size)
{
    if (is_avro_name(w->columns[i].name) && !is_taken(columns, i, columns[i].name)) {
        (void)snprintf(out, size, "%s", w->columns[i].name);
        return;
    }
    int underscores = 0;
    do {
        (void)snprintf(out, size, "c%zu%.*s", i + 1, underscores, "________________________________");
        underscores++;
    } while (is_taken(columns, w->column_count, bytes_of(out)) && underscores < 32);
}

/* Column names and comments come from an engine: valid UTF-8, as its lines are JSON. */
static char *schema_text(const struct result_writer *w, const struct result_column *columns)
{
    json_t *fields = json_array();
    for (size_t i = 0; i < w->column_count; i++) {
        char name[300];
        field_name(w, columns, i, name, sizeof(name));
        json_t *field = json_pack("{s:s, s:[s,s], s:n}", "name", name, "type", "null",
            result_type_names[w->columns[i].type], "default");
        MUST(field != NULL);
        if (!bytes_equal_text(columns[i].name, name)) {
            json_object_set_new(field, "doc", json_stringn(columns[i].name.data, columns[i].name.len));
        }
        if (columns[i].comment.data != NULL) {
            json_object_set_new(
                field, "comment", json_stringn(columns[i].comment.data, columns[i].comment.len));
        }
        json_array_append_new(fields, field);
    }
    json_t *schema = json_pack("{s:s, s:s, s:s, s:o}", "type", "record", "name", "Row", "namespace",
        "millrace.v1", "fields", fields);
    MUST(schema != NULL);
    char *text = json_dumps(schema, JSON_COMPACT);
    json_decref(schema);
    MUST(text != NULL);
    return text;
}

static void put_text(struct buf *out, const char *text)
{
    result_put_long(out, (int64_t)strlen(text));
    buf_add_text(out, text);
}

static bool write_header(struct result_writer *w, const struct result_column *columns, struct error *e)
{
    char *schema = schema_text(w, columns);
    buf_clear(&w->out);
    buf_add(&w->out, RESULT_MAGIC, 4);
    result_put_long(&w->out, 2);
    put_text(&w->out, "avro.schema");
    put_text(&w->out, schema);
    put_text(&w->out, "avro.codec");
    put_text(&w->out, "deflate");
    result_put_long(&w->out, 0);
    buf_add(&w->out, w->sync, RESULT_SYNC_SIZE);
    free(schema);
    return put_out(w, buf_bytes(&w->out), e);
}

/* ---- the public functions ---- */

static void writer_free(struct result_writer *w)
{
    if (w->fd >= 0) {
        (void)close(w->fd);
    }
    for (size_t i = 0; i < w->column_count; i++) {
        free(w->columns[i].name);
    }
    if (w->zip_ready) {
        (void)deflateEnd(&w->zip);
    }
    free(w->columns);
    free(w->root);
    free(w->path);
    free(w->temporary);
    free(w->blocks);
    buf_release(&w->raw);
    buf_release(&w->row);
    buf_release(&w->out);
    buf_release(&w->text);
    free(w);
}

void result_abandon(struct result_writer *w)
{
    if (w == NULL) {
        return;
    }
    (void)unlink(w->temporary);
    writer_free(w);
}

static void copy_columns(struct result_writer *w, const struct result_column *columns, size_t count)
{
    w->columns = calloc(count + 1, sizeof(*w->columns));
    MUST(w->columns != NULL);
    w->column_count = count;
    for (size_t i = 0; i < count; i++) {
        w->columns[i].type = result_type_of(columns[i].type);
        w->columns[i].name = bytes_dup(columns[i].name);
    }
}

struct result_writer *result_create(
    const struct result_place *p, const struct result_column *columns, size_t count, struct error *e)
{
    if (!result_place_is_safe(p, e)) {
        return NULL;
    }
    struct result_writer *w = calloc(1, sizeof(*w));
    MUST(w != NULL);
    w->fd = -1;
    w->path = result_place_path(p, BYTES("avro"));
    w->root = strdup(p->root);
    w->temporary = result_join(p->root, w->path, ".tmp");
    MUST(w->root != NULL);
    copy_columns(w, columns, count);
    MUST(getrandom(w->sync, sizeof(w->sync), 0) == (ssize_t)sizeof(w->sync));
    /* Level 1: a third of the time for a tenth more bytes. Raw deflate, as Avro wants it. */
    w->zip_ready = deflateInit2(&w->zip, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    MUST(w->zip_ready);
    if (!result_make_folders(p->root, w->path, e)) {
        writer_free(w);
        return NULL;
    }
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (w->fd < 0) {
        error_set(e, "result_error", "can't create %s: %s", w->temporary, strerror(errno));
        writer_free(w);
        return NULL;
    }
    if (!write_header(w, columns, e)) {
        result_abandon(w);
        return NULL;
    }
    return w;
}

static void put_bytes(struct buf *out, struct bytes b)
{
    result_put_long(out, (int64_t)b.len);
    buf_add_bytes(out, b);
}

static void put_double(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    for (int i = 0; i < 8; i++) {
        buf_add_char(out, (char)(bits >> (8 * i)));
    }
}

/* The doubles that JSON has no number for. */
static bool special_double(const json_t *v, double *out)
{
    static const struct {
        const char *name;
        double value;
    } special[] = {{"NaN", (double)__builtin_nanf("")}, {"Infinity", (double)__builtin_inff()},
        {"-Infinity", -(double)__builtin_inff()}};
    for (size_t i = 0; json_is_string(v) && i < 3; i++) {
        if (strcmp(json_string_value(v), special[i].name) == 0) {
            *out = special[i].value;
            return true;
        }
    }
    return false;
}

/* As text, for string columns: numbers and booleans. */
static bool put_as_text(struct result_writer *w, const json_t *v)
{
    if (json_is_string(v)) {
        put_bytes(&w->row, (struct bytes){json_string_value(v), json_string_length(v)});
        return true;
    }
    buf_clear(&w->text);
    if (json_is_integer(v)) {
        buf_printf(&w->text, "%lld", (long long)json_integer_value(v));
    } else if (json_is_real(v)) {
        buf_printf(&w->text, "%.17g", json_real_value(v));
    } else if (json_is_boolean(v)) {
        buf_add_text(&w->text, json_is_true(v) ? "true" : "false");
    } else {
        return false;
    }
    put_bytes(&w->row, buf_bytes(&w->text));
    return true;
}

static bool put_value(struct result_writer *w, enum result_type type, const json_t *v)
{
    double d = 0;
    if (json_is_null(v)) {
        result_put_long(&w->row, 0);
        return true;
    }
    result_put_long(&w->row, 1);
    switch (type) {
    case RESULT_LONG:
        if (!json_is_integer(v)) {
            return false;
        }
        result_put_long(&w->row, json_integer_value(v));
        return true;
    case RESULT_DOUBLE:
        if (json_is_number(v)) {
            d = json_number_value(v);
        } else if (!special_double(v, &d)) {
            return false;
        }
        put_double(&w->row, d);
        return true;
    case RESULT_BOOLEAN:
        buf_add_char(&w->row, json_is_true(v) ? 1 : 0);
        return json_is_boolean(v);
    case RESULT_STRING:
        return put_as_text(w, v);
    case RESULT_BYTES:
        buf_clear(&w->text);
        if (!json_is_string(v) ||
            !result_take_base64((struct bytes){json_string_value(v), json_string_length(v)}, &w->text)) {
            return false;
        }
        put_bytes(&w->row, buf_bytes(&w->text));
        return true;
    case RESULT_TYPES:
        break;
    }
    return false;
}

bool result_add(struct result_writer *w, const json_t *row, struct error *e)
{
    if (!json_is_array(row) || json_array_size(row) != w->column_count) {
        return error_set(e, "engine_protocol", "row %lld has %zu values for %zu columns",
            (long long)w->rows + 1, json_array_size(row), w->column_count);
    }
    buf_clear(&w->row);
    for (size_t i = 0; i < w->column_count; i++) {
        const json_t *v = json_array_get(row, i);
        if (!put_value(w, w->columns[i].type, v)) {
            char *shown = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
            error_set(e, "engine_protocol",
                "row %lld: column \"%s\" has the type %s, which does not take %.100s", (long long)w->rows + 1,
                w->columns[i].name, result_type_names[w->columns[i].type],
                shown == NULL ? "this value" : shown);
            free(shown);
            return false;
        }
    }
    if (w->row.len > RESULT_BLOCK_MAX - BLOCK_SIZE) {
        return error_set(e, "engine_protocol", "row %lld is too large", (long long)w->rows + 1);
    }
    buf_add_bytes(&w->raw, buf_bytes(&w->row));
    w->raw_rows++;
    w->rows++;
    return w->raw.len < BLOCK_SIZE || flush_block(w, e);
}

static void put_u64(struct buf *out, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        buf_add_char(out, (char)(v >> (8 * i)));
    }
}

/* Writes, syncs and renames the index. */
static bool write_index(struct result_writer *w, struct error *e)
{
    char *temporary = result_join(w->root, w->path, ".idx.tmp");
    char *final = result_join(w->root, w->path, ".idx");
    buf_clear(&w->out);
    buf_add(&w->out, RESULT_INDEX_MAGIC, 8);
    put_u64(&w->out, (uint64_t)w->rows);
    put_u64(&w->out, w->block_count);
    for (size_t i = 0; i < w->block_count; i++) {
        put_u64(&w->out, w->blocks[i].first_row);
        put_u64(&w->out, w->blocks[i].offset);
        put_u64(&w->out, w->blocks[i].crc);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool ok =
        fd >= 0 && write_all(fd, w->out.data, w->out.len) && fsync(fd) == 0 && rename(temporary, final) == 0;
    if (!ok) {
        error_set(e, "result_error", "can't write the index %s: %s", final, strerror(errno));
        (void)unlink(temporary);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(temporary);
    free(final);
    return ok;
}

static bool publish(struct result_writer *w, struct error *e)
{
    if (fsync(w->fd) != 0) {
        return error_set(e, "result_error", "can't sync %s: %s", w->temporary, strerror(errno));
    }
    if (!write_index(w, e)) {
        return false;
    }
    char *final = result_join(w->root, w->path, "");
    bool ok = rename(w->temporary, final) == 0;
    if (!ok) {
        error_set(e, "result_error", "can't rename %s: %s", w->temporary, strerror(errno));
    }
    free(final);
    return ok && result_sync_folder(w->root, w->path, e);
}

bool result_finish(struct result_writer *w, struct arena *a, struct job_result *out, struct error *e)
{
    if (!flush_block(w, e) || !publish(w, e)) {
        result_abandon(w);
        return false;
    }
    out->path = arena_copy(a, bytes_of(w->path));
    out->rows = w->rows;
    out->bytes = (int64_t)w->size;
    writer_free(w);
    return true;
}
