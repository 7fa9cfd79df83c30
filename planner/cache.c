/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: see cache.h. The hash is over items with their lengths before them, so that no two lists of items look alike.
 */
#include "planner/cache.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

/* Raise it when something else gets into the key. */
#define KEY_VERSION 1

static void add_number(EVP_MD_CTX *hash, int64_t number)
{
    unsigned char out[8];

    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (unsigned char)((uint64_t)number >> (8 * i));
    MUST(EVP_DigestUpdate(hash, out, sizeof(out)) == 1);
}

static void add(EVP_MD_CTX *hash, struct bytes text)
{
    add_number(hash, (int64_t)text.len);
    if (text.len > 0)
        MUST(EVP_DigestUpdate(hash, text.data, text.len) == 1);
}

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;

    return bytes_compare(x->key, y->key);
}

/* A map has no order. */
static void add_pairs(EVP_MD_CTX *hash, const struct pairs *pairs, struct arena *a)
{
    struct pair *sorted = arena_array(a, pairs->count, sizeof(*sorted));

    if (pairs->count > 0) {
        memcpy(sorted, pairs->items, pairs->count * sizeof(*sorted));
        qsort(sorted, pairs->count, sizeof(*sorted), by_key);
    }
    add_number(hash, (int64_t)pairs->count);
    for (size_t i = 0; i < pairs->count; i++) {
        add(hash, sorted[i].key);
        add(hash, sorted[i].value);
    }
}

static void add_unit(EVP_MD_CTX *hash, const struct unit *u)
{
    add(hash, u->name);
    add(hash, u->code_type);
    add(hash, u->place_count > 1 ? u->strategy : BYTES_NONE);
    add_number(hash, (int64_t)u->place_count);
    for (size_t i = 0; i < u->place_count; i++) {
        add(hash, u->places[i].engine);
        add(hash, u->places[i].target);
    }
    add_number(hash, (int64_t)u->after.count);
    for (size_t i = 0; i < u->after.count; i++)
        add_number(hash, (int64_t)u->after.items[i]->number);
    add_number(hash, (int64_t)u->count);
    for (size_t i = 0; i < u->count; i++)
        add(hash, unit_statement_text(u, &u->statements[i]));
}

static struct bytes hex(const unsigned char *digest, size_t len, struct arena *a)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(a, 2 * len + 1);

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 0x0F];
    }
    return (struct bytes){text, 2 * len};
}

static struct bytes key_of(const struct tree *t)
{
    const struct job *j = t->job;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        log_fatal("no_hash", "what=\"SHA-256 of libcrypto\"");
    add_number(hash, KEY_VERSION);
    add(hash, j->creator);
    add(hash, j->user);
    add(hash, j->pool); /* a target's name may mean another server there */
    add_pairs(hash, &j->conf, t->arena);
    add_pairs(hash, &j->variables, t->arena);
    add_number(hash, j->limits.max_result_rows);
    add_number(hash, (int64_t)t->units.count);
    for (size_t i = 0; i < t->units.count; i++)
        add_unit(hash, t->units.items[i]);
    MUST(EVP_DigestFinal_ex(hash, digest, &len) == 1);
    EVP_MD_CTX_free(hash);
    return hex(digest, len, t->arena);
}

bool use_cache(struct tree *t)
{
    int64_t ttl_ms;

    if (!job_cache_ttl(t->job, &ttl_ms) || ttl_ms == NO_INT)
        return true;
    t->job->cache = arena_alloc(t->arena, sizeof(*t->job->cache));
    *t->job->cache = (struct job_cache){key_of(t), ttl_ms};
    return true;
}
