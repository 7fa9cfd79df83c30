/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_bson: the small BSON helpers of the ledger's files. Text is appended by length, never as an operator. */
#include <ctype.h>
#include <string.h>

#include "core/ledger_run.h"

/* ---- reading ---- */

struct bytes ledger_text_of(const bson_iter_t *it)
{
    uint32_t len = 0;
    if (!BSON_ITER_HOLDS_UTF8(it))
        return BYTES_NONE;
    const char *text = bson_iter_utf8(it, &len);
    return (struct bytes){text, len};
}

struct bytes ledger_binary_of(const bson_iter_t *it)
{
    uint32_t len = 0;
    const uint8_t *data = NULL;
    if (!BSON_ITER_HOLDS_BINARY(it))
        return BYTES_NONE;
    bson_iter_binary(it, NULL, &len, &data);
    return (struct bytes){(const char *)data, len};
}

struct bytes ledger_text(const bson_t *doc, const char *key)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, key) ? ledger_text_of(&it) : BYTES_NONE;
}

struct bytes ledger_binary(const bson_t *doc, const char *key)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, key) ? ledger_binary_of(&it) : BYTES_NONE;
}

int64_t ledger_int(const bson_t *doc, const char *key)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, key) ? bson_iter_as_int64(&it) : 0;
}

int64_t ledger_time(const bson_t *doc, const char *key)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, key) && BSON_ITER_HOLDS_DATE_TIME(&it) ? bson_iter_date_time(&it)
                                                                                : NO_TIME;
}

bool ledger_uuid(const bson_t *doc, const char *key, struct uuid *out)
{
    struct bytes text = ledger_text(doc, key);
    return text.data && uuid_parse(text, out);
}

size_t ledger_array(
    const bson_t *doc, const char *key, void (*each)(void *self, const bson_t *element), void *self)
{
    bson_iter_t it, elements;
    size_t count = 0;
    if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &elements))
        return 0;
    for (; bson_iter_next(&elements); count++) {
        uint32_t len;
        const uint8_t *data;
        bson_t element;
        if (!each || !BSON_ITER_HOLDS_DOCUMENT(&elements))
            continue;
        bson_iter_document(&elements, &len, &data);
        if (bson_init_static(&element, data, len))
            each(self, &element);
    }
    return count;
}

enum run_state ledger_state_of(struct bytes name)
{
    int s = 0;
    while (s < RUN_STATES && !bytes_equal_text(name, run_state_name((enum run_state)s)))
        s++;
    return (enum run_state)s;
}

/* ---- writing ---- */

void ledger_append_id(bson_t *doc, const char *key, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    bson_append_utf8(doc, key, -1, text, UUID_TEXT_LEN);
}

void ledger_append_binary(bson_t *doc, const char *key, struct bytes data)
{
    bson_append_binary(
        doc, key, -1, BSON_SUBTYPE_BINARY, (const uint8_t *)(data.data ? data.data : ""), (uint32_t)data.len);
}

void ledger_append_time(bson_t *doc, const char *key, int64_t at)
{
    if (at != NO_TIME)
        bson_append_date_time(doc, key, -1, at);
}

void id_list_begin(struct id_list *l, bson_t *filter)
{
    l->count = 0;
    bson_append_document_begin(filter, "_id", -1, &l->in);
    bson_append_array_begin(&l->in, "$in", -1, &l->array);
}

void id_list_add_text(struct id_list *l, struct bytes id)
{
    char key_space[16];
    const char *key;
    bson_uint32_to_string((uint32_t)l->count++, &key, key_space, sizeof key_space);
    bson_add_text(&l->array, key, id);
}

void id_list_add(struct id_list *l, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    id_list_add_text(l, (struct bytes){text, UUID_TEXT_LEN});
}

void id_list_end(struct id_list *l, bson_t *filter)
{
    bson_append_array_end(&l->in, &l->array);
    bson_append_document_end(filter, &l->in);
}

void ledger_append_ids(bson_t *filter, const struct uuid *ids, size_t count, size_t stride)
{
    struct id_list in;
    id_list_begin(&in, filter);
    for (size_t i = 0; i < count; i++)
        id_list_add(&in, (const struct uuid *)(const void *)((const char *)ids + i * stride));
    id_list_end(&in, filter);
}

void ledger_append_texts(bson_t *filter, const struct bytes *ids, size_t count)
{
    struct id_list in;
    id_list_begin(&in, filter);
    for (size_t i = 0; i < count; i++)
        id_list_add_text(&in, ids[i]);
    id_list_end(&in, filter);
}

bool ledger_find_texts(struct store *s, const char *collection, const struct bytes *ids, size_t count,
    const struct store_reader *reader, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    ledger_append_texts(&filter, ids, count);
    bool ok = store_find(s, collection, &filter, NULL, reader, 0, e);
    bson_destroy(&filter);
    return ok;
}

/* ---- keys of nodes ---- */

static bool is_plain(struct bytes id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!isalnum((unsigned char)id.data[i]) && id.data[i] != '_' && id.data[i] != '-')
            return false;
    return id.len > 0;
}

void ledger_node_key(const char *prefix, struct bytes id, struct buf *out)
{
    buf_add_text(out, prefix);
    if (is_plain(id)) {
        buf_add_bytes(out, id);
    } else {
        buf_add_char(out, '%');
        for (size_t i = 0; i < id.len; i++)
            buf_printf(out, "%02x", (unsigned char)id.data[i]);
    }
    buf_add_char(out, '\0');
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : 0;
}

struct bytes ledger_node_id(const char *key, struct arena *a)
{
    if (key[0] != '%')
        return arena_copy(a, bytes_of(key));
    size_t len = (strlen(key) - 1) / 2;
    char *id = arena_alloc(a, len + 1);
    for (size_t i = 0; i < len; i++)
        id[i] = (char)(hex_digit(key[1 + 2 * i]) * 16 + hex_digit(key[2 + 2 * i]));
    return (struct bytes){id, len};
}
