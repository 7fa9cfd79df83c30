/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: POST /v1/jobs/{id}/cancel, body optional: {"reason": text, "by": text}. Many at once: cancel_many.h.
 *
 * The cancel is written with majority, then the ledger is read, and the answer goes by that (core/orders.h).
 * 202 {"job_id", "was": pending|queued|running, "state"}: nothing of the job starts any more, what runs
 * is being killed; or it ended in this very moment. 200 {"was": "final", "state"}: it had ended, nothing was
 * changed. A repeat is answered like the first.
 */
#ifndef MILLRACE_INGEST_CANCEL_H
#define MILLRACE_INGEST_CANCEL_H

#include "core/http.h"

void cancel_post(void *ingest, struct http_request *r);

/* What a cancel met, by the ledger's state of the job. */
enum cancel_was {
    WAS_PENDING /* not in the ledger yet */,
    WAS_QUEUED,
    WAS_RUNNING,
    WAS_FINAL,
    WAS_UNKNOWN,
    WAS_KINDS
};
extern const char *const cancel_was_names[WAS_KINDS];
enum cancel_was cancel_was(struct bytes ledger_state);

#endif
