/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_tree: who is alive, by /proc, and signals for whole families of processes. A process that called
 * setsid or forked twice is found as well, as long as an ancestor is a child subreaper (or PID 1 of its
 * namespace).
 *
 * Zombies count as dead. Between the scan and the signal a pid may be reused: each signal goes through a
 * pidfd that is compared with the scan by its start time, so that it never hits a stranger.
 */
#ifndef MILLRACE_CORE_PROCESS_TREE_H
#define MILLRACE_CORE_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process_entry {
    pid_t pid, parent;
    unsigned long long started; /* clock ticks since boot: with the pid it names a process for good */
    bool zombie;
    bool marked; /* for process_list_mark */
};
struct process_list {
    struct process_entry *items; /* by rising pid */
    size_t count, cap;
};

/* All processes that /proc shows. False: there is no /proc. Release with process_list_release; may be read
 * again. */
bool process_list_read(struct process_list *l);
void process_list_release(struct process_list *l);
/* Sets `marked` of root's descendants (not of root). */
void process_list_mark(struct process_list *l, pid_t root);
/* Sets `marked` of all descendants of those that are marked. */
void process_list_spread(struct process_list *l);
/* False: it is gone. */
bool process_entry_signal(const struct process_entry *p, int signal);

/* Signals every living descendant of `root` except `spare` itself (0: nobody); returns how many there were.
 */
size_t process_tree_signal(pid_t root, pid_t spare, int signal);
/* The same, and again for those that were born meanwhile, until a scan finds no new one. */
void process_tree_signal_all(pid_t root, pid_t spare, int signal);
/* SIGKILLs every descendant of `root` except `spare` and waits until they are dead (a zombie stays its
 * parent's to reap); again, until a scan finds none. */
void process_tree_kill(pid_t root, pid_t spare);
/* SIGKILLs those in the list for which `marked` is set, and waits until they are dead, or for patience_ms (-1: however long it takes):
 * one that waits for a disk that does not answer dies when it does. Returns how many there were. */
size_t process_list_kill_marked(const struct process_list *l, pid_t spare, int patience_ms, bool *all_dead);

#endif
