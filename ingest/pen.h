/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pen: the stage's codec behind a lock, because ingest encodes in more than one thread and a codec is one
 * thread's.
 */
#ifndef MILLRACE_INGEST_PEN_H
#define MILLRACE_INGEST_PEN_H

#include <pthread.h>

#include "core/codec.h"

struct pen {
    pthread_mutex_t lock;
    struct codec *codec; /* borrowed */
};

void pen_init(struct pen *p, struct codec *codec);
void pen_release(struct pen *p);
/* The framed record, in the arena; BYTES_NONE when the schema registry does not answer. */
struct bytes pen_encode(
    struct pen *p, const struct shape *s, const void *record, struct arena *a, struct error *e);

#endif
