/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group: GET /v1/groups, and POST /v1/groups/{creator}/{user}/hold and /release.
 *
 * The groups that have unfinished jobs in the ledger, or are held, by name; a group that uses two pools stands there for each.
 * {"groups": [{"group", "creator", "user", "pool", "depth" (queued), "running", "delayed", "waiting_since", "wait_ms" (of the
 * job that waits longest; null when none does), "held" null|{"by", "reason", "at"}, "max_running"}], "next_cursor"}. A held group
 * without jobs has no pool. Jobs on their way to the ledger are not in these numbers yet.
 *
 * hold: nothing of the group starts until it is released; what runs goes on. Both may be repeated; the first hold counts. 200:
 * {"group", "held", "by", "reason", "at"}, {"group", "held": false, "was_held"}.
 */
#ifndef MILLRACE_INGEST_GROUP_H
#define MILLRACE_INGEST_GROUP_H

#include "core/http.h"

void groups_get(void *ingest, struct http_request *r);
void group_hold(void *ingest, struct http_request *r);
void group_release(void *ingest, struct http_request *r);

#endif
