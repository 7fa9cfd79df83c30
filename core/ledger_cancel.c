/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_cancel: ingest's side of a cancel (the executor's: ledger_orders.c). The rules stand in ledger.h. */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_run.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)
#define CANCEL_KEEP_MS (30 * DAY_MS)

#define CANCEL_PREFIX "job:"

static bool cancel_insert(struct store *store, const struct uuid *id, struct bytes by, struct bytes reason,
    int64_t now, int64_t patience_ms, struct error *e)
{
    char key[sizeof CANCEL_PREFIX + UUID_TEXT_LEN] = CANCEL_PREFIX;
    uuid_format(id, key + strlen(CANCEL_PREFIX));
    bson_t doc = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&doc, "_id", key);
    BSON_APPEND_UTF8(&doc, "kind", "cancel");
    BSON_APPEND_UTF8(&doc, "job_id", key + strlen(CANCEL_PREFIX));
    bson_add_text(&doc, "by", by);
    bson_add_text(&doc, "reason", reason);
    BSON_APPEND_DATE_TIME(&doc, "at", now);
    BSON_APPEND_DATE_TIME(&doc, "expire_at", now + CANCEL_KEEP_MS);
    const bson_t *docs[1] = {&doc};
    bool duplicate = false;
    bool ok = store_insert(store, "cancels", docs, 1, &duplicate, patience_ms, e);
    bson_destroy(&doc);
    return ok;
}

bool ledger_cancel(struct store *store, const struct uuid *id, struct bytes by, struct bytes reason,
    int64_t now, struct arena *a, struct run *run, bool *found, int64_t patience_ms, struct error *e)
{
    if (!cancel_insert(store, id, by, reason, now, patience_ms, e))
        return false;
    bson_t filter = BSON_INITIALIZER, doc;
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    BSON_APPEND_UTF8(&filter, "_id", text);
    bson_t *opts = BCON_NEW("projection", "{", "payload", BCON_INT32(0), "nodes", BCON_INT32(0), "}");
    bool ok = store_find_one(store, "runs", &filter, opts, &doc, found, patience_ms, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok || !*found)
        return ok;
    ledger_run_read(&doc, a, run);
    bson_destroy(&doc);
    return true;
}
