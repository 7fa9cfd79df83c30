/* SPDX-License-Identifier: Apache-2.0 */
/* tasks: the jobs that are being started, run or end here, by id. */
#ifndef MILLRACE_EXECUTOR_TASKS_H
#define MILLRACE_EXECUTOR_TASKS_H

#include "executor/gate.h"
#include "executor/pile.h"
#include "executor/scheduler.h"

struct task_slot {
    struct task task; /* first: a task is its slot */
    struct gate *engine;
    size_t place;
    UT_hash_handle hh;
};
struct tasks {
    struct task_slot *by_id;
    struct pile all;
};

void tasks_release(struct tasks *ts);
struct task *tasks_add(struct tasks *ts, const struct task *t, struct gate *engine);
struct task *tasks_find(const struct tasks *ts, const struct uuid *id);
struct gate *task_engine(const struct task *t);
void tasks_remove(struct tasks *ts, struct task *t);

#endif
