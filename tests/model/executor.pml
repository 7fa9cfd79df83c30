/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor's protocol (DESIGN section 7): two executors, two groups, three jobs, one ledger, one Kafka. Every step that the
 * rules name is one atomic action below; everything else may happen between any two of them.
 *
 * Group 0 has the jobs 0 and 1, group 1 has job 2; each group is a partition of its own. An executor (a slot: a host that runs one
 * process at a time) has a name that is never used again; a restart takes the next one. Names count from 1, 0 is nobody.
 *
 * Faults are counted and bounded: CRASHES, FREEZES, REBALANCES, LATES, CANCELS, DRAINS. A write is normally applied and answered at
 * once. A LATE one lies in `net`: it is applied at any later moment or never, its writer may die, or give up waiting and
 * write again. That is a slow write, a lost answer and a write that arrives after its writer's end, all in one.
 *
 * Late writes and rebalances at will befall group 0 only: group 1 follows the same rules with fewer jobs, and the two meet only in what
 * their executor and its lease do. Crashes, freezes, drains and cancels befall all.
 *
 * Time is not here. That a lease is ended only after its holder's guard has killed is proved in lease.pml and taken for
 * granted here (`holds`).
 *
 * With -DBUG_... a rule is broken on purpose; each must give a counterexample.
 */
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef FREEZES
#define FREEZES 0
#endif
#ifndef REBALANCES
#define REBALANCES 0
#endif
#ifndef LATES
#define LATES 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef DRAINS
#define DRAINS 0
#endif

#define SLOTS 2
#define GROUPS 2
#define JOBS 3
#define NAMES (SLOTS + CRASHES + FREEZES + DRAINS)
#define ATTEMPTS (2 + CRASHES + FREEZES + DRAINS + LATES)
#define first(g) (2 * (g)) /* the jobs of a group; its log is these, in this order */
#define last(g) (1 + (g))
#ifdef ONE_GROUP /* group 1 stays away: for pairs of faults that would take too long otherwise */
#define records(g) (2 - 2 * (g))
#define BUSY_GROUPS 1
#else
#define records(g) (2 - (g))
#define BUSY_GROUPS GROUPS
#endif

/* ---- the ledger: what MongoDB holds ---- */

mtype = { ABSENT, QUEUED, RUNNING, ENDED }; /* of a run; QUEUED and RUNNING also in an executor's memory */
typedef Run {
    mtype state = ABSENT;
    byte attempt; /* the fence */
    byte by;      /* the instance that runs it */
    byte out;     /* the outcome that closed it */
};
Run runs[JOBS];
/* Outcomes are known by (attempt, name), from 1. `unsent[j]`: those of job j that are there and still unsent, as bits. */
#define outcome(a, n) ((a) * NAMES + (n))
#define mark(o) (1 << (o))
int unsent[JOBS];
bool cancels[JOBS];
bool over[NAMES + 1]; /* instances: the lease was ended; for good */

/* ---- Kafka ---- */

byte owner[GROUPS];     /* the slot that the coordinator gave the partition to; its owner may not know yet */
byte committed[GROUPS]; /* offsets */
byte event[JOBS];       /* the final event delivered: the outcome it tells */

/* ---- the executors' memory ---- */

mtype = { NONE, FETCHED, OPEN }; /* assignment: none; the committed offset is known; the unfinished runs too */
mtype = { INSERT_DUE, INSERT_SENT, COMMIT_DUE };
mtype = { IDLE, INSERTING, STARTING, WON, CHECKED, LIVE, DONE, CLOSING, GIVING, LOOKED };
mtype = { WITHDRAWN };
typedef Line { /* one group at one executor */
    mtype own = NONE;
    byte pos;            /* the next record's offset */
    mtype intake = NONE; /* of the record at pos */
    bool doubt;          /* memory may be older than the ledger: look before anything starts */
    /* the task: the one job that holds the line */
    mtype phase = IDLE;
    byte job, attempt;
    bool sent; /* the phase's write is under way */
#if CANCELS
    /* a queued job that was cancelled, on its way out: DONE, CLOSING or IDLE */
    mtype away = IDLE;
    byte away_job, away_attempt;
    bool away_sent;
#endif
};
typedef Executor {
    bool up;
    byte name;
    bool held;     /* the lease, by its own clock; not so after a freeze that was longer than it */
    bool draining;
    Line line[GROUPS];
    mtype know[JOBS] = NONE; /* NONE, QUEUED (waits here), RUNNING (elsewhere), WITHDRAWN (being cancelled) */
    byte known[JOBS];        /* QUEUED: its attempt */
};
Executor x[SLOTS];
byte names = SLOTS; /* given so far */

/* ---- the world ---- */

byte live[JOBS]; /* children that live: a bit for each name. A child lives until it ended or its guard killed it. */
#define holds(n) (x[0].up && x[0].name == (n) && x[0].held || x[1].up && x[1].name == (n) && x[1].held)

mtype = { INSERT, INSERT_RUNNING, START, OUTCOME, CLOSE, REQUEUE, AWAY_OUTCOME, AWAY_CLOSE };
typedef Write {
    mtype op = NONE;
    byte job, attempt, name, slot, part;
    bool awaited; /* its writer waits for the answer */
    bool taken;   /* applied; the answer is on its way: */
    bool changed;
};
#if LATES
Write net[LATES];
byte lates;
#endif
byte crashes, freezes, rebalances, drains, asked;
bool acknowledged[JOBS]; /* the client was told: cancelled while queued */
byte asking = JOBS;      /* the job whose cancel was written and whose run is to be read */
hidden byte ok;
hidden byte k;

#define L x[e].line[g]
#if CANCELS
#define STARTED WON
#else
#define STARTED CHECKED /* no cancels to look up */
#endif
#define anyone (x[0].up || x[1].up)

/* ---- writes: guarded by what the writer believes ---- */

inline close_run(job_, out_)
{
    assert(live[job_] == 0); /* a final job has no live child */
    runs[job_].state = ENDED;
    runs[job_].by = 0;
    runs[job_].out = out_
}

/* The ledger takes a write. ok: it changed something. */
inline apply(op_, job_, att_, name_)
{
    ok = false;
    if
    :: op_ == INSERT && runs[job_].state == ABSENT -> runs[job_].state = QUEUED; ok = true
    :: op_ == INSERT_RUNNING && runs[job_].state == ABSENT ->
        runs[job_].state = RUNNING; runs[job_].attempt = 1; runs[job_].by = name_; ok = true
    :: op_ == START && runs[job_].state == QUEUED && runs[job_].attempt == att_ ->
        runs[job_].state = RUNNING; runs[job_].attempt = att_ + 1; runs[job_].by = name_; ok = true;
        assert(runs[job_].attempt <= ATTEMPTS) /* no job is lost for ever */
    :: op_ == REQUEUE && runs[job_].state == RUNNING && runs[job_].attempt == att_ && runs[job_].by == name_ ->
        runs[job_].state = QUEUED; runs[job_].by = 0; ok = true
    :: op_ == OUTCOME || op_ == AWAY_OUTCOME -> unsent[job_] = unsent[job_] | mark(outcome(att_, name_)); ok = true
#ifdef BUG_FINISH_UNGUARDED
    :: op_ == CLOSE && runs[job_].state == RUNNING -> close_run(job_, outcome(att_, name_)); ok = true
#else
    :: op_ == CLOSE && runs[job_].state == RUNNING && runs[job_].attempt == att_ && runs[job_].by == name_ ->
        close_run(job_, outcome(att_, name_)); ok = true
#endif
    :: op_ == AWAY_CLOSE && runs[job_].state == QUEUED && runs[job_].attempt == att_ -> close_run(job_, outcome(att_, name_)); ok = true
    :: else
    fi
}

/* Who loses has an old view: look anew. Whose partition was taken away has none. */
#define look_anew L.doubt = (L.own == OPEN)

inline line_free(e, g)
{
    L.phase = IDLE; L.job = 0; L.attempt = 0; L.sent = false
}

/* The answer to a write of ours. */
inline answered(e, g, op_, job_)
{
    if
    :: op_ == INSERT || op_ == INSERT_RUNNING -> /* rule 2 */
        if
        :: !ok -> /* a duplicate */
#ifndef BUG_DUPLICATE_IGNORED
            look_anew;
#endif
            if
            :: op_ == INSERT_RUNNING -> line_free(e, g)
            :: else
            fi
        :: ok && op_ == INSERT_RUNNING -> L.phase = STARTED; L.attempt = 1
        :: ok && op_ == INSERT && L.own == OPEN && !L.doubt -> x[e].know[job_] = QUEUED; x[e].known[job_] = 0
        :: else
        fi;
        if
        :: L.own == OPEN -> L.intake = COMMIT_DUE
        :: else -> L.intake = NONE; L.pos = 0
        fi
    :: op_ == START -> /* rules 3 and 4 */
        L.sent = false;
        if
#if defined(BUG_LOSER_GOES_ON)
        :: true -> L.phase = STARTED; L.attempt++
#elif defined(BUG_CANCELS_FIRST)
        :: ok -> L.phase = CHECKED; L.attempt++
        :: else -> line_free(e, g); look_anew
#else
        :: ok -> L.phase = STARTED; L.attempt++
        :: else -> line_free(e, g); look_anew
#endif
        fi
    :: op_ == OUTCOME -> L.sent = false; L.phase = CLOSING /* rule 6: the outcome first, then the run that names it */
    :: op_ == CLOSE -> /* not modified: read back; if it does not carry our outcome, ours is discarded */
        if
        :: runs[job_].state == ENDED && runs[job_].out == outcome(L.attempt, x[e].name) -> skip
        :: else -> look_anew
        fi;
        line_free(e, g)
    :: op_ == REQUEUE -> line_free(e, g); look_anew
#if CANCELS
    :: op_ == AWAY_OUTCOME -> L.away_sent = false; L.away = CLOSING
    :: op_ == AWAY_CLOSE ->
        L.away_sent = false; L.away = IDLE; L.away_job = 0; L.away_attempt = 0;
        if
        :: L.own == OPEN && x[e].know[job_] == WITHDRAWN -> x[e].know[job_] = NONE
        :: else
        fi;
        if
        :: !ok -> look_anew
        :: else
        fi
#endif
    fi
}

#if LATES
#define post(op_, j, a, n, waits) net[lates].op = op_; net[lates].job = j; net[lates].attempt = a; net[lates].name = n; \
    net[lates].slot = e; net[lates].part = g; net[lates].awaited = waits; lates++
#define or_late(op_, j, a, n, flag) :: lates < LATES && g == 0 -> post(op_, j, a, n, true); flag
#define or_late_unawaited(op_, j, a, n) :: lates < LATES && g == 0 -> post(op_, j, a, n, false)
#else
#define or_late(op_, j, a, n, flag)
#define or_late_unawaited(op_, j, a, n)
#endif

inline write_task(op_)
{
    if
    :: d_step { apply(op_, L.job, L.attempt, x[e].name); answered(e, g, op_, L.job) }
    or_late(op_, L.job, L.attempt, x[e].name, L.sent = true)
    fi
}
inline write_insert(op_, job_)
{
    if
    :: d_step { apply(op_, job_, 0, x[e].name); answered(e, g, op_, job_) }
    or_late(op_, job_, 0, x[e].name, L.intake = INSERT_SENT)
    fi
}
#if CANCELS
inline write_away(op_)
{
    if
    :: d_step { apply(op_, L.away_job, L.away_attempt, x[e].name); answered(e, g, op_, L.away_job) }
    or_late(op_, L.away_job, L.away_attempt, x[e].name, L.away_sent = true)
    fi
}
#endif

/* ---- memory ---- */

#define ours(j) (L.phase != IDLE && L.job == (j)) /* a task of ours: we know better than any read */
#if CANCELS
#define leaving(j) (L.away != IDLE && L.away_job == (j))
#else
#define leaving(j) false
#endif

/* Reads the group's unfinished runs, whatever their state. */
inline look(e, g)
{
    for (k : first(g) .. last(g)) {
        x[e].known[k] = 0;
        if
        :: ours(k) || runs[k].state == ABSENT || runs[k].state == ENDED -> x[e].know[k] = NONE
        :: else ->
            if
            :: leaving(k) -> x[e].know[k] = WITHDRAWN
            :: runs[k].state == QUEUED && !leaving(k) -> x[e].know[k] = QUEUED; x[e].known[k] = runs[k].attempt
            :: runs[k].state == RUNNING && !leaving(k) -> x[e].know[k] = RUNNING
            fi
        fi
    }
    L.doubt = false
}

/* The job may be put back although it is not ours: by us as its watcher, or because we forgot its start. */
inline requeue(job_, name_)
{
    if
    :: d_step { apply(REQUEUE, job_, runs[job_].attempt, name_); look_anew }
    or_late_unawaited(REQUEUE, job_, runs[job_].attempt, name_)
    fi
}

#ifdef BUG_SCAN_TAKES_STARTING
#define has(j) (ours(j) && L.phase != STARTING && L.phase != INSERTING)
#else
#define has(j) ours(j)
#endif

#if CANCELS
inline withdraw(job_)
{
    L.away = DONE; L.away_job = job_; L.away_attempt = x[e].known[job_];
    x[e].know[job_] = WITHDRAWN; x[e].known[job_] = 0
}
#endif

inline forget(e, g)
{
    for (k : first(g) .. last(g)) {
        x[e].know[k] = NONE; x[e].known[k] = 0
    }
    L.own = NONE; L.doubt = false;
    if
    :: L.intake == COMMIT_DUE || L.intake == NONE -> L.intake = NONE; L.pos = 0
    :: else /* the insert is under way */
    fi
}

/* Rule 3: the least job that is not final; one that runs elsewhere, or whose cancel is not acknowledged, stops the line. */
#define startable(j) (x[e].know[j] == QUEUED)
#ifdef BUG_HEAD_FROM_QUEUED
#define passable(j) (x[e].know[j] == NONE || x[e].know[j] == RUNNING || x[e].know[j] == WITHDRAWN)
#elif defined(BUG_WITHDRAWN_AT_ONCE)
#define passable(j) (x[e].know[j] == NONE || x[e].know[j] == WITHDRAWN)
#else
#define passable(j) (x[e].know[j] == NONE)
#endif
#define moved(j) (x[e].know[j] == RUNNING && runs[j].state != RUNNING) /* what ran elsewhere */
#define group_is_empty (x[e].know[first(g)] == NONE && x[e].know[last(g)] == NONE)
#define first_starts startable(first(g))
#define second_starts (g == 0 && passable(first(g)) && startable(last(g)))
#define may_start (x[e].up && !x[e].draining && L.own == OPEN && !L.doubt && L.phase == IDLE)

inline take_line(job_, phase_)
{
    L.job = job_; L.attempt = x[e].known[job_]; L.phase = phase_; x[e].know[job_] = NONE; x[e].known[job_] = 0
}

/* What is promised of every launch. */
inline launch(e, g)
{
    assert(live[L.job] == 0);                                   /* never two live attempts of a job */
    assert(live[first(g)] == 0 && live[last(g)] == 0);          /* one of a group at a time */
    assert(L.job == first(g) || runs[first(g)].state == ENDED || cancels[first(g)]); /* in order, none passed over */
    assert(runs[L.job].state != ENDED);                          /* no start of a final job */
    assert(!acknowledged[L.job]);                               /* no start after an acknowledged cancel of a queued job */
    live[L.job] = live[L.job] | mark(x[e].name);
    L.phase = LIVE
}

/* ---- one group at one executor ---- */

proctype Group(byte e; byte g)
{
end:
    do
    /* Rule 1, assign: the committed offset, then the unfinished runs, then the records from there. */
#ifdef BUG_LEDGER_FIRST
    :: d_step { x[e].up && x[e].held && !x[e].draining && L.own == NONE && owner[g] == e && L.intake == NONE ->
        look(e, g); L.own = FETCHED }
    :: d_step { x[e].up && L.own == FETCHED && owner[g] == e -> L.pos = committed[g]; L.own = OPEN }
#else
    :: d_step { x[e].up && x[e].held && !x[e].draining && L.own == NONE && owner[g] == e && L.intake == NONE ->
        L.pos = committed[g]; L.own = FETCHED }
    :: d_step { x[e].up && x[e].held && L.own == FETCHED && owner[g] == e -> look(e, g); L.own = OPEN }
#endif
    /* Rule 8, revoked: what runs goes on. We may hear of it late. */
    :: d_step { x[e].up && L.own != NONE && owner[g] != e -> forget(e, g) }

    /* Rule 2, intake: insert, then commit. A job whose group is idle may be inserted as running. */
    :: atomic { x[e].up && !x[e].draining && L.own == OPEN && L.intake == NONE && L.pos < records(g) ->
        L.intake = INSERT_DUE;
        if
        :: may_start && group_is_empty -> L.phase = INSERTING; L.job = first(g) + L.pos
        :: true /* other groups wait for a slot */
        fi;
        if
        :: L.phase == INSERTING -> write_insert(INSERT_RUNNING, L.job)
        :: else -> write_insert(INSERT, first(g) + L.pos)
        fi }
    :: atomic { x[e].up && L.intake == INSERT_DUE -> /* its answer was lost: again */
        if
        :: L.phase == INSERTING -> write_insert(INSERT_RUNNING, L.job)
        :: else -> write_insert(INSERT, first(g) + L.pos)
        fi }
#ifdef BUG_BATCH_OUT_OF_ORDER
    /* Of a batch that holds both records the second is inserted first. */
    :: d_step { x[e].up && g == 0 && L.own == OPEN && L.intake == NONE && L.pos == 0 && runs[0].state == ABSENT &&
        runs[1].state == ABSENT -> runs[1].state = QUEUED }
#endif
    :: d_step { x[e].up && L.intake == COMMIT_DUE ->
        L.pos++; committed[g] = L.pos; L.intake = NONE }
    :: d_step { x[e].up && x[e].held && L.own == OPEN && L.intake == NONE && (L.doubt || moved(first(g)) || moved(last(g))) -> look(e, g) }

    /* Rules 3 and 4, start: compare-and-set -> look up cancels -> check the own lease -> launch. */
#ifdef BUG_CANCELS_FIRST
    :: d_step { may_start && first_starts && !cancels[first(g)] -> take_line(first(g), LOOKED) }
    :: d_step { may_start && second_starts && !cancels[last(g)] -> take_line(last(g), LOOKED) }
    :: atomic { x[e].up && L.phase == LOOKED -> L.phase = STARTING; write_task(START) }
#else
    :: atomic { may_start && first_starts -> take_line(first(g), STARTING); write_task(START) }
    :: atomic { may_start && second_starts -> take_line(last(g), STARTING); write_task(START) }
#endif
    :: atomic { x[e].up && L.phase == STARTING && !L.sent -> write_task(START) }
#if CANCELS
    :: d_step { x[e].up && L.phase == WON && !x[e].draining ->
        if
        :: cancels[L.job] -> L.phase = DONE
        :: else -> L.phase = CHECKED
        fi }
#endif
    :: d_step { x[e].up && L.phase == CHECKED && !x[e].draining && x[e].held -> launch(e, g) }

    /* The child ends; a frozen executor hears of it later. */
    :: d_step { x[e].up && L.phase == LIVE && (live[L.job] & mark(x[e].name)) ->
        live[L.job] = live[L.job] & ~mark(x[e].name); L.phase = DONE }

    /* Rule 6, finish: the outcome, then the run; then the event (Publisher). */
    :: atomic { x[e].up && L.phase == DONE && !L.sent -> write_task(OUTCOME) }
    :: atomic { x[e].up && L.phase == CLOSING && !L.sent -> write_task(CLOSE) }

    /* Rules 7 and 8: a run that runs elsewhere goes back to queued when that lease was ended. */
    :: atomic { x[e].up && L.own == OPEN && x[e].know[first(g)] == RUNNING && runs[first(g)].state == RUNNING &&
        over[runs[first(g)].by] -> requeue(first(g), runs[first(g)].by) }
    :: atomic { x[e].up && g == 0 && L.own == OPEN && x[e].know[last(g)] == RUNNING && runs[last(g)].state == RUNNING &&
        over[runs[last(g)].by] -> requeue(last(g), runs[last(g)].by) }

#ifndef BUG_START_FORGOTTEN
    /* Rule 7: runs under our name that we neither have nor are starting: starts whose answer was lost. */
    :: atomic { x[e].up && runs[first(g)].state == RUNNING && runs[first(g)].by == x[e].name && !has(first(g)) ->
        requeue(first(g), x[e].name) }
    :: atomic { x[e].up && g == 0 && runs[last(g)].state == RUNNING && runs[last(g)].by == x[e].name && !has(last(g)) ->
        requeue(last(g), x[e].name) }
#endif

#if DRAINS
    /* Rule 9, drain: no new starts; kill, reap, and only then back to queued. */
#ifdef BUG_DRAIN_BEFORE_DEAD
    :: d_step { x[e].up && x[e].draining && L.phase == LIVE && (live[L.job] & mark(x[e].name)) -> L.phase = GIVING }
#else
    :: d_step { x[e].up && x[e].draining && L.phase == LIVE && (live[L.job] & mark(x[e].name)) ->
        live[L.job] = live[L.job] & ~mark(x[e].name); L.phase = GIVING }
#endif
    :: d_step { x[e].up && x[e].draining && (L.phase == WON || L.phase == CHECKED) -> L.phase = GIVING }
    :: atomic { x[e].up && L.phase == GIVING && !L.sent -> write_task(REQUEUE) }
#endif

#if CANCELS
    /* A queued job that was cancelled ends without a start: outcome, then the compare-and-set. Until that is acknowledged
     * it keeps its place in the line. */
    :: d_step { x[e].up && L.own == OPEN && !L.doubt && L.away == IDLE && startable(first(g)) && cancels[first(g)] ->
        withdraw(first(g)) }
    :: d_step { x[e].up && g == 0 && L.own == OPEN && !L.doubt && L.away == IDLE && startable(last(g)) && cancels[last(g)] ->
        withdraw(last(g)) }
    :: atomic { x[e].up && L.away == DONE && !L.away_sent -> write_away(AWAY_OUTCOME) }
    :: atomic { x[e].up && L.away == CLOSING && !L.away_sent -> write_away(AWAY_CLOSE) }
#endif
    od
}

/* Rule 6, the rest: outcomes are re-sent by any executor until `unsent` may be cleared: the run was closed by this one and its event
 * is delivered, or it can no longer be closed by it. Sending and clearing are one step: a repeated event is the same event. */
#ifdef BUG_UNSENT_CLEARED_EARLY
#define its_turn anyone
#else
#define its_turn timeout /* nothing else reads what this writes: it may as well come last */
#endif
#define earlier(a) (mark((a) * NAMES + 1) - 1) /* the outcomes of all attempts before this one */
proctype Publisher(byte j)
{
end:
    do
    :: atomic { its_turn && runs[j].state == ENDED && unsent[j] ->
        if
        :: unsent[j] & mark(runs[j].out) ->
            assert(event[j] == 0 || event[j] == runs[j].out); /* one final state */
            event[j] = runs[j].out
        :: else
        fi;
        unsent[j] = 0 }
    :: atomic { its_turn && runs[j].state != ENDED && (unsent[j] & earlier(runs[j].attempt)) ->
        unsent[j] = unsent[j] & ~earlier(runs[j].attempt) }
#ifdef BUG_UNSENT_CLEARED_EARLY
    :: d_step { anyone && runs[j].state == RUNNING && over[runs[j].by] && unsent[j] -> unsent[j] = 0 }
#endif
    od
}

#include "world.pml"
