/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alive: see alive.h.
 */
#include "ingest/alive.h"

#include <pthread.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/clock.h"
#include "core/log.h"
#include "ingest/instance.h"
#include "ingest/request.h"

struct alive {
    struct store *store;
    int64_t patience_ms;
    pthread_mutex_t lock; /* also while it is read: one asks for all */
    json_t *pools;        /* name -> how many; NULL: the latest reading failed, or there was none */
    struct error failure; /* of the latest reading, with pools NULL */
    int64_t read_at;      /* boot ms; 0: never */
};

struct alive *alive_open(struct store *store, int64_t store_patience_ms)
{
    struct alive *al = calloc(1, sizeof *al);
    if (!al)
        log_fatal("no_memory", "bytes=%zu", sizeof *al);
    al->store = store;
    al->patience_ms = store_patience_ms;
    pthread_mutex_init(&al->lock, NULL);
    return al;
}

void alive_close(struct alive *al)
{
    if (!al)
        return;
    json_decref(al->pools);
    pthread_mutex_destroy(&al->lock);
    free(al);
}

struct reading {
    json_t *pools;
    int64_t now; /* UTC ms */
};

static bool row(void *self, const bson_t *doc)
{
    struct reading *reading = self;
    struct bytes pool = doc_text(doc, "pool");
    if (!pool.data || instance_is_dead(doc, reading->now))
        return true;
    json_int_t before = json_integer_value(json_object_getn(reading->pools, pool.data, pool.len));
    json_object_setn_new(reading->pools, pool.data, pool.len, json_integer(before + 1));
    return true;
}

static void start_again(void *self)
{
    json_object_clear(((struct reading *)self)->pools);
}

static void read_anew(struct alive *al)
{
    struct reading reading = {json_object(), clock_utc_ms()};
    struct store_reader reader = {row, start_again, &reading};
    bson_t *filter = BCON_NEW("over", "{", "$exists", BCON_BOOL(false), "}");
    bool ok = store_find(al->store, "instances", filter, NULL, &reader, al->patience_ms, &al->failure);
    bson_destroy(filter);
    json_decref(al->pools);
    al->pools = ok ? reading.pools : NULL;
    if (!ok)
        json_decref(reading.pools);
    al->read_at = clock_boot_ms();
}

bool alive_count(struct alive *al, struct bytes pool, int64_t *count, struct error *e)
{
    pthread_mutex_lock(&al->lock);
    if (al->read_at == 0 || clock_boot_ms() - al->read_at >= ALIVE_KEEP_MS)
        read_anew(al);
    bool known = al->pools != NULL;
    *count = known ? json_integer_value(json_object_getn(al->pools, pool.data, pool.len)) : 0;
    if (!known)
        *e = al->failure;
    pthread_mutex_unlock(&al->lock);
    return known;
}
