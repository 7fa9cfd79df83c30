/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables: see variables.h. What was given is checked at once; the values are sorted by name when the first is asked for, so that
 * hostile code with very many ${...} costs no more than its length, and most code, which has none, nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "converter/finding.h"
#include "converter/patterns.h"
#include "converter/told.h"
#include "converter/variables_private.h"
#include "core/clock.h"

/* ---- problems and warnings ---- */

static void find_place(const struct variables *v, size_t at, int64_t *line, int64_t *column)
{
    finding_place(v->in.code, at, line, column);
    *line += v->in.first_line > 0 ? v->in.first_line - 1 : 0;
}

bool variables_refuse(const struct variables *v, size_t at, const char *code, struct bytes text,
    struct variables_problem *problem)
{
    int64_t column;

    problem->code = code;
    find_place(v, at, &problem->line, &column);
    if (v->in.told != NULL)
        v->in.told->column = column;
    problem->message = arena_printf(v->arena, "line %lld, column %lld: %.*s", (long long)problem->line,
        (long long)column, BYTES_ARG(text));
    return false;
}

static bool refuse_given(struct variables *v, struct bytes name, const char *code, const char *why,
    struct variables_problem *problem)
{
    *problem = (struct variables_problem){
        code, arena_printf(v->arena, "variables.%.*s: %s", BYTES_ARG(name), why), NO_INT};
    return false;
}

bool variables_warns(struct variables *v, struct bytes about)
{
    if (v->warning_count == VARIABLE_WARNINGS_MAX)
        return false;
    for (size_t i = 0; i < v->warning_count; i++) {
        if (bytes_equal(v->warned[i], about))
            return false;
    }
    v->warned[v->warning_count] = about;
    return true;
}

void variables_warn(struct variables *v, struct bytes warning)
{
    v->warnings[v->warning_count++] = warning;
}

struct strings variables_warnings(const struct variables *v)
{
    struct strings list = {arena_array(v->arena, v->warning_count, sizeof(*list.items)), v->warning_count};

    if (list.count > 0)
        memcpy(list.items, v->warnings, list.count * sizeof(*list.items));
    return list;
}

/* ---- values ---- */

static int compare_values(const void *a, const void *b)
{
    const struct named_value *left = a;
    const struct named_value *right = b;
    int order = bytes_compare(left->name, right->name);

    if (order != 0)
        return order;
    return left->rank < right->rank ? 1 : -1;
}

/* The code's own come last in rank, and of those the last. */
static void sort_values(struct variables *v)
{
    size_t rank = 0;

    v->value_count = v->in.given->count + v->sets.count;
    v->values = arena_array(v->arena, v->value_count + 1, sizeof(*v->values));
    for (size_t i = 0; i < v->in.given->count; i++, rank++)
        v->values[rank] = (struct named_value){v->in.given->items[i].key, v->in.given->items[i].value, rank};
    for (size_t i = 0; i < v->sets.count; i++, rank++)
        v->values[rank] = (struct named_value){v->sets.items[i].name, v->sets.items[i].value, rank};
    qsort(v->values, v->value_count, sizeof(*v->values), compare_values);
}

/* The first of its name; values with one name lie side by side. */
static const struct named_value *find_value(struct variables *v, struct bytes name)
{
    size_t from = 0, to;

    if (v->values == NULL)
        sort_values(v);
    to = v->value_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (bytes_compare(v->values[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < v->value_count && bytes_equal(v->values[from].name, name) ? &v->values[from] : NULL;
}

bool variables_find(struct variables *v, struct bytes name, struct variable *out)
{
    *out = (struct variable){.text = BYTES_NONE};
    out->builtin = builtin_find(name, &out->std);
    if (out->builtin != NULL)
        return true;
    const struct named_value *value = find_value(v, name);
    if (value != NULL)
        out->text = value->value;
    return value != NULL;
}

bool variable_is_fixed(struct bytes name)
{
    bool std;
    const struct builtin *b = builtin_find(name, &std);

    return b != NULL && (std || !b->may_be_set);
}

/* The next "${" or "&{" from `from` on, or text.len. */
static size_t next_opening(struct bytes text, size_t from)
{
    for (from++; from < text.len; from++) {
        const char *found = memchr(text.data + from, '{', text.len - from);
        if (found == NULL)
            return text.len;
        from = (size_t)(found - text.data);
        if (found[-1] == '$' || found[-1] == '&')
            return from - 1;
    }
    return text.len;
}

/* ---- what was given ---- */

/* A value for a built-in variable. NULL: fine; else the error's code, and why. */
static const char *set_builtin(struct variables *v, struct bytes name, struct bytes value, const char **why)
{
    bool std;
    const struct builtin *b = builtin_find(name, &std);

    if (b == NULL)
        return NULL;
    *why = "the variable is built in and can't be set; run_date, run_today_h and run_today_hour can";
    if (std || !b->may_be_set)
        return "fixed_variable";
    if (value.len == 0)
        return NULL; /* as if it were not given */
    if (b->from == FROM_RUN_DATE) {
        *why = "expected a day that exists, as yyyyMMdd or yyyy-MM-dd";
        return date_parse(value, &v->world.run_date) ? NULL : "bad_value";
    }
    size_t slot = v->world.hour_set[0] == NULL || v->world.hour_set[0] == b ? 0 : 1;
    v->world.hour_set[slot] = b;
    *why = "expected an hour of a day that exists, as yyyyMMddHH or yyyy-MM-dd HH";
    return moment_parse_hour(value, &v->world.hours[slot]) ? NULL : "bad_value";
}

static bool take_given(struct variables *v, struct variables_problem *problem)
{
    const char *why = NULL;

    for (size_t i = 0; i < v->in.given->count; i++) {
        struct bytes name = v->in.given->items[i].key;
        const char *code = set_builtin(v, name, v->in.given->items[i].value, &why);
        if (code != NULL)
            return refuse_given(v, name, code, why, problem);
    }
    return true;
}

/* Whoever writes ${...} there may hope that it is filled in. */
static void warn_of_value(struct variables *v, const struct set_line *set)
{
    int64_t line, column;

    if (next_opening(set->value, 0) >= set->value.len || !variables_warns(v, set->value))
        return;
    find_place(v, set->from, &line, &column);
    variables_warn(v,
        arena_printf(v->arena, "line %lld: the value of %.*s is taken as it is: nothing in it is filled in",
            (long long)line, BYTES_ARG(set->name)));
}

static bool take_sets(struct variables *v, struct variables_problem *problem)
{
    const char *why = NULL;
    size_t at = 0;

    if (!sets_read(v->in.code, v->style, v->arena, &v->sets, &at, &why))
        return variables_refuse(v, at, "bad_set", bytes_of(why), problem);
    for (size_t i = 0; i < v->sets.count; i++) {
        const struct set_line *set = &v->sets.items[i];
        const char *code = set_builtin(v, set->name, set->value, &why);
        if (code != NULL)
            return variables_refuse(
                v, set->from, code, arena_printf(v->arena, "%.*s: %s", BYTES_ARG(set->name), why), problem);
        warn_of_value(v, set);
    }
    return true;
}

/* When it was submitted, on the wall clock of its zone; times of broken producers count as the nearest that have a date. */
static void set_times(struct variables *v)
{
    enum { MS = 1000 };
    const int64_t first = clock_days(1, 1, 3) * 86400 * MS, last = clock_days(9999, 12, 29) * 86400 * MS;
    int64_t ms = v->in.submitted_at < first ? first : v->in.submitted_at > last ? last : v->in.submitted_at;
    int64_t utc = (ms >= 0 ? ms : ms - (MS - 1)) / MS;

    v->world.now.ms = (int)(ms - utc * MS);
    moment_of_seconds(utc + zone_offset(v->in.zone, utc), &v->world.now);
    date_add_days(v->world.now.date, -1, &v->world.run_date);
}

/* Lines that are no comments of the language give way to blanks: all that follows keeps its place. */
static void blank_sets(struct variables *v)
{
    char *own = NULL;

    for (size_t i = 0; i < v->sets.count; i++) {
        const struct set_line *set = &v->sets.items[i];
        if (!set->is_taken_out)
            continue;
        if (own == NULL)
            own = arena_text(v->arena, v->in.code);
        memset(own + set->from, ' ', set->to - set->from);
    }
    v->blanked = own != NULL;
    if (v->blanked)
        v->in.code.data = own;
}

struct variables *variables_new(
    const struct variables_input *in, struct arena *a, struct variables_problem *problem)
{
    struct variables *v = arena_alloc(a, sizeof(*v));

    *v = (struct variables){.in = *in,
        .arena = a,
        .style = set_style_of(in->code_type),
        .world = {.zone = in->zone, .user = in->user, .submitter = in->submitter},
        .left_bytes = in->max_bytes};
    set_times(v);
    if (!take_given(v, problem) || !take_sets(v, problem))
        return NULL;
    blank_sets(v);
    return v;
}

/* ---- filling in ---- */

struct filling_in {
    struct variables *v;
    struct bytes text;
    size_t place;
    bool is_piece;
    size_t set;    /* the next line that sets a variable */
    size_t copied; /* so much of text is in out */
    bool changed;
    size_t wanted; /* a byte of out: it stops there; SIZE_MAX: goes to the end */
    bool stopped;  /* the value of text[copied] reaches beyond wanted, or begins behind it */
    struct buf *out;
    struct variables_problem *problem;
};

static size_t place_of(const struct filling_in *f, size_t at)
{
    return f->is_piece ? f->place + at : f->place;
}

/* Where `at` lies in a line that sets a variable: the end of that line; else 0. */
static size_t past_set_line(struct filling_in *f, size_t at)
{
    const struct sets *sets = &f->v->sets;

    if (!f->is_piece)
        return 0;
    while (f->set < sets->count && sets->items[f->set].to <= f->place + at)
        f->set++;
    if (f->set == sets->count || sets->items[f->set].from > f->place + at)
        return 0;
    return sets->items[f->set].to - f->place;
}

/* "&{...}" at `at`; the search for its end has a limit, so that many beginnings without an end cost no more than their number. */
static enum expression_end fill_pattern(struct filling_in *f, size_t at, size_t *end)
{
    struct bytes rest = bytes_slice(f->text, at + 2, PATTERN_LEN_MAX + 1);
    const char *brace = rest.len > 0 ? memchr(rest.data, '}', rest.len) : NULL;
    struct moment base = f->v->world.now;
    const char *why;

    *end = at + 2;
    if (brace == NULL)
        return EXPRESSION_STAYS;
    struct bytes inner = bytes_slice(rest, 0, (size_t)(brace - rest.data));
    if (bytes_has_control(inner))
        return EXPRESSION_STAYS;
    base.date = f->v->world.run_date;
    switch (pattern_format(inner, &base, f->v->in.zone, &f->v->value, &why)) {
    case PATTERN_DONE:
        *end = at + 2 + inner.len + 1;
        return EXPRESSION_VALUE;
    case PATTERN_OTHER:
        break;
    case PATTERN_WRONG:
        variables_refuse(f->v, place_of(f, at), "bad_variable",
            arena_printf(f->v->arena, "&{%.*s}: %s", BYTES_ARG(inner), why), f->problem);
        return EXPRESSION_WRONG;
    }
    if (why[0] != '\0' && variables_warns(f->v, inner))
        variables_warn(f->v, arena_printf(f->v->arena, "&{%.*s} stays as it is: %s", BYTES_ARG(inner), why));
    return EXPRESSION_STAYS;
}

static enum expression_end fill_one(struct filling_in *f, size_t at, size_t *end)
{
    if (f->text.data[at] == '&')
        return fill_pattern(f, at, end);
    return expression_fill(f->v, f->text, at, place_of(f, at), end, &f->v->value, f->problem);
}

static void add_until(struct filling_in *f, size_t at)
{
    buf_add_bytes(f->out, bytes_slice(f->text, f->copied, at - f->copied));
    f->copied = at;
}

static enum variables_end fill(struct filling_in *f)
{
    struct variables *v = f->v;
    size_t end = 0;

    for (size_t at = next_opening(f->text, 0); at < f->text.len; at = next_opening(f->text, end)) {
        end = past_set_line(f, at);
        if (end > 0)
            continue;
        buf_clear(&v->value);
        enum expression_end done = fill_one(f, at, &end);
        if (done == EXPRESSION_WRONG)
            return VARIABLES_REFUSED;
        if (done == EXPRESSION_STAYS)
            continue;
        add_until(f, at);
        f->stopped = f->out->len + v->value.len > f->wanted;
        if (f->stopped)
            return VARIABLES_REPLACED;
        buf_add_bytes(f->out, buf_bytes(&v->value));
        f->copied = end;
        f->changed = true;
        if (f->out->len > v->left_bytes)
            return VARIABLES_TOO_LARGE;
    }
    if (!f->changed)
        return VARIABLES_NONE;
    if (f->wanted == SIZE_MAX)
        add_until(f, f->text.len);
    return f->out->len > v->left_bytes ? VARIABLES_TOO_LARGE : VARIABLES_REPLACED;
}

enum variables_end variables_fill(struct variables *v, struct bytes text, size_t place, bool is_piece,
    struct buf *out, struct variables_problem *problem)
{
    struct filling_in f = {.v = v,
        .text = text,
        .place = place,
        .is_piece = is_piece,
        .wanted = SIZE_MAX,
        .out = out,
        .problem = problem};

    return fill(&f);
}

size_t variables_origin(struct variables *v, size_t at, size_t len, size_t offset)
{
    struct variables_problem problem;
    struct buf text;
    struct filling_in f = {.v = v,
        .text = bytes_slice(v->in.code, at, len),
        .place = at,
        .is_piece = true,
        .wanted = offset,
        .out = &text,
        .problem = &problem};
    size_t left_bytes = v->left_bytes;

    buf_init(&text);
    buf_init(&v->value);
    v->left_bytes = SIZE_MAX;
    (void)fill(&f);
    v->left_bytes = left_bytes;
    size_t from = f.copied; /* the ${...} whose value it is in */
    if (text.len > offset)
        from -= text.len - offset;
    else if (!f.stopped)
        from += offset - text.len;
    buf_release(&v->value);
    buf_release(&text);
    return at + (from < len ? from : len);
}

enum variables_end variables_replace(
    struct variables *v, size_t at, size_t len, struct bytes *out, struct variables_problem *problem)
{
    struct bytes piece = bytes_slice(v->in.code, at, len);
    enum variables_end end = VARIABLES_NONE;
    struct buf text;

    *out = piece;
    if (next_opening(piece, 0) < piece.len || (v->style->is_json && variables_json_may_fill(piece))) {
        buf_init(&text);
        buf_init(&v->value);
        end = v->style->is_json ? variables_fill_json(v, piece, at, &text, problem)
                                : variables_fill(v, piece, at, true, &text, problem);
        if (end == VARIABLES_REPLACED) {
            *out = arena_copy(v->arena, buf_bytes(&text));
            v->left_bytes -= out->len;
        }
        buf_release(&v->value);
        buf_release(&text);
    }
    return end == VARIABLES_NONE && v->blanked ? VARIABLES_REPLACED : end;
}
