/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lease (DESIGN section 7.7): a holder that renews, its guard, a watcher, and a ledger between them that answers late, or never,
 * or takes a write whose sender has given up on it. Proved: when the watcher's write ends the lease, the guard has killed and
 * nothing is launched again. executor.pml takes that for granted.
 *
 * Time is a tick that all clocks share; each only measures spans with it, as the protocol does. The holder counts HOLD ticks from the
 * sending of the last acknowledged renewal. The watcher counts WATCH ticks from when it first saw the present counter.
 */
#define HOLD 3
#ifdef BUG_WATCH_TOO_SHORT
#define WATCH 3
#else
#define WATCH 4
#endif
#define RENEWALS 4

/* the ledger */
byte counter = 1;
bool over;

/* the holder and its guard */
byte left = HOLD; /* ticks until the lease is over by its own clock; the guard knows it too. 0: it ends itself */
bool child;
byte sent;

mtype = { NONE, SENT, TAKEN, REFUSED };
mtype renewal = NONE;
byte age;  /* ticks since it was sent */
bool late; /* one that the holder gave up on, still under way */

/* the watcher */
byte seen, still; /* the counter, and the ticks since it was first seen */

inline take_renewal()
{
#ifdef BUG_LEASE_REVIVES
    counter++
#else
    if
    :: !over -> counter++
    :: else
    fi
#endif
}

active proctype Holder()
{
end:
    do
    :: d_step { left > 0 && renewal == NONE && sent < RENEWALS -> sent++; renewal = SENT; age = 0 }
    :: d_step { left > 0 && renewal == TAKEN ->
        renewal = NONE;
#ifdef BUG_COUNTED_FROM_ANSWER
        left = HOLD
#else
        if
        :: HOLD - age > left -> left = HOLD - age
        :: else
        fi
#endif
        ; age = 0 }
#ifdef BUG_LEASE_REVIVES
    :: d_step { left == 0 && renewal == TAKEN -> renewal = NONE; left = HOLD; age = 0 }
    :: d_step { left == 0 && renewal == NONE && sent < RENEWALS -> sent++; renewal = SENT; age = 0 }
#endif
    :: d_step { left > 0 && !child -> assert(!over); child = true }
    :: d_step { child -> child = false } /* it ended, or: guard, the lease is over, kill */
    od
}

active proctype Ledger()
{
end:
    do
    :: d_step { renewal == SENT ->
#ifndef BUG_LEASE_REVIVES
        if
        :: over -> renewal = REFUSED
        :: else -> renewal = TAKEN
        fi;
#else
        renewal = TAKEN;
#endif
        take_renewal() }
    :: d_step { renewal == SENT && !late -> renewal = NONE; age = 0; late = true } /* no answer yet: the holder tries again */
    :: d_step { renewal == TAKEN -> renewal = NONE; age = 0 }                      /* the answer got lost */
    :: d_step { late -> late = false; take_renewal() }
    :: d_step { late -> late = false } /* it got lost */
    od
}

active proctype Watcher()
{
end:
    do
    :: d_step { seen != counter -> seen = counter; still = 0 }
#ifdef BUG_COUNTER_NOT_COMPARED
    :: d_step { seen > 0 && still >= WATCH && !over ->
#else
    :: d_step { seen > 0 && still >= WATCH && !over && counter == seen ->
#endif
        over = true;
        assert(left == 0 && !child) }
    od
}

/* The guard is in time: while the lease is over and a child lives, the clock waits for it. */
active proctype Clock()
{
end:
    do
    :: d_step { !over && !(left == 0 && child) && (left > 0 || still < WATCH) ->
        if
        :: left > 0 -> left--
        :: else
        fi;
        if
        :: (renewal == SENT || renewal == TAKEN) && age < HOLD -> age++
        :: else
        fi;
        if
        :: still < WATCH -> still++
        :: else
        fi }
    od
}

/* Nothing can happen any more: then the lease was ended. Nobody waits for ever for a holder that is gone. */
active proctype Rest()
{
end:
    do
    :: atomic { timeout -> assert(over && !child); break }
    od
}
