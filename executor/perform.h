/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perform: does what the rules asked of the ledger (executor/ask.h): one call of core/ledger.h each. It blocks; from any thread. A call
 * that fails although the process goes on (the server refuses for good) ends the process: nothing more is done, a restart recovers.
 */
#ifndef MILLRACE_EXECUTOR_PERFORM_H
#define MILLRACE_EXECUTOR_PERFORM_H

#include "core/ledger.h"
#include "executor/ask.h"

/* Fills the answer. ASK_RENEW has patience: a->limit ms; without an answer by then it tells ASK_RENEW_UNANSWERED. */
void perform(const struct ledger *l, struct ask *a);

#endif
