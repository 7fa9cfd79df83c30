/* SPDX-License-Identifier: Apache-2.0 */
/* retry: see the header. The patterns are compiled with the C library, after a look at what they would cost. */
#include "core/retry.h"

#include <regex.h>
#include <string.h>

/* ---- what a pattern would cost ---- */

/* The pattern as it is read: for each open bracket, how long it is when every repetition is written out, and can it match in ways that
 * differ only by what matches nothing (a* a? (|a) ^)? The C library's time is exponential in those within a loop. */
struct reading {
    struct bytes pattern;
    size_t at;
    struct part {
        size_t cost;
        bool varies;
    } open[RETRY_DEPTH_MAX + 1];
    size_t depth;
    struct part last; /* what a repetition would repeat; counted in open[depth] */
    bool at_start;    /* of an alternative: nothing stands in it yet */
};

static char next_char(const struct reading *r, size_t ahead)
{
    return r->at + ahead < r->pattern.len ? r->pattern.data[r->at + ahead] : '\0';
}

static void add_part(struct reading *r, struct part part)
{
    r->last = part;
    r->open[r->depth].cost += part.cost;
    r->open[r->depth].varies |= part.varies;
    r->at_start = false;
}

static void add_character(struct reading *r, bool matches_nothing)
{
    r->at++;
    add_part(r, (struct part){1, matches_nothing});
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
    add_character(r, false);
}

/* The number at the place; larger ones than the limit are the limit and one. */
static size_t read_number(struct reading *r)
{
    size_t n = 0;
    for (; next_char(r, 0) >= '0' && next_char(r, 0) <= '9'; r->at++)
        n = n > RETRY_COST_MAX ? n : n * 10 + (size_t)(next_char(r, 0) - '0');
    return n;
}

/* x{3} is written xxx, x+ is xx*, x{2,} is xxx*. The operator counts too: what may match nothing costs its square. */
static const char *repeat(struct reading *r, size_t times, bool loops, bool varies)
{
    if (loops && r->last.varies)
        return "a loop (* + {m,}) over what has one of * + ? {m,n} ^ $ in it may take for ever";
    size_t cost = (r->last.cost + 1) * (times > 1 ? times : 1);
    r->open[r->depth].cost += cost - r->last.cost;
    r->open[r->depth].varies |= varies;
    r->last = (struct part){cost, r->last.varies || varies};
    return NULL;
}

/* {m}, {m,} or {m,n}. What is none of these is an error of the pattern, which the C library tells. */
static const char *read_repetition(struct reading *r)
{
    r->at++;
    size_t times = read_number(r);
    if (next_char(r, 0) != ',')
        return repeat(r, times, false, times == 0);
    r->at++;
    if (next_char(r, 0) == '}')
        return repeat(r, times + 1, true, true);
    size_t most = read_number(r);
    return repeat(r, most > times ? most : times, false, true);
}

/* Letters and signs are zero-width places (\b, \<) or sets (\w); which, is the C library's secret: they count as both. */
static const char *read_escape(struct reading *r)
{
    char c = next_char(r, 1);
    r->at++;
    add_character(r, c != '\0' && !strchr(".[]()*+?{}|^$\\/-wWsS", c));
    return c >= '1' && c <= '9' ? "it has a back reference, which may take for ever" : NULL;
}

static const char *open_bracket(struct reading *r)
{
    r->at++;
    if (r->depth == RETRY_DEPTH_MAX)
        return "its brackets are too deep";
    r->open[++r->depth] = (struct part){0, false};
    r->last = r->open[r->depth];
    r->at_start = true;
    return NULL;
}

static void close_bracket(struct reading *r)
{
    r->at++;
    if (r->depth == 0)
        return; /* an ordinary character, or an error that the C library tells */
    struct part part = r->open[r->depth--];
    part.cost++;
    part.varies |= r->at_start;
    add_part(r, part);
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
        return read_repetition(r);
    case '+':
        r->at++;
        return repeat(r, 2, true, true);
    case '*':
        r->at++;
        return repeat(r, 1, true, true);
    case '?':
        r->at++;
        return repeat(r, 1, false, true);
    case '|':
        add_character(r, r->at_start);
        r->at_start = true;
        return NULL;
    case '^':
    case '$':
        add_character(r, true);
        return NULL;
    default:
        add_character(r, false);
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
        if (r.open[r.depth].cost > RETRY_COST_MAX)
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
