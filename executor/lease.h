/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease: this executor's proof of life. A thread of its own raises the counter of our `instances` document every
 * renew_ms. The lease lasts hold_ms from the *sending* of the last acknowledged renewal, by our own CLOCK_BOOTTIME; then nothing is
 * launched any more, the engines are killed (the guard does so even if we can't) and the process ends. A renewal that finds `over`
 * means another executor has ended it: the same.
 *
 * With every renewal the thread also reads which runs are `running` under our name, so that starts whose answer was lost go back
 * to the queue.
 */
#ifndef MILLRACE_EXECUTOR_LEASE_H
#define MILLRACE_EXECUTOR_LEASE_H

#include "core/ledger.h"
#include "executor/clerk.h"

struct lease;
struct lease_options {
    const struct ledger *ledger;
    const char *host;
    int64_t renew_ms, hold_ms;
    /* In the loop's thread (through the desk), after each acknowledged renewal: the lease is good until then (boot ms), and these
     * runs are ours in the ledger's eyes. */
    void (*renewed)(void *self, int64_t until_boot_ms, const struct runs *mine);
    void (*over)(void *self);
    void *self;
    struct desk *desk;
};
/* Creates the document (waits for the store) and starts the thread. NULL: asked to stop while waiting. */
struct lease *lease_open(const struct lease_options *o, struct error *e);
/* Stops renewing: no news is posted after this; what was posted is still to be served. Idempotent; NULL is fine. */
void lease_stop(struct lease *l);
/* Stops renewing and ends the lease in the ledger, so that nobody waits for it. Call when nothing runs any more. */
void lease_close(struct lease *l);
bool lease_is_valid(const struct lease *l);
int64_t lease_until(const struct lease *l); /* boot ms */

#endif
