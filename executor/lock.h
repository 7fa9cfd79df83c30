/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock: executors of one pool on one host, seen by their lock files <state_dir>/executor-<pool>-<n>.lock. Executor and guard hold a
 * flock() on one inherited descriptor (never fcntl locks); the guard lets go only when everything it started is dead. So whoever gets
 * the lock knows that the instance named in the file is dead, and may end its lease at once instead of waiting for it.
 *
 * The dead one also holds its partitions until its Kafka session is over: kill -9 says no goodbye. The same knowledge allows it to
 * be said in its place (core/bus_leave.h), so the file also tells each one's member id in the consumer group.
 *
 * A file's first line names its holder; further lines name dead instances whose leases are not ended yet. A line that begins
 * with '+' is the member id of the instance above it.
 */
#ifndef MILLRACE_EXECUTOR_LOCK_H
#define MILLRACE_EXECUTOR_LOCK_H

#include "core/bus.h"
#include "core/ledger.h"

struct neighbours;
/* Takes the first lock that is free and writes our name into the file. state_dir is made if it is missing. Below
 * results_dir engines write files before they are adopted: what the dead left there is removed with their leases. */
struct neighbours *neighbours_open(
    const char *state_dir, const char *pool, const char *instance, const char *results_dir, struct error *e);
/* Where members are: neighbours_bury then also leaves the group for the dead. `group` is without prefix; both are borrowed.
 * Says so once when these settings don't allow it: then the session's time rules. Before the first neighbours_bury. */
void neighbours_use_bus(struct neighbours *n, const struct bus_settings *bus, const char *group);
/* Our member id (consumer_member_id), "" for none. Written when it has changed, else cheap: call it in every turn. */
void neighbours_member(struct neighbours *n, const char *member);
/* Removes our name from the file; the lock goes with the descriptor. */
void neighbours_close(struct neighbours *n);
int neighbours_lock_fd(const struct neighbours *n);
int neighbours_number(const struct neighbours *n);
/* Ends the leases of the dead on this host: of those who had our lock before, and of those whose lock is free. Kills what
 * they left, and leaves the group for them. Blocks on the ledger and on Kafka. Returns how many leases were ended; e says why when it could not go on. */
size_t neighbours_bury(struct neighbours *n, const struct ledger *l, int64_t now, struct error *e);
/* Is there anything that neighbours_bury might do? Cheap. */
bool neighbours_any(const struct neighbours *n);

#endif
