/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strategy: how several targets are used, as far as it can be told without knowing which engines there are. A target is written `warehouse`
 * (one of the engine that the job or part runs on), `postgres@warehouse`, or `postgres@` (an engine's default target). What stands before
 * the first @ is the engine.
 */
#ifndef MILLRACE_CORE_STRATEGY_H
#define MILLRACE_CORE_STRATEGY_H

#include "core/job.h"

#define STRATEGY_TARGETS_MAX 16

struct strategy_target {
    struct bytes engine; /* the given one where the text names none */
    struct bytes target; /* none: the engine's default */
};

bool strategy_kind_is_known(struct bytes kind);
bool strategy_is_single(const struct job_strategy *s); /* NULL is single too */
/* Borrowed from the text. False: it is no such text. */
bool strategy_target_parse(struct bytes text, struct bytes engine, struct strategy_target *out);

/* The other way round: "postgres@warehouse"; of an engine's default target the engine alone. */
struct bytes strategy_target_text(struct bytes engine, struct bytes target, struct arena *a);

/* Adds what is wrong: the kind, how many targets, how they are written, one twice. `engine`: what it is about; none: not known. `field`: of
 * the strategy, such as parts[0].strategy. False: something is. */
bool strategy_check(const struct job_strategy *s, struct bytes field, struct bytes engine, struct arena *a,
    struct field_problems *problems);

#endif
