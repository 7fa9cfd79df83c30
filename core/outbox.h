/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox: what the steps of a batch cause, until the loop carries it out: document writes first, then
 * records. The step's side is in stage.h; this is the loop's. All of it lives in the batch's arena.
 *
 * `source` is the index of the record that is being stepped; what finish() adds has no source. A record that
 * ends up in jobs.dead takes what it caused out again (outbox_rewind).
 */
#ifndef MILLRACE_CORE_OUTBOX_H
#define MILLRACE_CORE_OUTBOX_H

#include "core/stage.h"

#define OUTBOX_NO_SOURCE SIZE_MAX

struct outbox_record {
    struct bus_message message;
    size_t source;
};
enum outbox_kind {
    WRITE_INSERT,            /* a duplicate is there already */
    WRITE_CREATE,            /* a duplicate is a lost guard */
    WRITE_INSERT_OR_REPLACE, /* a duplicate is replaced if it matches the filter */
    WRITE_REPLACE,           /* no match is a lost guard */
    WRITE_UPSERT             /* the same, inserted where nothing is */
};
struct outbox_write {
    enum outbox_kind kind;
    const char *collection;
    bson_t *filter, *doc; /* filter NULL: none */
};
struct outbox {
    struct codec *codec;
    struct arena *arena;
    struct buf scratch;
    struct outbox_record *records;
    size_t record_count, record_room;
    struct outbox_write *writes;
    size_t write_count, write_room;
    size_t source;
    struct error
        failed; /* code set: a record could not be encoded now (registry_away); the batch is tried again */
};
struct outbox_mark {
    size_t records, writes;
};

void outbox_init(struct outbox *o, struct codec *codec, struct arena *arena);
void outbox_release(struct outbox *o);
void outbox_clear(struct outbox *o); /* before the arena is reset */
struct outbox_mark outbox_mark(const struct outbox *o);
void outbox_rewind(struct outbox *o, struct outbox_mark mark);

/* Inserts, then replacements, each collection in one bulk. *lost: a guard did not hold: load and step again.
 * False: the process is asked to stop (or the server refuses for good; e says). */
bool outbox_write_documents(struct outbox *o, struct store *store, bool *lost, struct error *e);

/* The job of a record that goes to jobs.dead travels on as a JobPlanned with `error`. `known`: the job, when
 * the record could be decoded; else the header `job` and the key must tell. False: id or group can't be
 * known, nothing is sent. */
bool outbox_send_refused(
    struct outbox *o, const struct bus_record *r, const struct job *known, const struct error *why);

#endif
