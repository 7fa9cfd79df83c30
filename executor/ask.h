/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask: what the rules want from the ledger: one statement each. The rules fill the question; whoever performs it fills the answer
 * and gives the ask back by rules_answered, in any order. In production a clerk's thread performs it (executor/perform.c calls the
 * function of core/ledger.h that is named here); in the simulator a model does.
 *
 * The answer's memory is the ask's arena. The question is borrowed from the rules: it stays valid until the answer is given back. An
 * ask whose answer never comes (the process stops) is told with ok = false.
 */
#ifndef MILLRACE_EXECUTOR_ASK_H
#define MILLRACE_EXECUTOR_ASK_H

#include "core/run.h"

enum ask_kind {
    ASK_PAGE,          /* ledger_page: partition, after, limit -> runs */
    ASK_LOOK,          /* ledger_look: group, limit -> runs */
    ASK_GROUP,         /* ledger_group: group, after, limit -> runs */
    ASK_FIND,          /* ledger_find: ids, with_payload, bytes_max -> runs */
    ASK_MINE,          /* ledger_mine -> runs */
    ASK_WAKE,          /* ledger_wake: partitions, after (a wake_at), limit -> runs */
    ASK_INSERT,        /* ledger_insert: inserts, outcome -> inserts[].duplicate */
    ASK_DUE,           /* ledger_due: dues */
    ASK_START,         /* ledger_start: starts -> modified */
    ASK_CLOSE,         /* ledger_close: closes, outcome -> modified */
    ASK_NODE,          /* ledger_node: ids[0], attempt, node -> yes: it is still ours */
    ASK_OUTCOME,       /* ledger_outcome: lines, outcome */
    ASK_SETTLE,        /* ledger_settle: names = outcomes */
    ASK_UNSENT,        /* ledger_unsent: older_than, limit -> unsents */
    ASK_ORDERS,        /* ledger_orders: ids, groups -> cancels, holds */
    ASK_CANCELS,       /* ledger_cancels: after, older_than (UTC ms) -> ids, found */
    ASK_HOLDS,         /* ledger_holds -> names = held groups, yes: drain was asked for */
    ASK_HOLD,          /* ledger_hold: names = groups, reasons beside them */
    ASK_RENEW,         /* ledger_renew: counter -> renewal */
    ASK_LEASES,        /* ledger_leases: names = instances -> leases */
    ASK_END_LEASE,     /* ledger_end_lease: names[0] = instance, counter -> yes: it is over */
    ASK_HOLDERS,       /* ledger_holders: names = selectors -> holders */
    ASK_HOLDERS_WRITE, /* ledger_holders_write: holders[0] -> yes: it was written */
    ASK_KINDS
};
extern const char *const ask_kind_names[ASK_KINDS];

/* Asks of one lane are given out one at a time, so they are done in order; lanes don't wait for each other. */
enum ask_lane { LANE_INTAKE, LANE_START, LANE_FINISH, LANE_HOUSE, LANE_LEASE, ASK_LANES };

enum ask_renewal { ASK_RENEWED, ASK_RENEW_OVER, ASK_RENEW_UNANSWERED };

struct ask {
    enum ask_kind kind;
    enum ask_lane lane;
    struct arena *memory; /* of the answer */
    int64_t now;          /* UTC ms, for the documents' times */

    /* the question; which of it counts stands at the kind */
    int32_t partition;
    int64_t after, older_than, attempt, counter;
    size_t limit, count; /* count: of the array that the question has */
    bool with_payload;
    size_t bytes_max;
    struct bytes group;
    char outcome[UUID_TEXT_LEN + 1];
    struct uuid *ids;
    int32_t *partitions;
    struct bytes *groups, *names, *reasons;
    struct run_insert *inserts;
    struct run_due *dues;
    struct run_start *starts;
    struct run_close *closes;
    struct outcome_line *lines;
    struct run_node node;
    struct holders *holders;

    /* the answer */
    bool ok; /* false: it was not done, because the process stops */
    bool yes;
    int64_t modified;
    enum ask_renewal renewal;
    struct runs runs;
    struct order_seen *cancels, *holds; /* beside ids */
    struct unsent *unsents;
    struct lease_seen *leases; /* beside names */
    size_t found;              /* of unsents; of names for ASK_HOLDS; of ids for ASK_CANCELS */

    void *performer; /* for whoever performs it */
};

#endif
