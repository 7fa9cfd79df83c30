/* SPDX-License-Identifier: Apache-2.0 */
/* perform: a table of asks; each row calls the ledger and lays the answer where the rules look for it. */
#include "executor/perform.h"

#include "core/log.h"
#include "core/store.h"
#include "core/uuid.h"

typedef bool performer(const struct ledger *l, struct ask *a, struct error *e);

/* ---- runs ---- */

static bool do_page(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_page(l, a->partition, a->after, a->limit, a->memory, &a->runs, e);
}

static bool do_look(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_look(l, a->group, a->limit, a->memory, &a->runs, e);
}

static bool do_group(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_group(l, a->group, a->after, a->limit, a->memory, &a->runs, e);
}

static bool do_find(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_find(l, a->ids, a->count, a->with_payload, a->bytes_max, a->memory, &a->runs, e);
}

static bool do_mine(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_mine(l, a->memory, &a->runs, e);
}

static bool do_wake(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_wake(l, a->partitions, a->count, a->after, a->now, a->limit, a->memory, &a->runs, e);
}

static bool do_insert(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_insert(l, a->inserts, a->count, a->outcome, a->now, a->memory, e);
}

static bool do_due(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_due(l, a->dues, a->count, a->now, e);
}

static bool do_start(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_start(l, a->starts, a->count, a->now, &a->modified, e);
}

static bool do_close(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_close(l, a->closes, a->count, a->outcome, a->now, &a->modified, e);
}

/* Whether the attempt is still ours is then seen with the next write. */
static bool do_node(const struct ledger *l, struct ask *a, struct error *e)
{
    if (ledger_node(l, &a->ids[0], a->attempt, &a->node, &a->yes, e))
        return true;
    if (!error_is(e, STORE_TOO_LARGE))
        return false;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&a->ids[0], id);
    log_warn("node_not_recorded",
        "job=%s node=%.*s text=\"its run is full: after a crash this node runs again\"", id,
        BYTES_ARG(a->node.id));
    return a->yes = true;
}

/* ---- outcomes ---- */

static bool do_outcome(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_outcome(l, a->outcome, a->lines, a->count, a->now, e);
}

static bool do_settle(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_settle(l, a->names, a->count, a->now, e);
}

static bool do_unsent(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_unsent(l, a->older_than, a->limit, a->memory, &a->unsents, &a->found, e);
}

/* ---- cancels and holds ---- */

static bool do_orders(const struct ledger *l, struct ask *a, struct error *e)
{
    a->cancels = arena_array(a->memory, a->count, sizeof *a->cancels);
    a->holds = arena_array(a->memory, a->count, sizeof *a->holds);
    return ledger_orders(l, a->ids, a->groups, a->count, a->cancels, a->holds, a->memory, e);
}

static bool do_cancels(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_cancels(l, a->after, a->older_than, a->memory, &a->ids, &a->found, e);
}

static bool do_holds(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_holds(l, a->memory, &a->names, &a->found, &a->yes, e);
}

static bool do_hold(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_hold(l, a->names, a->reasons, a->count, a->now, e);
}

/* ---- leases ---- */

static bool do_renew(const struct ledger *l, struct ask *a, struct error *e)
{
    a->renewal = ASK_RENEW_UNANSWERED;
    switch (ledger_renew(l, a->counter, a->now, (int64_t)a->limit, e)) {
    case RENEWED:
        a->renewal = ASK_RENEWED;
        return true;
    case RENEW_OVER:
        a->renewal = ASK_RENEW_OVER;
        return true;
    case RENEW_UNANSWERED:
        break;
    }
    return !error_is(e, "stopping"); /* refused, too: the lease runs out, that is all */
}

static bool do_leases(const struct ledger *l, struct ask *a, struct error *e)
{
    a->leases = arena_array(a->memory, a->count, sizeof *a->leases);
    return ledger_leases(l, a->names, a->count, a->memory, a->leases, e);
}

static bool do_end_lease(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_end_lease(l, a->names[0], a->counter, a->now, &a->yes, e);
}

/* ---- shared limits ---- */

static bool do_holders(const struct ledger *l, struct ask *a, struct error *e)
{
    a->holders = arena_array(a->memory, a->count, sizeof *a->holders);
    return ledger_holders(l, a->names, a->count, a->memory, a->holders, e);
}

static bool do_holders_write(const struct ledger *l, struct ask *a, struct error *e)
{
    return ledger_holders_write(l, &a->holders[0], &a->yes, e);
}

static performer *const performers[ASK_KINDS] = {
    [ASK_PAGE] = do_page,
    [ASK_LOOK] = do_look,
    [ASK_GROUP] = do_group,
    [ASK_FIND] = do_find,
    [ASK_MINE] = do_mine,
    [ASK_WAKE] = do_wake,
    [ASK_INSERT] = do_insert,
    [ASK_DUE] = do_due,
    [ASK_START] = do_start,
    [ASK_CLOSE] = do_close,
    [ASK_NODE] = do_node,
    [ASK_OUTCOME] = do_outcome,
    [ASK_SETTLE] = do_settle,
    [ASK_UNSENT] = do_unsent,
    [ASK_ORDERS] = do_orders,
    [ASK_CANCELS] = do_cancels,
    [ASK_HOLDS] = do_holds,
    [ASK_HOLD] = do_hold,
    [ASK_RENEW] = do_renew,
    [ASK_LEASES] = do_leases,
    [ASK_END_LEASE] = do_end_lease,
    [ASK_HOLDERS] = do_holders,
    [ASK_HOLDERS_WRITE] = do_holders_write,
};

void perform(const struct ledger *l, struct ask *a)
{
    struct error e;
    error_clear(&e);
    a->ok = performers[a->kind](l, a, &e);
    if (!a->ok && !error_is(&e, "stopping"))
        log_fatal("ledger_refused", "ask=%s code=%s error=%s", ask_kind_names[a->kind], e.code,
            log_quote(bytes_of(e.text)));
}
