/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: what the cases of the ledger share: a store on a real server, a pool and an executor of its own for each case, short forms.
 *
 * Every case runs twice: as it is, and through a relay that loses the first answer to each statement (tests/flow/test_ledger.py),
 * so that each is done twice. `lost` says so: there the counts of changed documents are 0, and what was inserted is a duplicate. What the
 * ledger holds is the same both times.
 */
#ifndef MILLRACE_TESTS_LEDGER_WORLD_H
#define MILLRACE_TESTS_LEDGER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"

extern struct store *store;
extern bool lost;

#define NOW INT64_C(1780000000000)
#define PARTITION 3
#define OUTCOME "0198c0de-0000-7000-8000-00000000feed"

struct world {
    struct ledger ledger, other; /* two executors of one pool */
    char pool[40], instance[40], other_instance[40], group[40];
    struct arena arena;
    struct error e;
};
void world_init(struct world *w);
void world_release(struct world *w);

struct uuid new_id(void);
/* A queued run without a time to wake. */
struct run_insert new_run(struct world *w, int64_t seq);
void insert(struct world *w, struct run_insert *items, size_t count);
/* The run, with payload and nodes. */
struct run read_run(struct world *w, const struct uuid *id);
/* Starts it by l; it must be queued after `attempt` starts. */
void start(const struct ledger *l, const struct uuid *id, int64_t attempt);
/* Inserts it and starts it by w->ledger. */
struct uuid running_run(struct world *w, int64_t seq);
/* The end of an attempt of ours. */
struct run_close closing(const struct world *w, const struct uuid *id, int64_t attempt);
/* Closes one; returns how many changed. */
int64_t close_one(struct world *w, struct run_close item);
/* A document as it is in the store; destroy it. */
bson_t *document(const char *collection, const char *id);
void put(const char *collection, const char *json);

#define assert_bytes(bytes, text) assert_true(bytes_equal_text((bytes), (text)))
#define assert_changed(got, expected) assert_int_equal((got), lost ? 0 : (expected))
#define assert_same_id(a, b) assert_memory_equal(&(a), &(b), sizeof(struct uuid))

extern const struct CMUnitTest run_cases[], end_cases[], other_cases[];
extern const size_t run_case_count, end_case_count, other_case_count;
int bench(size_t total, size_t batch);

#endif
