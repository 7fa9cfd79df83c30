/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bugs: deliberate mistakes in the rules, for the simulator only: each must be caught by its checker (tests/sim). Without
 * MILLRACE_SIM none of them is compiled in.
 */
#ifndef MILLRACE_EXECUTOR_BUGS_H
#define MILLRACE_EXECUTOR_BUGS_H

enum bug {
    BUG_NONE,
    BUG_DUPLICATE_IGNORED,     /* duplicate at intake ignored */
    BUG_LOSER_DROPS_PARTITION, /* loser of a compare-and-set drops the partition */
    BUG_LEDGER_BEFORE_OFFSET,  /* ledger read before the committed offset is fetched */
    BUG_HEAD_FROM_QUEUED_ONLY, /* next head taken from queued jobs only: what runs elsewhere is not seen */
    BUG_SCAN_BY_STATE,         /* takeover scan by state */
    BUG_UNSENT_CLEARED_EARLY,  /* unsent cleared too early */
    BUG_UNANSWERED_FORGOTTEN,  /* an unanswered start forgotten */
    BUG_LEASE_REVIVES,         /* a lease that revives */
    BUG_LEASE_FROM_ACK,        /* lease counted from the acknowledgement */
    BUG_ATTEMPT_REUSED,        /* attempt number reused after a drain */
    BUG_DRAIN_BEFORE_DEATH,    /* drain before the child is dead */
    BUG_CANCELS_BEFORE_INSERT, /* cancels looked up before the insert */
    BUG_CANCEL_FROM_JOBS,      /* cancel answered from `jobs` */
    BUG_START_BEFORE_FINISH,   /* next start sent before the finish is acknowledged */
    BUG_HEAD_SKIPPED,          /* head skipped during backoff */
    BUGS
};

#ifdef MILLRACE_SIM
extern enum bug rules_bug; /* which one is on */
#define BUG(name) (rules_bug == BUG_##name)
#else
#define BUG(name) false
#endif

#endif
