/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_bson: the small BSON helpers of the ledger's files. Text is appended by length, never as an operator. */
#include "core/ledger_private.h"

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

void ledger_append_binary(bson_t *doc, const char *key, struct bytes data)
{
    bson_append_binary(
        doc, key, -1, BSON_SUBTYPE_BINARY, (const uint8_t *)(data.data ? data.data : ""), (uint32_t)data.len);
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
