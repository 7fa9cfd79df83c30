/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_read: the reader of result tables. It reads files of our own writer, but trusts none of their bytes:
 * lengths, counts and types are checked before they are used, and blocks are compared with the index's CRC
 * where there is one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/result.h"
#include "core/result_file.h"

#define HEADER_USUAL (16u * 1024)
#define HEADER_MAX (4u * 1024 * 1024)
#define COLUMNS_MAX 65536
#define BLOCK_HEAD_MAX 20 /* two varints */

struct result_reader {
    int fd;
    char *path; /* for messages */
    uint64_t size, first_block;
    unsigned char sync[RESULT_SYNC_SIZE];
    struct arena arena; /* the columns' texts */
    struct result_column *columns;
    enum result_type *types;
    size_t column_count;
    uint64_t rows;
    struct result_block *blocks;
    size_t block_count;
    struct buf packed, raw, text;
};

static bool corrupt(const struct result_reader *r, struct error *e, const char *what)
{
    return error_set(e, "result_corrupt", "the result file %s is damaged: %s", r->path, what);
}

/* Fills out with exactly len bytes from offset; false: the file ends before. */
static bool read_at(int fd, uint64_t offset, void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t n = pread(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

/* ---- header ---- */

static bool take_bytes(struct bytes *in, struct bytes *out)
{
    int64_t len;
    if (!result_take_long(in, &len) || len < 0 || (uint64_t)len > in->len) {
        return false;
    }
    *out = bytes_slice(*in, 0, (size_t)len);
    *in = bytes_slice(*in, (size_t)len, in->len - (size_t)len);
    return true;
}

/* "type": ["null", T] */
static bool field_type(const json_t *field, enum result_type *out)
{
    const json_t *type = json_object_get(field, "type");
    const char *null = json_string_value(json_array_get(type, 0));
    const char *name = json_string_value(json_array_get(type, 1));
    if (json_array_size(type) != 2 || null == NULL || strcmp(null, "null") != 0 || name == NULL) {
        return false;
    }
    *out = result_type_of(bytes_of(name));
    return strcmp(name, result_type_names[*out]) == 0;
}

static struct bytes kept_text(struct result_reader *r, const json_t *v)
{
    return json_is_string(v)
               ? arena_copy(&r->arena, (struct bytes){json_string_value(v), json_string_length(v)})
               : BYTES_NONE;
}

static bool take_schema(struct result_reader *r, struct bytes text)
{
    json_t *schema = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
    const json_t *fields = json_object_get(schema, "fields");
    size_t count = json_array_size(fields);
    bool ok = count > 0 && count <= COLUMNS_MAX && r->columns == NULL;
    if (ok) {
        r->column_count = count;
        r->columns = arena_array(&r->arena, count, sizeof(*r->columns));
        r->types = arena_array(&r->arena, count, sizeof(*r->types));
    }
    for (size_t i = 0; ok && i < count; i++) {
        const json_t *field = json_array_get(fields, i);
        const json_t *name = json_object_get(field, "doc");
        name = name == NULL ? json_object_get(field, "name") : name;
        ok = json_is_string(name) && field_type(field, &r->types[i]);
        if (ok) {
            r->columns[i].name = kept_text(r, name);
            r->columns[i].type = bytes_of(result_type_names[r->types[i]]);
            r->columns[i].comment = kept_text(r, json_object_get(field, "comment"));
        }
    }
    json_decref(schema);
    return ok;
}

static bool take_meta(struct result_reader *r, struct bytes *in, bool *deflated)
{
    int64_t count;
    while (result_take_long(in, &count)) {
        int64_t size;
        if (count == 0) {
            return true;
        }
        if (count < 0 && (count == INT64_MIN || !result_take_long(in, &size))) {
            return false;
        }
        for (count = count < 0 ? -count : count; count > 0; count--) {
            struct bytes key;
            struct bytes value;
            if (!take_bytes(in, &key) || !take_bytes(in, &value)) {
                return false;
            }
            if (bytes_equal_text(key, "avro.schema") && !take_schema(r, value)) {
                return false;
            }
            *deflated =
                *deflated || (bytes_equal_text(key, "avro.codec") && bytes_equal_text(value, "deflate"));
        }
    }
    return false;
}

/* Reads the first `len` bytes, and the header if it is no longer than that. */
static bool try_header(struct result_reader *r, size_t len)
{
    bool deflated = false;
    buf_clear(&r->raw);
    buf_reserve(&r->raw, len);
    if (len < 4 || !read_at(r->fd, 0, r->raw.data, len) || memcmp(r->raw.data, RESULT_MAGIC, 4) != 0) {
        return false;
    }
    r->raw.len = len;
    r->columns = NULL;
    struct bytes in = bytes_slice(buf_bytes(&r->raw), 4, len - 4);
    if (!take_meta(r, &in, &deflated) || r->columns == NULL || !deflated || in.len < RESULT_SYNC_SIZE) {
        return false;
    }
    memcpy(r->sync, in.data, RESULT_SYNC_SIZE);
    r->first_block = len - in.len + RESULT_SYNC_SIZE;
    return true;
}

static bool read_header(struct result_reader *r, struct error *e)
{
    size_t little = r->size < HEADER_USUAL ? (size_t)r->size : HEADER_USUAL;
    size_t much = r->size < HEADER_MAX ? (size_t)r->size : HEADER_MAX;
    return try_header(r, little) || (much > little && try_header(r, much)) ||
           corrupt(r, e, "its header is no table's");
}

/* ---- blocks ---- */

struct head {
    int64_t rows;
    uint64_t body, body_len; /* offset and size of the packed rows */
    uint64_t end;            /* of the block, behind its sync marker */
};

static bool read_head(const struct result_reader *r, uint64_t offset, struct head *out)
{
    char head[BLOCK_HEAD_MAX];
    if (offset >= r->size) {
        return false;
    }
    size_t len = r->size - offset < sizeof(head) ? (size_t)(r->size - offset) : sizeof(head);
    int64_t packed;
    if (!read_at(r->fd, offset, head, len)) {
        return false;
    }
    struct bytes in = {head, len};
    if (!result_take_long(&in, &out->rows) || !result_take_long(&in, &packed) || out->rows <= 0 ||
        packed <= 0 || packed > 2 * (int64_t)RESULT_BLOCK_MAX) {
        return false;
    }
    out->body = offset + len - in.len;
    out->body_len = (uint64_t)packed;
    out->end = out->body + out->body_len + RESULT_SYNC_SIZE;
    char sync[RESULT_SYNC_SIZE];
    return out->end <= r->size && read_at(r->fd, out->end - RESULT_SYNC_SIZE, sync, sizeof(sync)) &&
           memcmp(sync, r->sync, sizeof(sync)) == 0;
}

/* Finds the blocks by walking from head to head. */
static bool scan(struct result_reader *r, struct error *e)
{
    size_t cap = 0;
    free(r->blocks);
    r->blocks = NULL;
    r->block_count = 0;
    r->rows = 0;
    for (uint64_t at = r->first_block; at < r->size;) {
        struct head h;
        if (!read_head(r, at, &h) || r->rows + (uint64_t)h.rows > (uint64_t)INT64_MAX) {
            return corrupt(r, e, "a block is cut off or its marker is wrong");
        }
        if (r->block_count == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            r->blocks = realloc(r->blocks, cap * sizeof(*r->blocks));
            MUST(r->blocks != NULL);
        }
        r->blocks[r->block_count++] = (struct result_block){r->rows, at, RESULT_CRC_UNKNOWN};
        r->rows += (uint64_t)h.rows;
        at = h.end;
    }
    return true;
}

static uint64_t get_u64(const char *data)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = (v << 8) | (unsigned char)data[i];
    }
    return v;
}

/* Does the index describe this file? Order of all entries, and the last block to the file's last byte. */
static bool index_fits(const struct result_reader *r)
{
    uint64_t end = r->first_block;
    for (size_t i = 0; i < r->block_count; i++) {
        const struct result_block *b = &r->blocks[i];
        bool first = i == 0 && b->first_row == 0 && b->offset == r->first_block;
        bool later = i > 0 && b->first_row > b[-1].first_row && b->offset > b[-1].offset;
        if ((!first && !later) || b->first_row >= r->rows) {
            return false;
        }
    }
    if (r->block_count > 0) {
        const struct result_block *last = &r->blocks[r->block_count - 1];
        struct head h;
        if (!read_head(r, last->offset, &h) || last->first_row + (uint64_t)h.rows != r->rows) {
            return false;
        }
        end = h.end;
    }
    return end == r->size && (r->block_count > 0 || r->rows == 0);
}

static bool load_index(struct result_reader *r, const char *path)
{
    struct buf name;
    buf_init(&name);
    buf_printf(&name, "%s.idx", path);
    buf_add_char(&name, '\0');
    int fd = open(name.data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    buf_release(&name);
    struct stat info;
    char head[RESULT_INDEX_HEAD];
    char *data = NULL;
    bool ok = fd >= 0 && fstat(fd, &info) == 0 && read_at(fd, 0, head, sizeof(head)) &&
              memcmp(head, RESULT_INDEX_MAGIC, 8) == 0;
    uint64_t count = ok ? get_u64(head + 16) : 0;
    ok = ok && count < (1u << 30) && (uint64_t)info.st_size == RESULT_INDEX_HEAD + count * RESULT_INDEX_ENTRY;
    if (ok) {
        size_t len = (size_t)(count * RESULT_INDEX_ENTRY);
        data = malloc(len + 1);
        r->blocks = calloc((size_t)count + 1, sizeof(*r->blocks));
        MUST(data != NULL && r->blocks != NULL);
        ok = read_at(fd, RESULT_INDEX_HEAD, data, len);
        r->rows = get_u64(head + 8);
        r->block_count = (size_t)count;
    }
    for (size_t i = 0; ok && i < r->block_count; i++) {
        const char *at = data + i * RESULT_INDEX_ENTRY;
        r->blocks[i] = (struct result_block){get_u64(at), get_u64(at + 8), get_u64(at + 16)};
    }
    free(data);
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok && r->rows <= (uint64_t)INT64_MAX && index_fits(r);
}

/* Raw inflate of r->packed into r->raw. */
static bool inflate_block(struct result_reader *r)
{
    z_stream z = {0};
    int n = Z_OK;
    if (inflateInit2(&z, -15) != Z_OK) {
        return false;
    }
    buf_clear(&r->raw);
    z.next_in = (unsigned char *)r->packed.data;
    z.avail_in = (uInt)r->packed.len;
    while (n == Z_OK && r->raw.len <= RESULT_BLOCK_MAX) {
        buf_reserve(&r->raw, 256 * 1024);
        size_t room = r->raw.cap - r->raw.len;
        room = room > RESULT_BLOCK_MAX ? RESULT_BLOCK_MAX : room;
        z.next_out = (unsigned char *)r->raw.data + r->raw.len;
        z.avail_out = (uInt)room;
        n = inflate(&z, Z_NO_FLUSH);
        r->raw.len += room - z.avail_out;
        if (n == Z_BUF_ERROR || (n == Z_OK && z.avail_in == 0 && z.avail_out > 0)) {
            break; /* the stream is cut off */
        }
    }
    bool ok = n == Z_STREAM_END && z.avail_in == 0;
    (void)inflateEnd(&z);
    return ok;
}

static bool load_block(struct result_reader *r, size_t index, int64_t *rows, struct error *e)
{
    const struct result_block *b = &r->blocks[index];
    uint64_t next = index + 1 < r->block_count ? b[1].first_row : r->rows;
    struct head h;
    if (!read_head(r, b->offset, &h) || (uint64_t)h.rows != next - b->first_row) {
        return corrupt(r, e, "a block is not what the index says");
    }
    uint64_t head_len = h.body - b->offset;
    buf_clear(&r->packed);
    buf_reserve(&r->packed, (size_t)(head_len + h.body_len));
    if (!read_at(r->fd, b->offset, r->packed.data, (size_t)(head_len + h.body_len))) {
        return corrupt(r, e, "a block can't be read");
    }
    r->packed.len = (size_t)(head_len + h.body_len);
    uLong crc = crc32(0, (const unsigned char *)r->packed.data, (uInt)r->packed.len);
    if (b->crc != RESULT_CRC_UNKNOWN && b->crc != crc) {
        return corrupt(r, e, "a block does not fit its checksum");
    }
    buf_consume(&r->packed, (size_t)head_len);
    if (!inflate_block(r)) {
        return corrupt(r, e, "a block can't be unpacked");
    }
    *rows = h.rows;
    return true;
}

/* ---- rows ---- */

static json_t *double_value(double d)
{
    if (isnan(d)) {
        return json_string("NaN");
    }
    return isinf(d) ? json_string(d > 0 ? "Infinity" : "-Infinity") : json_real(d);
}

static json_t *take_double(struct bytes *in)
{
    if (in->len < 8) {
        return NULL;
    }
    uint64_t bits = get_u64(in->data);
    double d;
    memcpy(&d, &bits, sizeof(d));
    *in = bytes_slice(*in, 8, in->len - 8);
    return double_value(d);
}

static json_t *take_boolean(struct bytes *in)
{
    if (in->len < 1 || (unsigned char)in->data[0] > 1) {
        return NULL;
    }
    json_t *v = json_boolean(in->data[0] == 1);
    *in = bytes_slice(*in, 1, in->len - 1);
    return v;
}

/* A new reference, or NULL: the bytes are no such value. */
static json_t *take_value(struct result_reader *r, enum result_type type, struct bytes *in)
{
    int64_t n;
    struct bytes b;
    if (!result_take_long(in, &n) || n < 0 || n > 1) {
        return NULL;
    }
    if (n == 0) {
        return json_null();
    }
    switch (type) {
    case RESULT_LONG:
        return result_take_long(in, &n) ? json_integer(n) : NULL;
    case RESULT_DOUBLE:
        return take_double(in);
    case RESULT_BOOLEAN:
        return take_boolean(in);
    case RESULT_STRING: /* json_stringn refuses what is not UTF-8 */
        return take_bytes(in, &b) ? json_stringn(b.data, b.len) : NULL;
    case RESULT_BYTES:
        if (!take_bytes(in, &b)) {
            return NULL;
        }
        buf_clear(&r->text);
        buf_reserve(&r->text, 1);
        result_put_base64(&r->text, b);
        return json_stringn(r->text.data, r->text.len);
    case RESULT_TYPES:
        break;
    }
    return NULL;
}

static json_t *take_row(struct result_reader *r, struct bytes *in)
{
    json_t *row = json_array();
    for (size_t i = 0; i < r->column_count; i++) {
        json_t *v = take_value(r, r->types[i], in);
        if (v == NULL) {
            json_decref(row);
            return NULL;
        }
        json_array_append_new(row, v);
    }
    return row;
}

/* The block that holds the row. */
static size_t find_block(const struct result_reader *r, uint64_t row)
{
    size_t low = 0;
    size_t high = r->block_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (r->blocks[middle].first_row <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Rows of one block from `skip` on; *left counts down. */
static bool give_rows(struct result_reader *r, int64_t rows, uint64_t skip, int64_t *left,
    bool (*row)(void *self, const json_t *values), void *self, struct error *e)
{
    struct bytes in = buf_bytes(&r->raw);
    for (int64_t i = 0; i<rows && * left> 0; i++) {
        json_t *values = take_row(r, &in);
        if (values == NULL) {
            return corrupt(r, e, "a row can't be read");
        }
        if ((uint64_t)i >= skip) {
            *left = row(self, values) ? *left - 1 : 0;
        }
        json_decref(values);
    }
    return true;
}

bool result_read(struct result_reader *r, int64_t offset, int64_t limit,
    bool (*row)(void *self, const json_t *values), void *self, struct error *e)
{
    if (offset < 0 || limit <= 0 || (uint64_t)offset >= r->rows) {
        return true;
    }
    uint64_t at = (uint64_t)offset;
    int64_t left = limit;
    for (size_t i = find_block(r, at); i < r->block_count && left > 0; i++) {
        int64_t rows = 0;
        uint64_t skip = at > r->blocks[i].first_row ? at - r->blocks[i].first_row : 0;
        if (!load_block(r, i, &rows, e) || !give_rows(r, rows, skip, &left, row, self, e)) {
            return false;
        }
    }
    return true;
}

/* ---- open and close ---- */

static struct result_reader *open_file(struct result_reader *r, const char *whole, struct error *e)
{
    struct stat info;
    r->fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0) {
        error_set(e, "result_missing", "can't open the result file %s: %s", r->path, strerror(errno));
        return NULL;
    }
    if (fstat(r->fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        error_set(e, "result_missing", "the result file %s is no plain file", r->path);
        return NULL;
    }
    r->size = (uint64_t)info.st_size;
    return read_header(r, e) && (load_index(r, whole) || scan(r, e)) ? r : NULL;
}

struct result_reader *result_open(const char *root, struct bytes path, struct error *e)
{
    if (!result_path_is_inside(path)) {
        error_set(e, "result_missing", "\"%.*s\" is no path of a result",
            (int)(path.len > 200 ? 200 : path.len), path.data == NULL ? "" : path.data);
        return NULL;
    }
    struct result_reader *r = calloc(1, sizeof(*r));
    MUST(r != NULL);
    r->fd = -1;
    arena_init(&r->arena);
    buf_init(&r->packed);
    buf_init(&r->raw);
    buf_init(&r->text);
    r->path = arena_text(&r->arena, path);
    struct buf whole;
    buf_init(&whole);
    buf_printf(&whole, "%s/%s", root, r->path);
    buf_add_char(&whole, '\0');
    struct result_reader *opened = open_file(r, whole.data, e);
    buf_release(&whole);
    if (opened == NULL) {
        result_close(r);
    }
    return opened;
}

void result_close(struct result_reader *r)
{
    if (r == NULL) {
        return;
    }
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    free(r->blocks);
    buf_release(&r->packed);
    buf_release(&r->raw);
    buf_release(&r->text);
    arena_release(&r->arena);
    free(r);
}

int64_t result_rows(const struct result_reader *r)
{
    return (int64_t)r->rows;
}

size_t result_columns(const struct result_reader *r, const struct result_column **out)
{
    *out = r->columns;
    return r->column_count;
}
