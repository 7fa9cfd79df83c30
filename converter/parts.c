/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: see parts.h. One pass over the tokens; the lexer tells the lines that cut. Names are made and checked when all are known.
 */
#include "converter/parts.h"

#include <stdlib.h>
#include <string.h>

#include "converter/language.h"
#include "converter/part_graph.h"

enum { SHOWN_MAX = 80 };

struct cutting {
    struct bytes code, engine, code_type;
    struct arena *arena;
    struct sql_lexer lexer;
    struct bytes engine_now, target_now; /* of the last --@engine line; none: the job's */
    /* the part at hand is the last of out */
    bool is_open;       /* there is one */
    bool has_code;      /* and something to run in it */
    size_t begin;       /* else: where one would begin, should something to run follow */
    int64_t begin_line; /* and the line that tells about it */
    struct parts_cut *out;
    size_t parts_room, places_room;
    /* lines are counted on from here */
    size_t counted_to;
    int64_t line;
    struct parts_problem *problem;
};

static bool refuse(struct cutting *c, const char *code, int64_t line, struct bytes why)
{
    *c->problem = (struct parts_problem){
        code, arena_printf(c->arena, "line %lld: %.*s", (long long)line, BYTES_ARG(why)), line};
    return false;
}

/* Puts the part before the problem's message; always false. */
static bool name_part(struct cutting *c, size_t part)
{
    c->problem->message = arena_printf(c->arena, "part %.*s, %.*s",
        BYTES_ARG(bytes_cut(c->out->parts[part].id, SHOWN_MAX)), BYTES_ARG(c->problem->message));
    return false;
}

static int64_t line_at(struct cutting *c, size_t at)
{
    while (c->counted_to < at) {
        const char *found = memchr(c->code.data + c->counted_to, '\n', at - c->counted_to);
        if (found == NULL) {
            c->counted_to = at;
        } else {
            c->counted_to = (size_t)(found - c->code.data) + 1;
            c->line++;
        }
    }
    return c->line;
}

/* ---- parts ---- */

static bool begin_part(struct cutting *c, struct bytes id, size_t from, int64_t line)
{
    struct parts_cut *out = c->out;

    if (out->count == JOB_PARTS_MAX)
        return refuse(
            c, "too_many", line, arena_printf(c->arena, "there are more than %d parts", JOB_PARTS_MAX));
    out->parts = arena_grow(c->arena, out->parts, out->count, &c->parts_room, sizeof(*out->parts));
    out->places = arena_grow(c->arena, out->places, out->count, &c->places_room, sizeof(*out->places));
    out->parts[out->count] = (struct job_part){.id = id,
        .engine = c->engine_now,
        .target = c->target_now,
        .code_type = BYTES(""),
        .code = BYTES("")};
    out->places[out->count] = (struct parts_place){from, from, line_at(c, from), line};
    out->count++;
    c->is_open = true;
    c->has_code = false;
    return true;
}

static bool end_part(struct cutting *c, size_t to)
{
    if (!c->is_open)
        return true;
    struct parts_place *place = &c->out->places[c->out->count - 1];
    place->to = to;
    c->is_open = false;
    if (c->has_code)
        return true;
    refuse(c, "empty_code", place->line, BYTES("there is nothing to run but white space and comments"));
    return name_part(c, c->out->count - 1);
}

/* ---- what the lines say ---- */

/* The next word of a line, which is taken off; none at the end. */
static struct bytes take_word(struct bytes *line)
{
    struct bytes rest = bytes_trim(*line);
    size_t len = 0;

    while (len < rest.len && rest.data[len] != ' ' && rest.data[len] != '\t')
        len++;
    *line = bytes_slice(rest, len, rest.len);
    return bytes_slice(rest, 0, len);
}

/* "a,b" */
static struct strings read_list(struct cutting *c, struct bytes text)
{
    struct strings list = {NULL, 0};
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == ',';
    list.items = arena_array(c->arena, count, sizeof(*list.items));
    for (size_t from = 0; list.count < count; list.count++) {
        const char *comma = from < text.len ? memchr(text.data + from, ',', text.len - from) : NULL;
        size_t to = comma != NULL ? (size_t)(comma - text.data) : text.len;
        list.items[list.count] = bytes_slice(text, from, to - from);
        from = to + 1;
    }
    return list;
}

static bool take_part_line(struct cutting *c, struct bytes line, size_t start, size_t end, int64_t at_line)
{
    static const char after_mark[] = "after=";
    struct bytes id = take_word(&line), word = take_word(&line);
    struct strings after = {NULL, 0};

    if (!job_part_id_is_valid(id))
        return refuse(c, "bad_parts", at_line,
            BYTES("expected --@part NAME after=a,b, with a name of 1 to 64 characters of A-Z a-z 0-9 . _ -"));
    if (word.len > 0) {
        if (!bytes_starts_with(word, after_mark) || word.len == sizeof(after_mark) - 1 ||
            bytes_trim(line).len > 0)
            return refuse(c, "bad_parts", at_line,
                BYTES("expected nothing behind the part's name but after=a,b (without blanks)"));
        after = read_list(c, bytes_slice(word, sizeof(after_mark) - 1, word.len));
    }
    if (!end_part(c, start) || !begin_part(c, id, end, at_line))
        return false;
    c->out->parts[c->out->count - 1].after = after;
    return true;
}

static bool take_engine_line(struct cutting *c, struct bytes line, size_t start, size_t end, int64_t at_line)
{
    struct bytes word = take_word(&line);
    const char *at = word.len > 0 ? memchr(word.data, '@', word.len) : NULL;
    struct bytes engine = bytes_slice(word, 0, at != NULL ? (size_t)(at - word.data) : word.len);
    struct bytes target = at != NULL ? bytes_slice(word, engine.len + 1, word.len) : BYTES_NONE;

    if (!job_name_is_valid(engine) || (at != NULL && !job_name_is_valid(target)) || bytes_trim(line).len > 0)
        return refuse(c, "bad_parts", at_line, BYTES("expected --@engine ENGINE or --@engine ENGINE@TARGET"));
    c->engine_now = engine;
    c->target_now = target;
    if (c->is_open && !c->has_code) {
        struct job_part *part = &c->out->parts[c->out->count - 1];
        part->engine = engine;
        part->target = target;
        c->out->places[c->out->count - 1] = (struct parts_place){end, end, line_at(c, end), at_line};
        return true;
    }
    /* Should a --@part line come next, there is no part between. */
    c->begin = end;
    c->begin_line = at_line;
    return end_part(c, start);
}

/* The dialect may be another one from here on. */
static void lex_on(struct cutting *c, size_t from)
{
    bool known;
    struct bytes engine = c->engine_now.len > 0 ? c->engine_now : c->engine;

    sql_lexer_init(&c->lexer, c->code, language_dialect(engine, c->code_type, &known));
    c->lexer.marks = true;
    c->lexer.at = from;
}

static bool take_line(struct cutting *c, const struct sql_token *t)
{
    static const struct {
        const char *mark;
        bool (*take)(struct cutting *c, struct bytes line, size_t start, size_t end, int64_t at_line);
    } lines[] = {{"--@part", take_part_line}, {"--@engine", take_engine_line}};
    struct bytes line = sql_token_text(&c->lexer, t);
    int64_t at_line = line_at(c, t->start);

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t len = strlen(lines[i].mark);
        if (!bytes_starts_with(line, lines[i].mark))
            continue;
        if (!lines[i].take(c, bytes_slice(line, len, line.len), t->start, t->end, at_line))
            return false;
        break;
    }
    lex_on(c, t->end);
    return true;
}

/* ---- names ---- */

static int compare_ids(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static bool is_given(struct bytes id, const struct bytes *given, size_t count)
{
    return count > 0 && bsearch(&id, given, count, sizeof(*given), compare_ids) != NULL;
}

/* Names for the parts that --@engine lines began: the first part has one. */
static void make_names(struct cutting *c)
{
    struct parts_cut *out = c->out;
    struct bytes *given = arena_array(c->arena, out->count + 1, sizeof(*given));
    size_t count = 0, number = 0;

    for (size_t i = 0; i < out->count; i++)
        if (out->parts[i].id.len > 0)
            given[count++] = out->parts[i].id;
    if (count > 0)
        qsort(given, count, sizeof(*given), compare_ids);
    for (size_t i = 0; i < out->count; i++) {
        struct job_part *part = &out->parts[i];
        if (part->id.len > 0)
            continue;
        number = number < i + 1 ? i + 1 : number + 1;
        while (is_given(arena_printf(c->arena, "p%zu", number), given, count))
            number++;
        part->id = arena_printf(c->arena, "p%zu", number);
        part->after = (struct strings){arena_array(c->arena, 1, sizeof(struct bytes)), 1};
        part->after.items[0] = out->parts[i - 1].id;
    }
}

static void tell(void *self, size_t part, size_t after, const char *code, struct bytes detail)
{
    struct cutting *c = self;

    (void)after;
    if (c->problem->code != NULL)
        return;
    refuse(c, code, c->out->places[part].line, detail);
    name_part(c, part);
}

/* ---- the text ---- */

/* Most text has no such lines, and its tokens need not be looked at. */
static bool may_have_lines(struct bytes code)
{
    for (size_t at = 0; at < code.len; at++) {
        const char *found = memchr(code.data + at, '@', code.len - at);
        if (found == NULL)
            return false;
        at = (size_t)(found - code.data);
        struct bytes word = bytes_slice(code, at + 1, 6);
        if (at >= 2 && found[-1] == '-' && found[-2] == '-' &&
            (bytes_starts_with(word, "part") || bytes_starts_with(word, "engine")))
            return true;
    }
    return false;
}

static bool cut(struct cutting *c, bool *any)
{
    struct sql_token t;

    while (sql_next(&c->lexer, &t)) {
        if (t.kind == SQL_MARK) {
            *any = true;
            if (!take_line(c, &t))
                return false;
        } else if (t.kind != SQL_HINT && (t.kind != SQL_SIGN || t.sign != ';')) {
            struct bytes id = c->out->count == 0 ? BYTES("main") : BYTES_NONE;
            if (!c->is_open && !begin_part(c, id, c->begin, c->begin_line))
                return false;
            c->has_code = true;
        }
    }
    return end_part(c, c->code.len);
}

enum parts_end parts_cut(struct bytes code, struct bytes engine, struct bytes code_type, struct arena *a,
    struct parts_cut *out, struct parts_problem *problem)
{
    struct cutting c = {.code = code,
        .engine = engine,
        .code_type = code_type,
        .arena = a,
        .begin_line = 1,
        .out = out,
        .line = 1,
        .problem = problem};
    bool any = false;

    *out = (struct parts_cut){NULL, NULL, 0};
    *problem = (struct parts_problem){NULL, BYTES_NONE, NO_INT};
    if (language_of(code_type) != LANGUAGE_SQL || !may_have_lines(code))
        return PARTS_NONE;
    lex_on(&c, 0);
    bool done = cut(&c, &any);
    if (!any && problem->code == NULL)
        return PARTS_NONE;
    if (!done)
        return PARTS_WRONG;
    if (out->count == 0) {
        refuse(&c, "empty_code", c.begin_line, BYTES("there is nothing to run but white space and comments"));
        return PARTS_WRONG;
    }
    make_names(&c);
    return part_graph_check(out->parts, out->count, a, tell, &c) ? PARTS_CUT : PARTS_WRONG;
}
