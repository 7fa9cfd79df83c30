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

void ledger_append_item(bson_t *array, uint32_t index, struct bytes text)
{
    char key_space[16];
    const char *key;
    bson_uint32_to_string(index, &key, key_space, sizeof key_space);
    bson_add_text(array, key, text);
}

void ledger_append_id(bson_t *array, uint32_t index, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    ledger_append_item(array, index, (struct bytes){text, UUID_TEXT_LEN});
}

void ledger_append_ids(bson_t *filter, const struct uuid *ids, size_t count, size_t stride)
{
    bson_t in, array;
    bson_append_document_begin(filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++)
        ledger_append_id(
            &array, (uint32_t)i, (const struct uuid *)(const void *)((const char *)ids + i * stride));
    bson_append_array_end(&in, &array);
    bson_append_document_end(filter, &in);
}
