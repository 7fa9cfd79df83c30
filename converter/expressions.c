/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expressions: one ${...}: what stands in it, and its value. No two of them share a byte that is looked at: all that may stand between
 * the braces is no '$', so all of them together cost no more than the length of the code.
 */
#include <string.h>

#include "converter/decimal.h"
#include "converter/told.h"
#include "converter/variables_private.h"
#include "core/job.h"

enum { SHOWN_MAX = 80 };

struct expression {
    struct bytes name, right;
    char op; /* 0: none */
};

struct filling {
    struct variables *v;
    const struct expression *e;
    size_t place;
    struct buf *out;
    struct variables_problem *problem;
};

/* ---- reading ---- */

static bool is_first(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_plain(char c)
{
    return is_first(c) || (c >= '0' && c <= '9') || c == '.';
}

static bool is_further(char c)
{
    return is_plain(c) || c == '-';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes take(struct bytes text, size_t *at, bool (*wanted)(char c))
{
    size_t from = *at;

    while (*at < text.len && wanted(text.data[*at]))
        (*at)++;
    return bytes_slice(text, from, *at - from);
}

static bool closes(struct bytes text, size_t *at)
{
    take(text, at, is_blank);
    return *at < text.len && text.data[(*at)++] == '}';
}

/* "${name}", with a name that may hold dashes. */
static bool read_name(struct bytes text, size_t at, struct expression *e, size_t *end)
{
    *end = at + 2;
    take(text, end, is_blank);
    e->name = take(text, end, is_further);
    e->op = '\0';
    e->right = BYTES_NONE;
    return closes(text, end) && job_variable_name_is_valid(e->name);
}

/* "${name op right}": the name has no dashes, and right has some only as the name of a variable. */
static bool read_sum(struct bytes text, size_t at, struct expression *e, size_t *end)
{
    *end = at + 2;
    take(text, end, is_blank);
    e->name = take(text, end, is_plain);
    take(text, end, is_blank);
    if (*end == text.len || !job_variable_name_is_valid(e->name))
        return false;
    e->op = text.data[(*end)++];
    if (e->op != '+' && e->op != '-' && e->op != '*' && e->op != '/')
        return false;
    take(text, end, is_blank);
    e->right = take(text, end, is_further);
    return closes(text, end);
}

/* Without its blanks and line ends, for people. */
static struct bytes shown(struct arena *a, const struct expression *e)
{
    struct bytes right = bytes_cut(e->right, SHOWN_MAX);

    if (e->op == '\0')
        return arena_printf(a, "${%.*s}", BYTES_ARG(e->name));
    return arena_printf(a, "${%.*s%c%.*s}", BYTES_ARG(e->name), e->op, BYTES_ARG(right));
}

/* ---- values ---- */

static bool value_text(const struct filling *f, const struct variable *variable, struct buf *out)
{
    if (variable->builtin != NULL)
        return builtin_value(variable->builtin, variable->std, &f->v->world, 0, out);
    buf_add_bytes(out, variable->text);
    return true;
}

/* For dry runs: this variable is used. */
static void tell_use(const struct filling *f, struct bytes name, const struct variable *variable)
{
    struct buf value;

    if (f->v->in.told == NULL)
        return;
    buf_init(&value);
    if (value_text(f, variable, &value))
        told_use(f->v->in.told, name, buf_bytes(&value), f->v->arena);
    buf_release(&value);
}

static enum expression_end wrong(const struct filling *f, const char *why)
{
    struct arena *a = f->v->arena;

    variables_refuse(f->v, f->place, "bad_variable",
        arena_printf(a, "%.*s: %s", BYTES_ARG(shown(a, f->e)), why), f->problem);
    return EXPRESSION_WRONG;
}

static enum expression_end date_sum(const struct filling *f, const struct variable *left, struct bytes right)
{
    struct arena *a = f->v->arena;
    const char *unit = builtin_unit_names[left->builtin->unit];
    int64_t steps;

    if (f->e->op != '+' && f->e->op != '-')
        return wrong(f, "a date takes only + and -");
    if (right.len > 1 && right.data[0] == '+')
        right = bytes_slice(right, 1, right.len);
    if (!bytes_parse_int64(right, &steps) || steps == INT64_MIN) {
        struct bytes cut = bytes_cut(right, SHOWN_MAX);
        return wrong(f, arena_printf(a, "'%.*s' is no whole number (of the unit %s) and no variable's name",
                            BYTES_ARG(cut), unit)
                            .data);
    }
    if (!builtin_value(left->builtin, left->std, &f->v->world, f->e->op == '-' ? -steps : steps, f->out))
        return wrong(f, "this leads out of the years 1 to 9999");
    return EXPRESSION_VALUE;
}

static enum expression_end number_sum(const struct filling *f, struct decimal left, struct bytes right)
{
    char text[DECIMAL_TEXT_SIZE];
    struct decimal other, result;

    if (!decimal_parse(right, &other)) {
        struct bytes cut = bytes_cut(right, SHOWN_MAX);
        return wrong(
            f, arena_printf(f->v->arena, "'%.*s' is no number of up to %d digits and no variable's name",
                   BYTES_ARG(cut), DECIMAL_DIGITS)
                   .data);
    }
    switch (decimal_calculate(left, f->e->op, other, &result)) {
    case DECIMAL_OK:
        buf_add_bytes(f->out, decimal_text(result, text));
        return EXPRESSION_VALUE;
    case DECIMAL_BY_ZERO:
        return wrong(f, "a division by zero");
    case DECIMAL_TOO_LONG:
        break;
    }
    return wrong(f, "the result has more than 36 digits");
}

/* What begins with 0 is text: numbers of articles, codes of places. */
static bool is_number(struct bytes text, struct decimal *out)
{
    return text.len > 0 && text.data[0] != '0' && decimal_parse(text, out);
}

static enum expression_end sum(const struct filling *f, const struct variable *left, struct bytes right)
{
    struct decimal number;

    if (left->builtin != NULL && left->builtin->unit != UNIT_TEXT)
        return date_sum(f, left, right);
    if (left->builtin == NULL && is_number(left->text, &number))
        return number_sum(f, number, right);
    if (f->e->op != '+')
        return wrong(
            f, "text takes only +, and the variable's value is no number (what begins with 0 is text)");
    value_text(f, left, f->out);
    buf_add_bytes(f->out, right);
    return EXPRESSION_VALUE;
}

static enum expression_end fill_sum(const struct filling *f, const struct variable *left)
{
    struct variable other;
    struct buf value;

    if (f->e->right.len == 0)
        return wrong(f, "there is nothing after the operator");
    if (!variables_find(f->v, f->e->right, &other))
        return memchr(f->e->right.data, '-', f->e->right.len) != NULL ? EXPRESSION_STAYS
                                                                      : sum(f, left, f->e->right);
    tell_use(f, f->e->right, &other);
    buf_init(&value);
    enum expression_end end = value_text(f, &other, &value)
                                  ? sum(f, left, buf_bytes(&value))
                                  : wrong(f, "the right side leads out of the years 1 to 9999");
    buf_release(&value);
    return end;
}

enum expression_end expression_fill(struct variables *v, struct bytes text, size_t at, size_t place,
    size_t *end, struct buf *out, struct variables_problem *problem)
{
    struct expression e;
    struct filling f = {v, &e, place, out, problem};
    struct variable variable;
    size_t after = 0;

    *end = at + 2;
    bool is_name = read_name(text, at, &e, &after);
    if (is_name && variables_find(v, e.name, &variable)) {
        *end = after;
        tell_use(&f, e.name, &variable);
        return value_text(&f, &variable, out) ? EXPRESSION_VALUE
                                              : wrong(&f, "this leads out of the years 1 to 9999");
    }
    struct expression written = e;
    size_t written_end = after;
    if (read_sum(text, at, &e, &after)) {
        if (variables_find(v, e.name, &variable)) {
            enum expression_end done = fill_sum(&f, &variable);
            *end = done == EXPRESSION_VALUE ? after : *end;
            if (done == EXPRESSION_VALUE)
                tell_use(&f, e.name, &variable);
            return done;
        }
        written = e;
        written_end = after;
    } else if (!is_name) {
        return EXPRESSION_STAYS;
    }
    told_leave(v->in.told, written.name, v->arena);
    size_t name_at = (size_t)(written.name.data - text.data);
    if (!variables_is_likely(v, written.name, written.op, written.right) ||
        !variables_warns(v, bytes_slice(text, name_at, written_end - name_at)))
        return EXPRESSION_STAYS;
    struct bytes name = shown(v->arena, &written);
    variables_warn(v, arena_printf(v->arena, "%.*s stays as it is: no variable is named %.*s",
                          BYTES_ARG(name), BYTES_ARG(written.name)));
    return EXPRESSION_STAYS;
}
