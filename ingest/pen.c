/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pen: see pen.h.
 */
#include "ingest/pen.h"

void pen_init(struct pen *p, struct codec *codec)
{
    pthread_mutex_init(&p->lock, NULL);
    p->codec = codec;
}

void pen_release(struct pen *p)
{
    pthread_mutex_destroy(&p->lock);
}

struct bytes pen_encode(
    struct pen *p, const struct shape *s, const void *record, struct arena *a, struct error *e)
{
    struct buf out;
    buf_init(&out);
    pthread_mutex_lock(&p->lock);
    bool ok = codec_encode(p->codec, s, record, &out, e);
    pthread_mutex_unlock(&p->lock);
    struct bytes framed = ok ? arena_copy(a, buf_bytes(&out)) : BYTES_NONE;
    buf_release(&out);
    return framed;
}
