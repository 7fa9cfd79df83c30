/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to the executors of executor.pml: hosts that fail, leases that are ended, Kafka's coordinator, ingest, a network; and
 * the check that everything comes to a good end. Part of executor.pml, not a model of its own.
 */

inline die_line(e, g)
{
    L.own = NONE; L.pos = 0; L.intake = NONE; L.doubt = false;
    line_free(e, g)
#if CANCELS
    ;
    L.away = IDLE; L.away_job = 0; L.away_attempt = 0; L.away_sent = false
#endif
}
inline die(e)
{
    x[e].up = false; x[e].held = false; x[e].draining = false; x[e].name = 0;
    for (k : 0 .. JOBS - 1) {
        x[e].know[k] = NONE; x[e].known[k] = 0
    }
    die_line(e, 0);
    die_line(e, 1)
#if LATES
    ;
    for (k : 0 .. LATES - 1) {
        if
        :: net[k].slot == e -> net[k].awaited = false
        :: else
        fi
    }
    k = 0
#endif
}
#if CANCELS
#define line_rests(e, g) (x[e].line[g].phase == IDLE && x[e].line[g].intake == NONE && x[e].line[g].away == IDLE)
#else
#define line_rests(e, g) (x[e].line[g].phase == IDLE && x[e].line[g].intake == NONE)
#endif

/* The host of a slot: its executor crashes, freezes, drains, starts again. */
proctype Host(byte e)
{
end:
    do
    :: d_step { x[e].up && crashes < CRASHES -> crashes++; die(e) }
    /* It sleeps past the end of its lease. Nobody has to take a step here at any time, so a freeze needs no more than this. */
    :: d_step { x[e].up && x[e].held && freezes < FREEZES -> freezes++; x[e].held = false }
    /* Rule 7: whose lease is over by its own clock ends itself; what it wrote before it noticed is not forbidden. */
    :: d_step { x[e].up && !x[e].held -> die(e) }
#ifdef BUG_LEASE_REVIVES
    :: d_step { x[e].up && !x[e].held -> x[e].held = true } /* a renewal that does not look at `over` */
#endif
    :: d_step { !x[e].up && names < NAMES -> names++; x[e].name = names; x[e].up = true; x[e].held = true }
#if DRAINS
    :: d_step { x[e].up && drains < DRAINS -> drains++; x[e].draining = true }
    :: d_step { x[e].up && x[e].draining && line_rests(e, 0) && line_rests(e, 1) -> over[x[e].name] = true; die(e) }
#endif
    od
}

/* Rule 7: a watcher, or the next process on that host (which has got the guard's lock), ends the lease of a process that is gone or
 * slept too long. By then its guard has killed its children: see lease.pml. It is done where it matters. */
#define runs_under(n) (runs[0].by == (n) || runs[1].by == (n) || runs[2].by == (n))
proctype Lease(byte n)
{
end:
    do
    :: d_step { n <= names && !holds(n) && !over[n] && runs_under(n) && anyone ->
        over[n] = true;
        for (k : 0 .. JOBS - 1) {
            live[k] = live[k] & ~mark(n)
        } }
    od
}

/* The coordinator moves a partition: at will, or away from a slot whose process does not answer. The old owner hears of it later;
 * the new one has heard that its earlier assignment was taken away. */
#define may_get(e, g) (x[e].up && x[e].held && owner[g] != e && x[e].line[g].own == NONE)
#define silent(e) (!x[e].held)
proctype Coordinator(byte g)
{
end:
    do
    :: d_step { may_get(1 - owner[g], g) && silent(owner[g]) -> owner[g] = 1 - owner[g] }
    :: d_step { may_get(1 - owner[g], g) && !silent(owner[g]) && rebalances < REBALANCES && g == 0 ->
        rebalances++; owner[g] = 1 - owner[g] }
    od
}

#if CANCELS
/* Ingest: the cancel is written, then the run is read, then the client is answered. */
proctype Client()
{
end:
    do
    :: atomic { asking == JOBS && asked < CANCELS ->
        asked++;
        if
        :: asking = 0
        :: asking = 1
        :: asking = 2
        fi;
        cancels[asking] = true }
    :: d_step { asking < JOBS ->
        acknowledged[asking] = (runs[asking].state == ABSENT || runs[asking].state == QUEUED);
        asking = JOBS }
    od
}
#endif

#if LATES
inline forget_write(i)
{
    net[i].op = NONE; net[i].job = 0; net[i].attempt = 0; net[i].name = 0; net[i].slot = 0; net[i].part = 0;
    net[i].awaited = false; net[i].taken = false; net[i].changed = false
}
inline unanswered(e, g, op_)
{
    if
    :: op_ == INSERT || op_ == INSERT_RUNNING -> L.intake = INSERT_DUE
    :: op_ == START || op_ == OUTCOME || op_ == CLOSE || op_ == REQUEUE -> L.sent = false
#if CANCELS
    :: op_ == AWAY_OUTCOME || op_ == AWAY_CLOSE -> L.away_sent = false
#endif
    fi
}
/* A write that takes its time: it is applied, its writer gives up waiting (and will write again), or it gets lost. */
proctype Network(byte i)
{
end:
    do
    :: d_step { net[i].op != NONE && !net[i].taken ->
        apply(net[i].op, net[i].job, net[i].attempt, net[i].name);
        if
        :: net[i].awaited -> net[i].taken = true; net[i].changed = ok
        :: else -> forget_write(i)
        fi }
    :: d_step { net[i].taken && net[i].awaited ->
        ok = net[i].changed;
        answered(net[i].slot, net[i].part, net[i].op, net[i].job);
        forget_write(i) }
    :: d_step { net[i].awaited -> unanswered(net[i].slot, net[i].part, net[i].op); net[i].awaited = false }
    :: d_step { net[i].op != NONE && !net[i].awaited -> forget_write(i) }
    od
}
#endif

/* Nothing can happen any more: then every job is final and its event was sent. The state space has no cycle (checked too), so
 * every run of the protocol comes here. */
#define finished(j) (runs[j].state == ENDED && event[j] == runs[j].out && unsent[j] == 0 && live[j] == 0)
proctype Rest()
{
end:
    do
    :: atomic { timeout && !unsent[0] && !unsent[1] && !unsent[2] -> assert(finished(0) && finished(1) && (BUSY_GROUPS == 1 || finished(2))); break }
    od
}

init
{
    byte i;
    atomic {
        for (i : 0 .. SLOTS - 1) {
            x[i].up = true; x[i].held = true; x[i].name = i + 1;
            owner[i] = i; /* two slots, two groups */
            run Host(i)
        }
        for (i : 0 .. BUSY_GROUPS - 1) {
            run Coordinator(i); run Group(0, i); run Group(1, i)
        }
        for (i : 0 .. JOBS - 1) {
            run Publisher(i)
        }
        for (i : 1 .. NAMES) {
            run Lease(i)
        }
#if CANCELS
        run Client();
#endif
#if LATES
        for (i : 0 .. LATES - 1) {
            run Network(i)
        }
#endif
        run Rest();
        i = 0
    }
}
