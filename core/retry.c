/* SPDX-License-Identifier: Apache-2.0 */
/* retry: see the header. The patterns are compiled with the C library, after a look at what they would cost. */
#include "core/retry.h"

#include <regex.h>
#include <string.h>

/* ---- what a pattern would cost ---- */

/* The pattern as it is read: how many characters it has when every repetition is written out, for each open bracket. */
struct reading {
    struct bytes pattern;
    size_t at;
    size_t total[RETRY_DEPTH_MAX + 1];
    size_t depth;
    size_t last; /* of what a repetition would repeat; counted in total[depth] */
};

static char next_char(const struct reading *r, size_t ahead)
{
    return r->at + ahead < r->pattern.len ? r->pattern.data[r->at + ahead] : '\0';
}

static void add_atom(struct reading *r, size_t cost)
{
    r->last = cost;
    r->total[r->depth] += cost;
}

/* [...], in which other characters mean nothing; a class such as [:alpha:] may stand inside. */
static void skip_set(struct reading *r)
{
    r->at++;
    if (next_char(r, 0) == '^')
        r->at++;
    if (next_char(r, 0) == ']')
        r->at++;
    while (r->at < r->pattern.len && next_char(r, 0) != ']') {
        char kind = next_char(r, 1);
        bool class = next_char(r, 0) == '[' && (kind == ':' || kind == '.' || kind == '=');
        r->at += class ? 2 : 1;
        while (class && r->at < r->pattern.len && !(next_char(r, 0) == kind && next_char(r, 1) == ']'))
            r->at++;
        r->at += class ? 2 : 0;
    }
    r->at++;
    add_atom(r, 1);
}

/* The number at the place; larger ones than the limit are the limit and one. */
static size_t read_number(struct reading *r)
{
    size_t n = 0;
    for (; next_char(r, 0) >= '0' && next_char(r, 0) <= '9'; r->at++)
        n = n > RETRY_COST_MAX ? n : n * 10 + (size_t)(next_char(r, 0) - '0');
    return n;
}

/* {m}, {m,} or {m,n}. What is none of these is an error of the pattern, which the C library tells. */
static void read_repetition(struct reading *r)
{
    r->at++;
    size_t times = read_number(r);
    if (next_char(r, 0) == ',') {
        r->at++;
        size_t most = read_number(r);
        times = most > times ? most : times;
    }
    if (times > 1) {
        r->total[r->depth] += r->last * (times - 1);
        r->last *= times;
    }
}

static const char *read_escape(struct reading *r)
{
    char c = next_char(r, 1);
    r->at += 2;
    add_atom(r, 1);
    return c >= '1' && c <= '9' ? "it has a back reference, which may take for ever" : NULL;
}

static const char *open_bracket(struct reading *r)
{
    r->at++;
    if (r->depth == RETRY_DEPTH_MAX)
        return "its brackets are too deep";
    r->total[++r->depth] = 0;
    r->last = 0;
    return NULL;
}

static void close_bracket(struct reading *r)
{
    r->at++;
    if (r->depth == 0)
        return; /* an ordinary character, or an error that the C library tells */
    size_t cost = r->total[r->depth--] + 1;
    add_atom(r, cost);
}

static const char *read_one(struct reading *r)
{
    switch (next_char(r, 0)) {
    case '\\':
        return read_escape(r);
    case '(':
        return open_bracket(r);
    case ')':
        close_bracket(r);
        return NULL;
    case '[':
        skip_set(r);
        return NULL;
    case '{':
        read_repetition(r);
        return NULL;
    default:
        add_atom(r, 1);
        r->at++;
        return NULL;
    }
}

static const char *cost_problem(struct bytes pattern)
{
    struct reading r = {.pattern = pattern};
    while (r.at < pattern.len) {
        const char *problem = read_one(&r);
        if (problem)
            return problem;
        if (r.total[r.depth] > RETRY_COST_MAX)
            return "its repetitions multiply to too much";
    }
    return NULL;
}

/* ---- the C library ---- */

const char *retry_pattern_problem(struct bytes pattern, struct arena *a)
{
    if (pattern.len == 0)
        return "it is empty and would match everything";
    if (pattern.len > RETRY_PATTERN_MAX)
        return "it is too long";
    if (memchr(pattern.data, '\0', pattern.len))
        return "it holds a NUL byte";
    const char *problem = cost_problem(pattern);
    if (problem)
        return problem;
    regex_t compiled;
    int refused = regcomp(&compiled, arena_text(a, pattern), REG_EXTENDED | REG_NOSUB);
    if (refused) {
        char why[128];
        regerror(refused, &compiled, why, sizeof why);
        return arena_text(a, bytes_of(why));
    }
    regfree(&compiled);
    return NULL;
}

static bool is_found(const regex_t *pattern, struct bytes text, struct arena *a)
{
    return text.len > 0 && regexec(pattern, arena_text(a, text), 0, NULL, 0) == 0;
}

/* A pattern that could not pass the check fits nothing: the record may be another producer's. */
static bool pattern_fits(struct bytes pattern, const struct job_error *error, struct arena *a)
{
    regex_t compiled;
    if (retry_pattern_problem(pattern, a) ||
        regcomp(&compiled, arena_text(a, pattern), REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool found = is_found(&compiled, error->code, a) ||
                 is_found(&compiled, bytes_cut(error->message, RETRY_MESSAGE_BYTES), a);
    regfree(&compiled);
    return found;
}

bool retry_rule_fits(
    const struct job_retry *r, int64_t exit_code, const struct job_error *error, struct arena *a)
{
    for (size_t i = 0; i < r->exit_codes.count && i < RETRY_RULES_MAX && exit_code != NO_INT; i++)
        if (r->exit_codes.items[i] == exit_code)
            return true;
    for (size_t i = 0; i < r->errors.count && i < RETRY_RULES_MAX && error; i++)
        if (pattern_fits(r->errors.items[i], error, a))
            return true;
    return false;
}
