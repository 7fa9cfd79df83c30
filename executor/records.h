/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records: the planned topic as the rules see it. Takes batches of what has come, decodes them, hands them to rules_intake, and commits
 * their offsets once the rules have them in the ledger and every dead letter of the batch is delivered. Offsets never wait for a job.
 *
 * A record that can't be read goes to jobs.dead; the job it carries, where that can be known, ends as refused. A record that can't be read
 * *now* (the schema registry does not answer) is held and read again, and nothing behind it of any partition is taken meanwhile.
 *
 * Records at which earlier readers died are taken one at a time, and a death is counted before the record is touched (core/progress.h);
 * after the third the record goes to jobs.dead as `poison`, and its job ends as refused.
 */
#ifndef MILLRACE_EXECUTOR_RECORDS_H
#define MILLRACE_EXECUTOR_RECORDS_H

#include "executor/executor.h"

#define RECORDS_DUE_HEADER "due" /* of a delayed job's record that was sent again because its time has come */

struct records *records_new(struct executor *x);
/* Before the consumer is closed, which still tells of revoked partitions; then free. NULL is fine for both. */
void records_give_back(struct records *r);
void records_free(struct records *r);
/* Takes a batch when the rules want one and one is there. Returns the boot ms when it is to be called again without anything new
 * (INT64_MAX: never). */
int64_t records_serve(struct records *r, int64_t now_boot);
/* The rules' answer (rules_world.taken). */
void records_taken(struct records *r, struct rules_batch *b, bool ok);
/* Is a batch under way? */
bool records_busy(const struct records *r);
/* The process ends on purpose now: the death that was counted for a careful record is taken back, if Kafka answers within a moment. */
void records_take_back(struct records *r);
/* consumer_events. self: struct executor */
void records_assigned(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset);
void records_revoked(void *self, const char *topic, int32_t partition, bool lost);

#endif
