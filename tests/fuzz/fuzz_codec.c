/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * fuzz_codec: whatever the bytes are, decoding answers; and what it takes can be written and read again and stays
 * the same.
 *
 * The first byte chooses: bits 0-2 the record, bit 7 whether JSON is allowed, bit 6 whether the framing of that
 * record's present schema is put before the rest, bit 5 the same with a foreign schema of every Avro type.
 */
#include <stdlib.h>
#include <string.h>

#include "core/codec.h"
#include "core/job.h"

#define RECORDS 6
#define CHOOSE_JSON 0x80
#define CHOOSE_FRAME 0x40
#define CHOOSE_FOREIGN 0x20

static const char foreign_schema[] =
    "{\"type\":\"record\",\"name\":\"JobSubmitted\",\"namespace\":\"millrace.v1\",\"fields\":["
    "{\"name\":\"code\",\"type\":\"bytes\"},"
    "{\"name\":\"engine\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"shell\",\"sqlite\"]}},"
    "{\"name\":\"x_fixed\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}},"
    "{\"name\":\"x_tree\",\"type\":{\"type\":\"record\",\"name\":\"Tree\",\"fields\":["
    "{\"name\":\"next\",\"type\":[\"null\",\"Tree\"]},{\"name\":\"more\",\"type\":{\"type\":\"array\","
    "\"items\":\"Tree\"}},"
    "{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"b\",\"type\":"
    "\"boolean\"}]}},"
    "{\"name\":\"x_nulls\",\"type\":{\"type\":\"array\",\"items\":\"null\"}},"
    "{\"name\":\"user\",\"type\":[\"int\",\"string\",\"null\",{\"type\":\"map\",\"values\":\"int\"}]},"
    "{\"name\":\"variables\",\"type\":{\"type\":\"map\",\"values\":[\"string\",\"null\",\"bytes\"]}},"
    "{\"name\":\"limits\",\"type\":[{\"type\":\"record\",\"name\":\"JobLimits\",\"fields\":["
    "{\"name\":\"run_timeout_ms\",\"type\":\"int\"}]},\"null\"]},"
    "{\"name\":\"parts\",\"type\":[\"null\",{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"record\","
    "\"name\":\"JobPart\","
    "\"fields\":[{\"name\":\"after\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}]}]}]}]}";

static struct codec *codec;
static uint64_t fingerprints[RECORDS];
static uint64_t foreign_fingerprint;

static void end(void)
{
    codec_free(codec);
}

static void prepare(void)
{
    struct error e;
    codec = codec_new(NULL);
    MUST(atexit(end) ==
         0); /* avro-c keeps pointers at odd addresses, where a leak checker does not see them */
    MUST(codec_add_schema(codec, bytes_of(foreign_schema), &e));
    MUST(codec_fingerprint(bytes_of(foreign_schema), &foreign_fingerprint, &e));
    for (size_t i = 0; i < RECORDS; i++) {
        struct buf text;
        buf_init(&text);
        shape_schema(job_shapes[i], &text);
        MUST(codec_fingerprint(buf_bytes(&text), &fingerprints[i], &e));
        buf_release(&text);
    }
}

static void add_frame(struct buf *value, uint64_t fingerprint)
{
    buf_add(value, "\xC3\x01", 2);
    for (unsigned i = 0; i < 8; i++)
        buf_add_char(value, (char)(fingerprint >> (8 * i)));
}

static void check_round_trip(const struct shape *s, const void *record, struct arena *a)
{
    struct error e;
    struct buf first;
    struct buf second;
    void *again = arena_alloc(a, s->size);
    buf_init(&first);
    buf_init(&second);
    MUST(codec_encode(codec, s, record, &first, &e));
    MUST(codec_decode(codec, s, buf_bytes(&first), false, a, again, &e) == CODEC_OK);
    MUST(codec_encode(codec, s, again, &second, &e));
    MUST(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    buf_release(&first);
    buf_release(&second);
}

static void check_json_form(const struct shape *s, const void *record, struct arena *a)
{
    struct field_problems problems;
    void *again = arena_alloc(a, s->size);
    json_t *form = shape_to_json(s, record, 0);
    char *text = json_dumps(form, 0);
    MUST(text);
    free(text);
    /* Least numbers, NaN and map keys that are not unique once repaired have no exact JSON: it need not be taken. */
    shape_from_json(s, form, SHAPE_NUL, a, again, &problems);
    json_decref(form);
    shape_copy(s, record, again, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!codec)
        prepare();
    if (size == 0)
        return 0;
    const struct shape *s = job_shapes[(data[0] & 7) % RECORDS];
    struct buf value;
    struct arena a;
    struct error e = {.code = "", .text = ""};
    buf_init(&value);
    arena_init(&a);
    if (data[0] & CHOOSE_FOREIGN)
        add_frame(&value, foreign_fingerprint);
    else if (data[0] & CHOOSE_FRAME)
        add_frame(&value, fingerprints[(data[0] & 7) % RECORDS]);
    buf_add(&value, data + 1, size - 1);

    void *record = arena_alloc(&a, s->size);
    switch (codec_decode(codec, s, buf_bytes(&value), data[0] & CHOOSE_JSON, &a, record, &e)) {
    case CODEC_OK:
        check_round_trip(s, record, &a);
        check_json_form(s, record, &a);
        break;
    case CODEC_BAD:
        MUST(job_error_code(e.code));
        MUST(bytes_is_utf8(bytes_of(e.text)));
        break;
    case CODEC_RETRY:
        error_bug(__FILE__, __LINE__, "there is no registry to wait for");
    }
    arena_release(&a);
    buf_release(&value);
    return 0;
}
