/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: see progress.h. Everything happens in the loop's thread, inside the consumer's calls or between
 * them.
 */
#include "core/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/uuid.h"

void progress_init(struct progress *p)
{
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];

    *p = (struct progress){.consumer = NULL};
    uuid_v7(&id, 0);
    uuid_format(&id, text);
    snprintf(p->mark, sizeof(p->mark), "run %s", text + UUID_TEXT_LEN - 8);
    snprintf(p->again, sizeof(p->again), "again %s", text + UUID_TEXT_LEN - 8);
}

void progress_release(struct progress *p)
{
    free(p->items);
    *p = (struct progress){.consumer = NULL};
}

static struct partition_progress *find(const struct progress *p, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].partition == partition && strcmp(p->items[i].topic, topic) == 0)
            return &p->items[i];
    }
    return NULL;
}

static int parse_tries(const char *metadata)
{
    int64_t tries = 0;

    if (strncmp(metadata, "try=", 4) != 0 || !bytes_parse_int64(bytes_of(metadata + 4), &tries) || tries < 0)
        return 0;
    return tries > POISON_DEATHS ? POISON_DEATHS : (int)tries;
}

void progress_assigned(
    struct progress *p, const char *topic, int32_t partition, int64_t offset, const char *metadata)
{
    struct partition_progress *old = find(p, topic, partition);

    if (old != NULL)
        *old = p->items[--p->count];
    struct partition_progress *grown = realloc(p->items, (p->count + 1) * sizeof(*grown));
    if (grown == NULL)
        log_fatal("out_of_memory", "what=partitions");
    p->items = grown;
    struct partition_progress *item = &p->items[p->count++];
    *item =
        (struct partition_progress){.topic = topic, .partition = partition, .done = offset, .tried = offset};
    item->tries = parse_tries(metadata);
    bool died = strncmp(metadata, "run ", 4) == 0 && strcmp(metadata, p->mark) != 0;
    bool died_again = strncmp(metadata, "again ", 6) == 0 && strcmp(metadata, p->again) != 0;
    if (item->tries > 0 || died_again) {
        item->careful_until = offset + CAREFUL_RECORDS;
        log_info("careful", "topic=%s partition=%d offset=%lld tries=%d records=%d", topic, (int)partition,
            (long long)offset, item->tries, CAREFUL_RECORDS);
    } else {
        consumer_commit(p->consumer, topic, partition, offset, died ? p->again : p->mark);
        p->unmarked = true;
    }
}

void progress_revoked(struct progress *p, const char *topic, int32_t partition, bool lost)
{
    struct partition_progress *item = find(p, topic, partition);
    char metadata[32] = "clean";

    if (item == NULL)
        return;
    if (item->tries > 0 && item->tried == item->done) /* deaths of others that still count */
        snprintf(metadata, sizeof(metadata), "try=%d", item->tries);
    if (!lost)
        consumer_commit(p->consumer, topic, partition, item->done, metadata);
    *item = p->items[--p->count];
}

void progress_mark(struct progress *p, int timeout_ms)
{
    if (p->unmarked && consumer_commit_wait(p->consumer, timeout_ms))
        p->unmarked = false;
}

bool progress_is_marked(struct progress *p)
{
    if (p->unmarked && consumer_commit_soon(p->consumer))
        p->unmarked = false;
    return !p->unmarked;
}

bool progress_is_careful(const struct progress *p, const struct bus_record *r)
{
    const struct partition_progress *item = find(p, r->topic, r->partition);
    return item != NULL && r->offset < item->careful_until;
}

int progress_tries(const struct progress *p, const struct bus_record *r)
{
    const struct partition_progress *item = find(p, r->topic, r->partition);
    return item != NULL && item->tried == r->offset ? item->tries : 0;
}

static void commit_tries(struct progress *p, const struct bus_record *r, int tries)
{
    char metadata[32];

    if (find(p, r->topic, r->partition) == NULL)
        return; /* given away meanwhile: its clean end is told */
    snprintf(metadata, sizeof(metadata), "try=%d", tries);
    consumer_commit(p->consumer, r->topic, r->partition, r->offset, tries > 0 ? metadata : p->mark);
}

bool progress_enter(struct progress *p, const struct bus_record *r, int timeout_ms)
{
    commit_tries(p, r, progress_tries(p, r) + 1);
    return consumer_commit_wait(p->consumer, timeout_ms);
}

void progress_enter_soon(struct progress *p, const struct bus_record *r)
{
    commit_tries(p, r, progress_tries(p, r) + 1);
    (void)consumer_commit_soon(p->consumer);
}

void progress_leave(struct progress *p, const struct bus_record *r)
{
    commit_tries(p, r, progress_tries(p, r));
    consumer_commit_wait(p->consumer, 0); /* sends it; the answer comes while the step's records go out */
}

void progress_done(struct progress *p, const struct bus_record *r)
{
    struct partition_progress *item = find(p, r->topic, r->partition);

    if (item == NULL)
        return; /* given away meanwhile */
    if (r->offset + 1 > item->done)
        item->done = r->offset + 1;
    consumer_commit(p->consumer, r->topic, r->partition, item->done, p->mark);
}
