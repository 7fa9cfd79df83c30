/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: states, phases and small questions about jobs. The shapes of the records are in job_shapes.c, the
 * codes that users see in job_errors.c.
 */
#include "core/job.h"

#include <string.h>

/* ---- states ---- */

static const struct {
    const char *name;
    bool final;
} states[JOB_STATES] = {
    [JOB_ACCEPTED] = {"accepted", false},
    [JOB_CONVERTED] = {"converted", false},
    [JOB_PLANNED] = {"planned", false},
    [JOB_QUEUED] = {"queued", false},
    [JOB_RUNNING] = {"running", false},
    [JOB_SUCCEEDED] = {"succeeded", true},
    [JOB_FAILED] = {"failed", true},
    [JOB_CANCELLED] = {"cancelled", true},
    [JOB_TIMED_OUT] = {"timed_out", true},
    [JOB_REJECTED] = {"rejected", true},
};

const char *job_state_name(enum job_state s)
{
    MUST((unsigned)s < JOB_STATES);
    return states[s].name;
}

bool job_state_parse(struct bytes name, enum job_state *out)
{
    for (unsigned s = 0; s < JOB_STATES; s++) {
        if (bytes_equal_text(name, states[s].name)) {
            *out = (enum job_state)s;
            return true;
        }
    }
    return false;
}

bool job_state_is_final(enum job_state s)
{
    MUST((unsigned)s < JOB_STATES);
    return states[s].final;
}

/* ---- phases ---- */

/* Of two events with the same attempt, the one with the higher rank gives the document its state.
 * Equal ranks: the fold decides by time. */
static const struct {
    int rank;
    enum job_state state;
} phases[JOB_PHASES] = {
    [PHASE_ACCEPTED] = {0, JOB_ACCEPTED},
    [PHASE_CONVERTED] = {1, JOB_CONVERTED},
    [PHASE_PLANNED] = {2, JOB_PLANNED},
    [PHASE_QUEUED] = {3, JOB_QUEUED},
    [PHASE_STARTED] = {4, JOB_RUNNING},
    [PHASE_PROGRESS] = {5, JOB_RUNNING},
    [PHASE_NODE] = {5, JOB_RUNNING},
    [PHASE_RETRYING] = {6, JOB_QUEUED},
    [PHASE_LOST] = {6, JOB_QUEUED},
    [PHASE_SUCCEEDED] = {7, JOB_SUCCEEDED},
    [PHASE_FAILED] = {7, JOB_FAILED},
    [PHASE_CANCELLED] = {7, JOB_CANCELLED},
    [PHASE_TIMED_OUT] = {7, JOB_TIMED_OUT},
    [PHASE_REJECTED] = {7, JOB_REJECTED},
};

const char *const job_phase_names[JOB_PHASES + 1] = {
    [PHASE_ACCEPTED] = "accepted",
    [PHASE_CONVERTED] = "converted",
    [PHASE_PLANNED] = "planned",
    [PHASE_QUEUED] = "queued",
    [PHASE_STARTED] = "started",
    [PHASE_PROGRESS] = "progress",
    [PHASE_NODE] = "node",
    [PHASE_RETRYING] = "retrying",
    [PHASE_LOST] = "lost",
    [PHASE_SUCCEEDED] = "succeeded",
    [PHASE_FAILED] = "failed",
    [PHASE_CANCELLED] = "cancelled",
    [PHASE_TIMED_OUT] = "timed_out",
    [PHASE_REJECTED] = "rejected",
    [JOB_PHASES] = NULL,
};

int job_phase_rank(enum job_phase p)
{
    MUST((unsigned)p < JOB_PHASES);
    return phases[p].rank;
}

enum job_state job_phase_state(enum job_phase p)
{
    MUST((unsigned)p < JOB_PHASES);
    return phases[p].state;
}

bool job_phase_is_final(enum job_phase p)
{
    return job_state_is_final(job_phase_state(p));
}

/* ---- questions about a job ---- */

struct bytes job_group(struct arena *a, const struct job *j)
{
    size_t len = j->creator.len + 1 + j->user.len;
    char *text = arena_alloc(a, len + 1);
    if (j->creator.len)
        memcpy(text, j->creator.data, j->creator.len);
    text[j->creator.len] = '/';
    if (j->user.len)
        memcpy(text + j->creator.len + 1, j->user.data, j->user.len);
    return (struct bytes){text, len};
}

const struct job_part *job_part_find(const struct job *j, struct bytes id)
{
    for (size_t i = 0; i < j->parts.count; i++)
        if (bytes_equal(j->parts.items[i].id, id))
            return &j->parts.items[i];
    return NULL;
}

struct bytes job_statement_text(const struct job *j, const struct job_statement *s)
{
    if (s->text.data)
        return s->text;
    const struct job_part *part = s->part.data ? job_part_find(j, s->part) : NULL;
    struct bytes code = part && part->code.len ? part->code : j->code;
    if (s->offset < 0 || s->length < 0)
        return bytes_slice(code, 0, 0);
    return bytes_slice(code, (size_t)s->offset, (size_t)s->length);
}

#define NAME_MAX_LEN 64
#define KEY_MAX_LEN 255

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A letter, a digit, or one of others. */
static bool is_one_of(char c, const char *others)
{
    return is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr(others, c));
}

static bool all_are(struct bytes text, const char *others)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_one_of(text.data[i], others))
            return false;
    return true;
}

bool job_name_is_valid(struct bytes name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return false;
    return !bytes_equal_text(name, ".") && !bytes_equal_text(name, "..") && all_are(name, "._@-");
}

bool job_variable_name_is_valid(struct bytes name)
{
    return name.len > 0 && name.len <= JOB_VARIABLE_BYTES &&
           (is_letter(name.data[0]) || name.data[0] == '_') && all_are(name, "_.-");
}

bool job_part_id_is_valid(struct bytes id)
{
    return id.len > 0 && id.len <= NAME_MAX_LEN && all_are(id, "_.-");
}

bool job_key_is_valid(struct bytes key)
{
    return key.len > 0 && key.len <= KEY_MAX_LEN && all_are(key, "_.-/:@");
}
