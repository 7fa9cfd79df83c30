/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coverage: how often each interesting thing happened. The test asserts that none stays at 0, so that the simulator can't go blind
 * unnoticed. One row per thing.
 */
#ifndef MILLRACE_SIM_COVERAGE_H
#define MILLRACE_SIM_COVERAGE_H

#include <stdint.h>

#define COVERAGE_ROWS(X)                                                                                     \
    X(crash, "kill -9")                                                                                      \
    X(power, "host died")                                                                                    \
    X(freeze, "frozen")                                                                                      \
    X(freeze_long, "frozen beyond the lease")                                                                \
    X(trip, "frozen in the middle of a start")                                                               \
    X(thaw_over, "went on after others had ended its lease")                                                 \
    X(thaw_renewed, "renewal acknowledged after a freeze beyond the lease")                                  \
    X(cut, "cut off from the ledger")                                                                        \
    X(outage, "ledger away")                                                                                 \
    X(rebalance, "rebalance")                                                                                \
    X(lost_partition, "partition lost without notice")                                                       \
    X(stale_revoke, "revoke heard after another began")                                                      \
    X(step, "clock step")                                                                                    \
    X(drain, "drain asked for")                                                                              \
    X(drained, "drained to the end")                                                                         \
    X(drain_killed, "killed by a drain")                                                                     \
    X(limits, "other limits")                                                                                \
    X(refused, "statement refused and repeated")                                                             \
    X(answer_lost, "answer lost")                                                                            \
    X(repeated_late, "statement applied again later")                                                        \
    X(late_write, "write of a dead executor applied")                                                        \
    X(late_write_over, "write applied after its writer's lease was over")                                    \
    X(in_pieces, "bulk applied in pieces")                                                                   \
    X(half_bulk, "bulk left half done")                                                                      \
    X(launch, "launched")                                                                                    \
    X(launch_at_intake, "inserted as running")                                                               \
    X(start_lost, "lost compare-and-set of a start")                                                         \
    X(start_refound, "start whose answer was lost")                                                          \
    X(forgotten, "forgotten start requeued")                                                                 \
    X(duplicate, "record taken in before")                                                                   \
    X(impostor, "id of another group refused")                                                               \
    X(refusal, "refused record")                                                                             \
    X(delayed, "delayed job")                                                                                \
    X(due, "delayed job became due")                                                                         \
    X(retry, "retry")                                                                                        \
    X(lost, "lost and requeued")                                                                             \
    X(lost_failed, "failed because it was lost")                                                             \
    X(drain_requeued, "given back by a drain")                                                               \
    X(held_requeued, "given back because of a hold")                                                         \
    X(queue_timeout, "queue timeout")                                                                        \
    X(never_ran, "ended at the launch")                                                                      \
    X(cancel_queued, "cancel answered: queued")                                                              \
    X(cancel_running, "cancel answered: running")                                                            \
    X(cancel_final, "cancel answered: final")                                                                \
    X(cancelled_waiting, "cancelled before it ran")                                                          \
    X(cancelled_running, "cancelled while it ran")                                                           \
    X(cancel_before_record, "cancel before the record")                                                      \
    X(hold, "hold")                                                                                          \
    X(hold_by_failure, "hold after a failure")                                                               \
    X(release, "release")                                                                                    \
    X(bell_lost, "bell lost")                                                                                \
    X(lease_ended, "lease ended by a watcher")                                                               \
    X(lease_ended_by_lock, "lease ended by the lock")                                                        \
    X(lease_refused, "renewal refused: over")                                                                \
    X(died_of_lease, "died of its own lease")                                                                \
    X(guard_killed, "killed by the guard")                                                                   \
    X(close_lost, "end refused: another closed it")                                                          \
    X(unsent_found, "unsent outcome found")                                                                  \
    X(event_again, "final event delivered again")                                                            \
    X(event_fails, "event failed and repeated")                                                              \
    X(commit_by_loser, "commit of a loser accepted")                                                         \
    X(poll_by_loser, "records taken by a loser")                                                             \
    X(node_kept, "node recorded")                                                                            \
    X(node_resumed, "resumed after a node")                                                                  \
    X(full_group, "group at its max_running above 1")                                                        \
    X(full_gate, "shared limit reached")                                                                     \
    X(holders_lost, "holders written by another")                                                            \
    X(holders_swept, "holder of another swept")                                                              \
    X(window_full, "look that filled the window")                                                            \
    X(cancels_again, "cancel read once more")                                                                \
    X(read_ahead, "payload read before its job starts")                                                      \
    X(unreadable, "payload not readable")

struct coverage {
#define X(name, text) int64_t name;
    COVERAGE_ROWS(X)
#undef X
};
#define COVERAGE_COUNT (sizeof(struct coverage) / sizeof(int64_t))
extern const char *const coverage_texts[COVERAGE_COUNT];

#endif
