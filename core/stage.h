/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: what a program is. A stage is a table and a step; the loop does all I/O.
 *
 *     poll a batch -> decode -> (load documents) -> step each -> write documents -> produce records
 *          -> wait for the delivery reports -> commit -> reset the arena
 *
 * So a record is committed only when everything it caused is durable; a crash anywhere repeats the batch, and all effects
 * are idempotent (deterministic ids, guarded writes).
 *
 * A step is a function of (self, record). It never sees Kafka, MongoDB, HTTP or the clock: `now` comes with the record.
 *   STEP_DONE   go on (also for a readable job that a check refuses: it travels on with its `error`)
 *   STEP_REJECT these bytes are no record: original key, bytes and headers to jobs.dead, with error's code and text
 *   STEP_RETRY  not now (error says why); the whole batch is tried again after a pause, in place
 *
 * Poison (DESIGN 7.10): after an unclean end the first records are taken one at a time with a count in the commit
 * metadata; a record in whose step the process died three times then goes to jobs.dead (code poison).
 */
#ifndef MILLRACE_CORE_STAGE_H
#define MILLRACE_CORE_STAGE_H

#include "core/arena.h"
#include "core/bus.h"
#include "core/codec.h"
#include "core/config.h"
#include "core/http.h"
#include "core/job.h"
#include "core/store.h"

/* Settings that every program has. A program's own struct begins with it. */
struct stage_settings {
    struct bus_settings bus;
    struct store_settings store;
    const char *http_address; /* http.address, 127.0.0.1 */
    int64_t http_port;        /* http.port */
    const char *log_level;
    const char *registry_url; /* schema_registry_url, "" none */
    int64_t batch_records;    /* most records of a batch, 1000 */
    int64_t batch_bytes;      /* most bytes of a batch, 4 MiB */
    int64_t step_limit_ms;    /* watchdog: a loop that does not turn for so long ends the process, 60 s */
};
/* The common rows over a struct that begins with struct stage_settings. http.port's default differs by program and is
 * given by the program's own table (a row {"http.port", ...}). */
extern const struct setting stage_settings_table[];

/* What the world has done for one stage process; created by stage_main, also used by ingest's and executor's own loops. */
struct stage_world {
    const struct stage *stage;
    void *settings; /* the program's struct */
    struct producer *producer;
    struct store *store;       /* NULL unless the stage uses it */
    struct codec *codec;       /* of the loop's thread */
    struct registry *registry; /* for codecs of further threads (codec_new); NULL: none is configured */
    struct http_server *http;
    volatile int *stop; /* counts SIGTERM and SIGINT: 1 drain, 2 end at once */
    const char *const
        *outputs; /* topics to warm up: the stage's; open may set another list that lives as long */
    struct stage_pulse *pulse;
};
/* For programs with their own loop: call it on every turn. From its first call on they are ready, and a loop that does not turn for
 * step_limit ends the process, and /healthz says so before. (The stage loop counts only time inside decode and step: waiting
 * for a server is not ill health.) */
void stage_tick(struct stage_world *w);

struct outbox; /* what a step causes; see below */

enum step_verdict { STEP_DONE, STEP_REJECT, STEP_RETRY };

struct step_record {
    const struct bus_record *raw;
    const struct shape *shape; /* what `value` is */
    void *value;               /* decoded, in the batch's arena */
    int64_t now;               /* UTC ms, one reading per batch */
    bool misplaced;            /* lies in another partition than its key belongs to, as far as known */
    struct arena *arena;       /* the batch's */
};

struct stage_input {
    const char *topic; /* without prefix */
    const struct shape *shape;
    bool allow_json;
};

struct stage {
    const char *name;  /* "planner": also the consumer group and the log's stage= */
    const char *about; /* first line of --help */
    const struct setting
        *settings; /* own rows, over `settings_size` bytes that begin with struct stage_settings */
    size_t settings_size;
    const struct stage_input *inputs; /* ends with topic NULL; none for ingest */
    const char *const *outputs;       /* topics written, NULL-terminated: warmed up at start */
    bool uses_store;
    /* Only refresh needs the store: while it is away the program works on with what it has, and is ready. */
    bool store_may_be_away;
    const struct http_route *routes; /* own routes beside /metrics, /healthz, /readyz, /version; NULL: none */

    /* A record that goes to jobs.dead carries a job that must still end: it travels on as refused (a JobPlanned with `error`),
     * where id and group can be known. For the stages before the executor. */
    bool forwards_dead;

    /* All may be NULL. prepare: after the settings, before any thread or connection exists (the executor forks its guard here);
     * *self is what open gets. open: after settings and connections exist. */
    bool (*prepare)(void *settings, void **self, struct error *e);
    bool (*open)(struct stage_world *w, void **self, struct error *e);
    void (*close)(void *self);
    /* Documents that the batch needs: read them with w->store (patience 0). Called before the steps; called again after a
     * lost guard. False: shutting down. */
    bool (*load)(
        void *self, struct stage_world *w, struct step_record *records, size_t count, struct error *e);
    /* A snapshot of what the steps look up, read anew every refresh_ms: called between batches, before the first of them until it
     * succeeds. False: the one before is used further. Not called while the store is known to be away. */
    bool (*refresh)(void *self, struct stage_world *w, struct error *e);
    int64_t refresh_ms;
    enum step_verdict (*step)(void *self, struct step_record *r, struct outbox *out, struct error *e);
    /* After all steps of a batch: writes for the documents that changed (each guarded by its rev) go to the outbox. */
    void (*finish)(void *self, struct outbox *out);
    /* A program with its own loop (ingest, executor) instead of inputs and step. Returns when *w->stop is set. */
    bool (*run)(void *self, struct stage_world *w, struct error *e);
};

/* The whole of main: settings, log, metrics, http, connections (waits for servers and says so; /readyz tells), the loop,
 * SIGTERM. Returns the exit code. */
int stage_main(const struct stage *stage, int argc, char **argv);

/* ---- outbox ---- */
/* Encodes now (the codec's framing), sends after the step's document writes. Headers: `job` always (job_id), `traceparent`
 * when trace has a value. topic without prefix; key is the group. */
void outbox_send(struct outbox *o, const char *topic, struct bytes key, struct bytes job_id,
    struct bytes trace, const struct shape *shape, const void *record);
/* As above with further headers. */
void outbox_send_with(struct outbox *o, const char *topic, struct bytes key, struct bytes job_id,
    struct bytes trace, const struct shape *shape, const void *record, const struct bus_header *headers,
    size_t header_count);
/* Document writes (the outbox copies filter and update). A duplicate or missed guard makes the loop reload and step again
 * when `guarded`; inserts of deterministic ids pass guarded=false: a duplicate means it is already there. */
void outbox_insert(struct outbox *o, const char *collection, const bson_t *doc);
void outbox_replace(
    struct outbox *o, const char *collection, const bson_t *filter, const bson_t *doc, bool upsert);
/* A document that must be new: a duplicate is a lost guard, as in outbox_replace (and six times cheaper than an upsert). */
void outbox_create(struct outbox *o, const char *collection, const bson_t *doc);
/* Inserts; where the _id is taken, the stored document is replaced if it matches `filter`. That it does not match is fine. */
void outbox_insert_or_replace(
    struct outbox *o, const char *collection, const bson_t *doc, const bson_t *filter);
/* The size that the record just encoded would have; for checks against the derived-record limit. */
size_t outbox_encoded_size(struct outbox *o, const struct shape *shape, const void *record);

/* Original key, bytes and headers plus reason headers dead_stage, dead_code, dead_reason, dead_topic, dead_partition,
 * dead_offset, dead_at to jobs.dead. For programs with their own loop; the stage loop does it itself. */
bool dead_letter(struct producer *p, const char *stage, const struct bus_record *r, const struct error *why,
    int64_t now, bus_delivered *done, void *self, struct error *e);
/* The job of such a record, refused for that reason, so that it still ends. `known`: the job, when the record could be decoded;
 * NULL: the header `job` and the key must tell. Everything is borrowed. False: id or group can't be known. */
bool dead_letter_job(const struct bus_record *r, const struct job *known, const struct error *why,
    struct job *out, struct job_error *error);

#endif
