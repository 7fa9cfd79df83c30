/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_pool: the shared insides of executor/engines.h: pool, lanes, processes, tasks. Private to engines.c,
 * engine_lane.c, engine_process.c, engine_place.c and engine_task.c.
 *
 * A lane is everything that may share engine processes: one user's jobs of one engine, target and conf, or a
 * whole engine whose scope is shared, or one task that wants a fresh process. Tasks of a lane wait in its
 * line; a process belongs to one lane for life. A lane that wants a process while all are in use is hungry:
 * it is served in turn when one ends.
 *
 * The life of a task:
 *   WAITING -> RUNNING -> (SWEEPING) -> (FINISHING) -> ENDING -> the callback `ended`
 * SWEEPING: the engine has answered, the keeper kills what the run left behind. FINISHING: the disk thread
 * completes the results. A task that could not start goes from WAITING to ENDING.
 *
 * Memory of a process is freed only at the end of engines_serve, when the guard has said that its whole tree
 * is dead; so callbacks may start and cancel tasks as they like.
 */
#ifndef MILLRACE_EXECUTOR_ENGINE_POOL_H
#define MILLRACE_EXECUTOR_ENGINE_POOL_H

#include <sys/queue.h>

#include "executor/disk.h"
#include "executor/engine_protocol.h"
#include "executor/engines.h"
#include "executor/guard.h"

/* uthash ends the process when memory is out; so does everything else here. */
#define uthash_fatal(message) error_bug(__FILE__, __LINE__, message)
#include <uthash.h>

#define ENGINE_READ_SIZE ((size_t)64 * 1024)
#define ENGINE_READS_PER_TURN 4                        /* of one process, so that none starves the others */
#define ENGINE_WAITING_BYTES_MAX ((size_t)1024 * 1024) /* rows of a run that wait for the disk */
#define ENGINE_PING_MS 15000                           /* an idle process is asked this often */
#define ENGINE_NO_DESCRIPTORS                                                                                \
    "no_descriptors" /* of process_start: it may work once another process has ended */

struct engines;
struct engine_process;
struct engine_task_state;

enum watch_kind { WATCH_GUARD, WATCH_WAKE, WATCH_IN, WATCH_OUT, WATCH_ERR };
struct watch {
    enum watch_kind kind;
    struct engine_process *process;
};

enum process_state {
    PROCESS_STARTING, /* until `ready` */
    PROCESS_READY,
    PROCESS_SWEEPING, /* the keeper kills what the last run left; takes no run */
    PROCESS_STOPPING, /* told to end, or killed; waits for the guard's notice */
};

TAILQ_HEAD(task_list, engine_task_state);

struct lane {
    UT_hash_handle hh;
    char *key;
    size_t key_len;
    const struct engine_info *engine;
    bool fresh;
    char creator[65], user[65]; /* "" for shared engines */
    struct task_list waiting;
    size_t waiting_count;
    size_t held_count; /* tasks that wait for a place of their engine, and not yet in the line */
    TAILQ_HEAD(, engine_process) processes;
    size_t starting_count;
    bool hungry;
    TAILQ_ENTRY(lane) hungry_link;
};

struct engine_process {
    TAILQ_ENTRY(engine_process) link;      /* of the pool */
    TAILQ_ENTRY(engine_process) lane_link; /* of the lane */
    struct engines *pool;
    struct lane *lane;
    int64_t id;
    enum process_state state;
    int in, out, err; /* our ends; -1: closed */
    struct watch watches[3];
    bool in_watched, out_watched, err_held;
    struct buf to; /* lines for the engine; the first `sent` bytes are gone */
    size_t sent;
    struct line_reader from, errors;
    int64_t concurrency;
    unsigned capabilities;
    struct task_list tasks; /* RUNNING and SWEEPING */
    size_t active;          /* RUNNING */
    int64_t deadline;       /* STARTING: ready by; SWEEPING: swept by; STOPPING: killed at; INT64_MAX: none */
    int64_t idle_since, ping_at;
    bool pinged; /* and no pong yet */
    bool killed;
    bool used;        /* has had a run */
    struct error why; /* why we killed it */
    char *folder;
    int64_t stderr_window; /* second in which stderr_lines were logged */
    int stderr_lines;
    bool told_unknown; /* one log line about answers for unknown runs is enough */
};

enum task_state { TASK_WAITING, TASK_RUNNING, TASK_SWEEPING, TASK_FINISHING, TASK_ENDING };
enum task_stop { STOP_NONE, STOP_CANCEL, STOP_TIMEOUT, STOP_LOST };

/* The setting engine.slots: so many tasks of "shell" or "postgres@warehouse" at once. */
struct engine_place {
    UT_hash_handle hh;
    size_t limit, used;
    struct task_list waiting;
    size_t name_len;
    char name[];
};

struct engine_task_state {
    UT_hash_handle hh; /* by run */
    TAILQ_ENTRY(engine_task_state) link;
    struct engine_place *place_of; /* of its engine; NULL: without a limit */
    bool placed;                   /* it has one of them */
    char run[64];
    void *self;
    struct lane *lane; /* WAITING only */
    struct engine_process *process;
    enum task_state state;
    enum task_stop stop;
    int64_t timeout_ms;
    int64_t deadline; /* INT64_MAX: none */
    int64_t kill_at;  /* INT64_MAX: not stopping */
    struct buf line;  /* the run line, without its end */
    struct buf names; /* texts of `place` */
    struct result_place place;
    int64_t offset, max_rows; /* offset: of the statement that failed, in the code; NO_INT: not told */
    int64_t rows;             /* of the open table */
    bool cut;                 /* rows of the open table were dropped, and that was said */
    struct disk_run *results;
    char *result_dir;
    /* the outcome */
    enum task_end end;
    struct error error;
    char *detail;
    int64_t line_number, exit_code;
    bool retryable;
};

struct engines {
    struct engines_settings settings;
    char *results_dir, *work_dir, *incoming_dir; /* absolute */
    struct engine_events events;
    void *self;
    struct guard *guard;
    struct disk *disk;
    struct engine_list *list;
    int epoll, wake;
    struct watch guard_watch, wake_watch;
    bool guard_watched_out;
    struct lane *lanes;
    struct engine_place *places;
    TAILQ_HEAD(, lane) hungry;
    size_t hungry_count;
    struct engine_task_state *tasks;
    struct task_list ending;
    TAILQ_HEAD(, engine_process) processes;
    size_t process_count, stopping_count;
    size_t
        most_for_now; /* processes that the descriptors are enough for, as far as is known; until one ends */
    int64_t next_id;
    int64_t next_timer, told_timer; /* boot ms; told: what engines_serve returned last */
    bool serving, killed, lost;
    bool output_held;      /* nobody takes the logs now */
    bool has_unused_lanes; /* freed at the end of engines_serve */
};

/* ---- engines.c ---- */
/* `at` may be earlier than all timers known so far. */
void pool_timer(struct engines *p, int64_t at);
void pool_wake(struct engines *p);

/* ---- engine_lane.c ---- */
/* The task's lane; a new one if need be. */
struct lane *lane_of(struct engines *p, const struct engine_task *t, const struct engine_info *engine);
void lane_set_hungry(struct engines *p, struct lane *lane, bool hungry);
void lane_free(struct engines *p, struct lane *lane);
/* Gives waiting tasks to processes with room, and starts processes for the rest. */
void pool_dispatch(struct engines *p, struct lane *lane);
/* A process may take work again, or could make room. */
void pool_process_idle(struct engines *p, struct engine_process *x);
/* There may be room for more processes. */
void pool_feed_hungry(struct engines *p);
void pool_free_unused_lanes(struct engines *p);

/* ---- engine_place.c: how many tasks of an engine run at once ---- */
/* A new task of this lane: it goes into the lane's line, now or when there is a place. */
void place_enter(
    struct engines *p, struct engine_task_state *t, struct lane *lane, const struct engine_task *task);
/* It waits no more, in whichever line. */
void place_leave_line(struct engine_task_state *t);
/* It is over: its place goes to the one that waits longest. */
void place_give_back(struct engines *p, struct engine_task_state *t);
void places_free(struct engines *p);

/* ---- engine_process.c: one live process, its pipes and its states ---- */
struct engine_process *process_start(struct engines *p, struct lane *lane, struct error *e);
/* Sends what is in x->to as far as the pipe takes it. */
void process_flush(struct engine_process *x);
/* Asks it to end (its stdin is closed); killed after wait_ms. */
void process_stop(struct engine_process *x, int64_t wait_ms);
/* SIGKILL to its tree. why: may be NULL. */
void process_kill(struct engine_process *x, const struct error *why);
/* Reads and handles output and stderr; at_end: everything up to the end of the streams. */
void process_read_output(struct engine_process *x, bool at_end);
void process_read_errors(struct engine_process *x, bool at_end);
/* Stops or goes on reading, by what waits for the disk. */
void process_watch_output(struct engine_process *x);
/* The same for output and stderr, after engines_hold_output. */
void process_hold_output(struct engine_process *x);
void process_timers(struct engine_process *x, int64_t now);
/* Its tree is dead: ends its tasks, takes it out of everything, frees it. */
void process_ended(struct engine_process *x, const struct guard_notice *n);
void process_free(struct engine_process *x);

/* ---- engine_task.c: one task ---- */
struct engine_task_state *task_new(struct engines *p, const struct engine_task *t);
void task_free(struct engine_task_state *t);
struct engine_task_state *task_find(struct engines *p, struct bytes run);
/* Gives it to a process that has room. */
void task_start(struct engine_process *x, struct engine_task_state *t);
/* A line of its engine. Takes the line. */
void task_line(struct engines *p, struct engine_task_state *t, struct engine_line *l, size_t cost_bytes);
/* Begins to stop it. */
void task_stop(struct engines *p, struct engine_task_state *t, enum task_stop why);
/* Its process is dead. */
void task_process_ended(struct engines *p, struct engine_task_state *t, const struct error *why);
/* What it left behind is dead. */
void task_swept(struct engines *p, struct engine_task_state *t);
/* It ends without having run, or after all: the callback comes in engines_serve. */
void task_fail(
    struct engines *p, struct engine_task_state *t, const char *code, const char *message, bool retryable);
void task_results_done(struct engines *p, struct disk_run *r);
void task_call_ended(struct engines *p, struct engine_task_state *t);
void task_log(struct engines *p, struct engine_task_state *t, struct bytes level, struct bytes text);
void task_timers(struct engines *p, struct engine_task_state *t, int64_t now);

#endif
