/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engines: the executor's engine processes, seen from its event loop. One task is one run of one node's code on one engine
 * process. Nothing here knows Kafka, MongoDB or the ledger.
 *
 * The processes live under the guard (executor/guard.h): executor -> guard -> keeper (one per engine process; PID 1 of a PID
 * namespace where permitted, else a child subreaper) -> engine process -> the job's own processes. Killing a task's tree
 * therefore gets processes that called setsid or forked twice as well.
 *
 * Processes are kept warm per (user, creator, engine, target, conf), or per engine where its manifest says scope "shared";
 * reused by their `concurrency`; ended when idle for idle_ms or when room is needed; replaced when unhealthy.
 *
 * All callbacks run inside engines_serve. `ended` is the last one of a task; when it is called nothing of the task's
 * processes is alive any more, and its result files are complete.
 */
#ifndef MILLRACE_EXECUTOR_ENGINES_H
#define MILLRACE_EXECUTOR_ENGINES_H

#include "core/engine_list.h"
#include "core/job.h"

#define ENGINE_RESULTS_MAX 1000 /* of one task */

struct engine_task {
    char run
        [64]; /* unique in this process: "<job id>/<attempt>/<node>" shortened is fine, the protocol's `run` */
    struct bytes creator, user, job_id, engine, target, code_type, code, node;
    struct pairs variables, conf;
    int64_t attempt;
    int64_t timeout_ms;      /* 0: none */
    int64_t max_result_rows; /* 0: no limit; rows beyond are dropped, with a warning line in the log */
    int64_t first_result;    /* number of the first result file */
    bool fresh;              /* reuse: never */
    int64_t now_utc;         /* names the day in result paths */
    void *self;              /* the caller's, handed back in callbacks */
};

enum task_end { TASK_SUCCEEDED, TASK_FAILED, TASK_CANCELLED, TASK_TIMED_OUT };

struct task_outcome {
    enum task_end end;
    struct job_error
        error; /* when not succeeded: code (engine's own code, engine_died, engine_unavailable, timed_out,
                               cancelled), message, line */
    bool retryable;
    int64_t exit_code; /* NO_INT: none */
    int64_t offset;    /* byte of the code where the statement begins that failed; NO_INT: not told */
    const struct job_result *
        results; /* complete files, also of failed tasks; node, target and statement are the caller's to fill in */
    const int64_t *offsets; /* of each result: as `offset` */
    size_t result_count;
};

struct engine_events {
    /* Log text of a task: whole lines. level: stdout|stderr|info|warn|error */
    void (*log)(void *task_self, struct bytes level, struct bytes text);
    void (*progress)(void *task_self, double done);
    void (*ended)(void *task_self, const struct task_outcome *o); /* everything borrowed for the call */
    /* The guard is gone: the executor must end at once (log_fatal). */
    void (*guard_lost)(void *self, const struct error *e);
};

struct engines_settings {
    const char *engines_dir; /* manifests and programs, core/engine_list.h */
    const char *results_dir;
    const char *work_dir; /* private working folders of jobs are made here and removed */
    int64_t idle_ms;      /* an idle process ends after this */
    int64_t
        max_processes; /* of all engines; idle ones are ended to make room; a task waits when all are busy */
    int64_t grace_ms;  /* between SIGTERM and SIGKILL */
    int64_t start_timeout_ms; /* hello -> ready */
    const char *isolation;    /* auto | none: PID namespaces where permitted, or never */
    char instance[64];        /* goes to the environment mark MILLRACE_INSTANCE */
    int lock_fd; /* flock()ed descriptor that executor and guard hold; engines don't inherit it */
};

struct engines;
/* Starts the guard: call before any thread exists and before connections are opened. */
struct engines *engines_open(
    const struct engines_settings *s, const struct engine_events *events, void *self, struct error *e);
/* Kills what is left, waits until the guard has reaped it. */
void engines_close(struct engines *p);

/* At most `limit` tasks of this engine's default target ("shell") or of this target ("postgres@warehouse") at once; the others wait. Given before anything runs. */
void engines_slots(struct engines *p, struct bytes name, size_t limit);
/* Copies what it needs. Always ends in `ended`, also when the engine can't be started. */
void engines_run(struct engines *p, const struct engine_task *t);
/* `cancel {run}` to the engine and SIGTERM to the tree at once, SIGKILL after grace_ms; then `ended` with TASK_CANCELLED, unless
 * the task's end was already on its way. Unknown run: nothing. Idempotent. */
void engines_cancel(struct engines *p, const char *run);
/* SIGKILL to everything now (the lease is over, or a second SIGTERM). Tasks end with TASK_FAILED code lost. */
void engines_kill_all(struct engines *p);
/* The guard kills everything when CLOCK_BOOTTIME passes this; 0: no limit yet. Moved by every renewal of the lease. */
void engines_lease(struct engines *p, int64_t until_boot_ms);

/* Nobody takes the logs now: processes that run something are not read, so their pipes fill and they wait. To be called on every turn while it
 * is so, and once with false. What was killed is still read to its end. */
void engines_hold_output(struct engines *p, bool hold);

/* For epoll: readable when engines_serve has work. */
int engines_fd(struct engines *p);
/* Serves pipes, timers and the guard; returns the boot ms of its next timer, or INT64_MAX. Never blocks. */
int64_t engines_serve(struct engines *p, int64_t now_boot_ms);
size_t engines_process_count(const struct engines *p);

#endif
