/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: the loop of a stage that reads topics (stage.h tells the contract).
 *
 * A batch is what is ready now. It is tried until it goes through: decode, load, step, documents, records,
 * delivery reports; nothing is committed before all of that is acknowledged. Every try starts from the raw
 * bytes in a fresh arena, because a step may change what it was given.
 *
 * A record that can't be accepted is marked dead with a reason and goes to jobs.dead at the end of the same
 * batch; so does the source of a record that Kafka refuses for good (too large), and a record by which a document would become too large for
 * the store: a batch with one is halved until it is alone.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/stage_batch.h"

enum {
    GIVE_BACK_AFTER = 1000, /* records since the last idle turn are worth a malloc_trim */
    IDLE_MS = 250,        /* an idle loop looks around so often: stop flag, lag; a record wakes it at once */
    PAUSE_LEAST_MS = 100, /* before a batch is tried again; doubles */
    PAUSE_MOST_MS = 5000,
    MARK_MS = 2000, /* the wait for the marks of new partitions */
    HOUSEKEEPING_MS = 1000,
    REFRESH_AGAIN_MS = 200 /* the first snapshot is awaited */
};

enum attempt { ATTEMPT_DONE, ATTEMPT_AGAIN, ATTEMPT_AGAIN_NOW, ATTEMPT_HALVE, ATTEMPT_STOPPED };
enum batch_end { BATCH_DONE, BATCH_LOST, BATCH_STOPPED };

bool batch_stopping(struct loop *l)
{
    if (!*l->world->stop)
        return false;
    if (l->stop_seen == 0)
        l->stop_seen = clock_boot_ms();
    return true;
}

static const struct stage_input *input_of(const struct stage *s, const char *topic)
{
    const struct stage_input *input = s->inputs;

    while (strcmp(input->topic, topic) != 0) {
        input++;
        MUST(input->topic != NULL);
    }
    return input;
}

/* ---- partitions come and go ---- */

static void on_assigned(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset)
{
    struct loop *l = self;

    (void)assignment;
    progress_assigned(
        &l->progress, topic, partition, offset, consumer_committed_metadata(l->consumer, topic, partition));
}

static void on_revoked(void *self, const char *topic, int32_t partition, bool lost)
{
    struct loop *l = self;
    progress_revoked(&l->progress, topic, partition, lost);
}

/* ---- a batch ---- */

static bool read_item(struct loop *l, int timeout_ms, struct item *out)
{
    struct bus_record r;

    if (l->has_stashed) {
        *out = l->stashed;
        l->has_stashed = false;
        return true;
    }
    if (!consumer_poll(l->consumer, timeout_ms, &r))
        return false;
    *out = (struct item){
        .loop = l, .raw = r, .bytes = r.key.len + r.value.len, .input = input_of(l->stage, r.topic)};
    return true;
}

/* What is ready now, up to the limits; waits only for the first record. A careful record is a batch of its
 * own. */
static void collect(struct loop *l)
{
    size_t bytes = 0;
    struct item item;

    l->count = 0;
    l->careful = false;
    while (l->count < (size_t)l->settings->batch_records && bytes < (size_t)l->settings->batch_bytes &&
           read_item(l, l->count == 0 ? IDLE_MS : 0, &item)) {
        bool careful = progress_is_careful(&l->progress, &item.raw);
        if (careful && l->count > 0) {
            l->stashed = item;
            l->has_stashed = true;
            return;
        }
        bytes += item.bytes;
        l->items[l->count++] = item;
        l->careful = careful;
        if (careful)
            return;
    }
}

void batch_bury(struct loop *l, struct item *item, const struct error *why)
{
    if (item->dead)
        return;
    item->dead = true;
    item->why = *why;
    metric_add(&l->metrics[STAGE_REJECTED], 1);
    log_warn("rejected", "topic=%s partition=%d offset=%lld job=%s code=%s reason=%s", item->raw.topic,
        (int)item->raw.partition, (long long)item->raw.offset,
        log_quote(bus_record_header(&item->raw, "job")), why->code, log_quote(bytes_of(why->text)));
}

static bool says_json(const struct bus_record *r)
{
    return bytes_starts_with(bus_record_header(r, "content-type"), "application/json");
}

/* False: the registry does not answer; e says so. */
static bool decode(struct loop *l, struct item *item, struct error *e)
{
    struct error why;

    error_clear(&why);
    item->decoded = false;
    if (item->dead)
        return true;
    if (item->raw.value.data == NULL) {
        error_set(&why, "null_value", "the record has no value");
        batch_bury(l, item, &why);
        return true;
    }
    item->value = arena_alloc(&l->arena, item->input->shape->size);
    enum codec_verdict verdict = codec_decode(l->world->codec, item->input->shape, item->raw.value,
        item->input->allow_json && says_json(&item->raw), &l->arena, item->value, &why);
    if (verdict == CODEC_RETRY) {
        *e = why;
        return false;
    }
    if (verdict == CODEC_BAD)
        batch_bury(l, item, &why);
    item->decoded = verdict == CODEC_OK;
    return true;
}

static bool decode_all(struct loop *l, int64_t now, size_t *decoded, struct error *e)
{
    size_t count = 0;

    for (size_t i = 0; i < l->count; i++) {
        struct item *item = &l->items[i];
        if (!decode(l, item, e))
            return false;
        if (!item->decoded)
            continue;
        int32_t home = producer_partition_of(l->world->producer, item->raw.topic, item->raw.key);
        l->step_items[count] = i;
        l->steps[count++] = (struct step_record){.raw = &item->raw,
            .shape = item->input->shape,
            .value = item->value,
            .now = now,
            .misplaced = home >= 0 && home != item->raw.partition,
            .arena = &l->arena};
    }
    *decoded = count;
    return true;
}

/* False: a step asks for another try. */
static bool step_all(struct loop *l, size_t decoded, struct error *e)
{
    for (size_t i = 0; i < decoded; i++) {
        struct item *item = &l->items[l->step_items[i]];
        struct outbox_mark mark = outbox_mark(&l->outbox);
        l->outbox.source = l->step_items[i];
        error_clear(e);
        switch (l->stage->step(l->self, &l->steps[i], &l->outbox, e)) {
        case STEP_DONE:
            break;
        case STEP_REJECT:
            outbox_rewind(&l->outbox, mark);
            batch_bury(l, item, e);
            break;
        case STEP_RETRY:
            return false;
        }
    }
    l->outbox.source = OUTBOX_NO_SOURCE;
    if (l->stage->finish != NULL)
        l->stage->finish(l->self, &l->outbox);
    if (l->outbox.failed.code[0] != '\0') {
        *e = l->outbox.failed;
        return false;
    }
    return true;
}

/* ---- one try ---- */

static bool poisoned(struct loop *l)
{
    struct item *item = &l->items[0];
    struct error why;

    if (!l->careful || progress_tries(&l->progress, &item->raw) < POISON_DEATHS)
        return false;
    error_clear(&why);
    error_set(&why, "poison", "%s died %d times on this record", l->stage->name, POISON_DEATHS);
    batch_bury(l, item, &why);
    item->decoded = false;
    return true;
}

/* A careful record's step begins and ends: see progress.h. */
static bool enter(struct loop *l, struct error *e)
{
    if (!l->careful || progress_enter(&l->progress, &l->items[0].raw, ENTER_WAIT_MS))
        return true;
    progress_leave(&l->progress, &l->items[0].raw);
    return error_set(e, "kafka_away", "a commit is not answered");
}

static void leave(struct loop *l)
{
    if (l->careful)
        progress_leave(&l->progress, &l->items[0].raw);
}

static void set_busy(struct loop *l, bool busy)
{
    atomic_store(&l->world->pulse->busy_since, busy ? clock_boot_ms() : 0);
}

/* Decode, load and step. A death inside decode or step counts against a careful record, waiting for documents
 * doesn't. */
static enum attempt take_steps(struct loop *l, int64_t now, struct error *e)
{
    size_t decoded = 0;
    bool done;

    if (!enter(l, e))
        return ATTEMPT_AGAIN;
    set_busy(l, true);
    done = decode_all(l, now, &decoded, e);
    set_busy(l, false);
    if (done && l->stage->load != NULL && decoded > 0) {
        leave(l);
        if (!l->stage->load(l->self, l->world, l->steps, decoded, e))
            return *l->world->stop ? ATTEMPT_STOPPED : ATTEMPT_AGAIN;
        if (!enter(l, e))
            return ATTEMPT_AGAIN;
    }
    set_busy(l, true);
    done = done && step_all(l, decoded, e);
    set_busy(l, false);
    leave(l);
    return done ? ATTEMPT_DONE : ATTEMPT_AGAIN;
}

static enum attempt attempt(struct loop *l, struct error *e)
{
    int64_t now = clock_utc_ms();
    bool lost = false;

    outbox_clear(&l->outbox);
    arena_reset(&l->arena);
    if (!poisoned(l)) {
        enum attempt stepped = take_steps(l, now, e);
        if (stepped != ATTEMPT_DONE)
            return stepped;
    }
    if (!outbox_write_documents(&l->outbox, l->world->store, &lost, e))
        return *l->world->stop                ? ATTEMPT_STOPPED
               : error_is(e, STORE_TOO_LARGE) ? ATTEMPT_HALVE
                                              : ATTEMPT_AGAIN;
    if (lost)
        return ATTEMPT_AGAIN_NOW;
    batch_send(l, 0);
    if (!batch_wait(l) || !batch_send_dead(l, now))
        return ATTEMPT_STOPPED;
    return ATTEMPT_DONE;
}

/* False: shutting down. */
static bool pause_before_retry(struct loop *l, int64_t ms)
{
    int64_t until = clock_boot_ms() + ms;

    for (int64_t left = ms; left > 0; left = until - clock_boot_ms()) {
        if (batch_stopping(l))
            return false;
        producer_poll(l->world->producer, (int)(left < IDLE_MS ? left : IDLE_MS));
    }
    return !batch_stopping(l);
}

static enum batch_end process(struct loop *l);

/* Then whoever has them next begins where the last commit stands. */
static bool is_lost(struct loop *l)
{
    if (!consumer_is_lost(l->consumer))
        return false;
    log_warn("batch_lost", "records=%zu text=\"its partitions are lost; it is read again\"", l->count);
    return true;
}

/* A document would become too large: by which record is seen when it is alone. Its turn ends in jobs.dead; the others go through. */
static enum batch_end process_halves(struct loop *l, const struct error *why)
{
    struct item *all = l->items;
    size_t count = l->count, half = count / 2;

    if (count == 1) {
        batch_bury(l, &all[0], why);
        return process(l);
    }
    l->count = half;
    enum batch_end end = process(l);
    if (end == BATCH_DONE && batch_stopping(l))
        end = BATCH_STOPPED;
    else if (end == BATCH_DONE && is_lost(l))
        end = BATCH_LOST;
    if (end == BATCH_DONE) {
        l->items = all + half;
        l->count = count - half;
        end = process(l);
    }
    l->items = all;
    l->count = count;
    return end;
}

/* Until it is done, or the process is to stop, or the partitions are lost: then whoever has them next begins where the last
 * commit stands, and this reader must poll to get partitions again. A careful batch could not go on in any case: its mark is
 * a commit. */
static enum batch_end process(struct loop *l)
{
    int64_t pause = PAUSE_LEAST_MS;
    struct error e;

    for (;;) {
        error_clear(&e);
        switch (attempt(l, &e)) {
        case ATTEMPT_DONE:
            return BATCH_DONE;
        case ATTEMPT_STOPPED:
            return BATCH_STOPPED;
        case ATTEMPT_HALVE:
            return process_halves(l, &e);
        case ATTEMPT_AGAIN_NOW:
            metric_add(&l->metrics[STAGE_RETRIES], 1);
            if (batch_stopping(l))
                return BATCH_STOPPED;
            continue;
        case ATTEMPT_AGAIN:
            break;
        }
        metric_add(&l->metrics[STAGE_RETRIES], 1);
        log_warn("retry", "pause_ms=%lld code=%s reason=%s", (long long)pause, e.code,
            log_quote(bytes_of(e.text)));
        if (!pause_before_retry(l, pause))
            return BATCH_STOPPED;
        if (is_lost(l))
            return BATCH_LOST;
        pause = pause * 2 < PAUSE_MOST_MS ? pause * 2 : PAUSE_MOST_MS;
    }
}

static void commit(struct loop *l, int64_t started_us)
{
    int64_t now = clock_utc_ms();

    for (size_t i = 0; i < l->count; i++) {
        progress_done(&l->progress, &l->items[i].raw);
        int64_t age_ms = now - l->items[i].raw.timestamp;
        metric_observe_us(&l->metrics[STAGE_AGE], (age_ms > 0 ? age_ms : 0) * 1000);
    }
    metric_add(&l->metrics[STAGE_RECORDS], (int64_t)l->count);
    metric_add(&l->metrics[STAGE_BATCHES], 1);
    metric_observe_us(&l->metrics[STAGE_BATCH_SECONDS], clock_boot_us() - started_us);
}

static void release_batch(struct loop *l)
{
    for (size_t i = 0; i < l->count; i++)
        consumer_release(l->consumer, &l->items[i].raw);
    l->count = 0;
    outbox_clear(&l->outbox);
    arena_reset(&l->arena);
}

static void housekeeping(struct loop *l)
{
    int64_t now = clock_boot_ms();

    producer_poll(l->world->producer, 0); /* errors: is Kafka away? */
    if (now - l->housekept < HOUSEKEEPING_MS)
        return;
    l->housekept = now;
    metric_set(&l->metrics[STAGE_LAG], consumer_lag(l->consumer));
}

/* What the steps look up is read anew when it is time. */
static void refresh(struct loop *l)
{
    int64_t now = clock_boot_ms();
    struct error e;

    if (l->stage->refresh == NULL || now < l->refresh_at || !atomic_load(&l->world->pulse->store_answers))
        return;
    error_clear(&e);
    if (!l->stage->refresh(l->self, l->world, &e) && !*l->world->stop)
        log_warn("refresh", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
    l->refresh_at = clock_boot_ms() + l->stage->refresh_ms;
}

/* No step without a first snapshot. False: shutting down. */
static bool refresh_first(struct loop *l)
{
    struct error e;

    error_clear(&e);
    while (l->stage->refresh != NULL && !l->stage->refresh(l->self, l->world, &e)) {
        log_warn("refresh", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
        if (!pause_before_retry(l, REFRESH_AGAIN_MS))
            return false;
    }
    l->refresh_at = clock_boot_ms() + l->stage->refresh_ms;
    return true;
}

/* An idle stage is small: what a flood made the allocator keep goes back to the system. */
static void give_back(struct loop *l)
{
    if (l->worked >= GIVE_BACK_AFTER)
        malloc_trim(0);
    l->worked = 0;
}

/* ---- the loop ---- */

static bool open_consumer(struct loop *l, struct error *e)
{
    static const struct consumer_events events = {on_assigned, on_revoked};
    const char *topics[16];
    size_t count = 0;
    char client[64];
    struct buf name;

    for (const struct stage_input *i = l->stage->inputs; i->topic != NULL; i++) {
        MUST(count < sizeof(topics) / sizeof(topics[0]));
        topics[count++] = i->topic;
    }
    buf_init(&name);
    buf_printf(&name, "millrace-%s", l->stage->name);
    MUST(name.len < sizeof(client));
    memcpy(client, name.data, name.len);
    client[name.len] = '\0';
    buf_release(&name);
    struct consumer_options o = {.group = l->stage->name,
        .topics = topics,
        .topic_count = count,
        .events = &events,
        .self = l,
        .stop = l->world->stop};
    l->consumer = consumer_open(&l->settings->bus, client, &o, e);
    l->progress.consumer = l->consumer;
    return l->consumer != NULL;
}

static void *array_of(int64_t count, size_t size)
{
    void *memory = calloc((size_t)count, size);
    if (memory == NULL)
        log_fatal("out_of_memory", "what=batch records=%lld", (long long)count);
    return memory;
}

bool stage_loop(struct stage_world *w, void *self, struct metric *metrics, struct error *e)
{
    struct loop l = {
        .world = w, .stage = w->stage, .settings = w->settings, .self = self, .metrics = metrics};

    progress_init(&l.progress);
    if (!open_consumer(&l, e))
        return false;
    arena_init(&l.arena);
    outbox_init(&l.outbox, w->codec, &l.arena);
    l.items = array_of(l.settings->batch_records, sizeof(*l.items));
    l.steps = array_of(l.settings->batch_records, sizeof(*l.steps));
    l.step_items = array_of(l.settings->batch_records, sizeof(*l.step_items));
    bool go = refresh_first(&l);
    atomic_store(&w->pulse->ready, go);
    enum batch_end end = BATCH_DONE;
    while (go && end != BATCH_STOPPED && !batch_stopping(&l)) {
        housekeeping(&l);
        refresh(&l);
        collect(&l);
        if (l.count == 0) {
            give_back(&l);
            continue;
        }
        l.worked += l.count;
        int64_t started_us = clock_boot_us();
        progress_mark(&l.progress, MARK_MS);
        end = process(&l);
        if (end == BATCH_DONE)
            commit(&l, started_us);
        release_batch(&l);
    }
    if (end == BATCH_STOPPED) {
        l.given_up = true;
        log_warn(
            "batch_given_up", "text=\"asked to stop while a server does not answer; it is repeated later\"");
        producer_drop(w->producer);
    }
    if (l.has_stashed)
        consumer_release(l.consumer, &l.stashed.raw);
    atomic_store(&w->pulse->ready, false);
    consumer_close(l.consumer);
    progress_release(&l.progress);
    outbox_release(&l.outbox);
    arena_release(&l.arena);
    free(l.items);
    free(l.steps);
    free(l.step_items);
    return true;
}
