/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs: see verbs.h. One pass over the tokens. Phrases under way are kept as attempts: how many of a phrase's words were seen since its
 * verb. A verb that waits for its WHERE is kept by the depth of parentheses at which the WHERE would have to stand.
 */
#include "converter/verbs.h"

#include <string.h>

enum { WAITING_MAX = 32 };

struct phrase {
    struct bytes text;
    struct bytes words[VERBS_WORDS_MAX];
    size_t count;
    bool without_where; /* the last two words are off the list then */
};

struct waiting {
    const struct phrase *phrase;
    size_t offset, length, depth;
};

struct checking {
    struct sql_lexer lexer;
    enum sql_dialect dialect;
    struct bytes code;
    struct arena *arena;
    struct findings *out;
    struct phrase *phrases;
    size_t count;
    /* the verb at hand */
    struct sql_token verb;
    size_t seen[VERBS_PHRASES_MAX]; /* words of each phrase; 0: it does not fit, or has its finding */
    bool under_way;                 /* some seen is not 0 */
    struct waiting waiting[WAITING_MAX];
    size_t waiting_count;
    size_t depth;
    uint64_t with_at;   /* a bit for each depth that is between WITH and the verb behind its CTEs */
    bool verb_next;     /* the next word is a statement's verb */
    bool first;         /* and the first word of all of it */
    bool in_body;       /* the code has a body, or may have */
    bool as_opens;      /* the next AS is followed by a statement */
    bool explaining;    /* between EXPLAIN and the verb */
    size_t guarded_end; /* of the guarded comment that the lexer is in, which cuts its text; 0: in none */
    struct sql_token previous;
};

static const char why_verb[] = "this account may not run such statements; leave it out, or ask an operator";
static const char why_where[] =
    "without WHERE it changes every row; add a WHERE (WHERE true if all are meant)";

/* ---- phrases ---- */

/* What begins statements of the databases and engines that people use. It tells slips of the pen; verbs_check takes any word. */
static const char *const verbs[] = {"abort", "add", "admin", "alter", "analyse", "analyze", "assert",
    "attach", "audit", "backup", "begin", "break", "bulk", "cache", "call", "cancel", "change", "check",
    "checkpoint", "checksum", "clear", "clone", "close", "cluster", "comment", "commit", "compact", "compute",
    "connect", "convert", "copy", "create", "dbcc", "deallocate", "declare", "define", "delete", "deny",
    "desc", "describe", "detach", "dfs", "disable", "discard", "disconnect", "do", "drop", "enable", "end",
    "exchange", "exec", "execute", "exists", "explain", "export", "fetch", "flashback", "flush", "force",
    "from", "generate", "get", "grant", "handler", "help", "if", "import", "insert", "install", "invalidate",
    "kill", "list", "listen", "load", "lock", "loop", "merge", "move", "msck", "noaudit", "notify", "open",
    "optimize", "pause", "pivot", "pragma", "prepare", "print", "purge", "put", "raise", "raiserror",
    "reassign", "rebuild", "receive", "reconfigure", "recover", "refresh", "reindex", "release", "reload",
    "remove", "rename", "reorg", "repair", "repeat", "replace", "reset", "resignal", "restart", "restore",
    "resume", "return", "revert", "revoke", "rollback", "rollforward", "save", "savepoint", "security",
    "select", "send", "set", "show", "shutdown", "signal", "split", "start", "stop", "summarize", "suspend",
    "sync", "system", "table", "throw", "trace", "truncate", "unassign", "uncache", "undelete", "undrop",
    "uninstall", "unlisten", "unload", "unlock", "unpivot", "unset", "update", "upsert", "use", "vacuum",
    "validate", "values", "waitfor", "watch", "while", "with", "xa"};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

const char *verb_at(size_t index)
{
    return index < VERBS ? verbs[index] : NULL;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t cut_words(struct bytes phrase, struct bytes *words)
{
    size_t count = 0;
    size_t at = 0;

    while (at < phrase.len) {
        size_t from = at;
        while (at < phrase.len && is_word_char(phrase.data[at]))
            at++;
        if (at == from || count == VERBS_WORDS_MAX || (at < phrase.len && phrase.data[at] != ' '))
            return 0;
        words[count++] = bytes_slice(phrase, from, at - from);
        if (at < phrase.len && ++at == phrase.len)
            return 0;
    }
    return count;
}

static bool same_word(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if ((a.data[i] | 0x20) != (b.data[i] | 0x20))
            return false;
    }
    return true;
}

static bool is_verb(struct bytes word)
{
    for (size_t i = 0; i < VERBS; i++) {
        if (same_word(word, bytes_of(verbs[i])))
            return true;
    }
    return false;
}

bool verbs_phrase_is_valid(struct bytes phrase)
{
    struct bytes words[VERBS_WORDS_MAX];

    return cut_words(phrase, words) > 0 && is_verb(words[0]);
}

static void read_phrases(struct checking *c, const struct strings *phrases)
{
    c->phrases = arena_array(c->arena, phrases->count, sizeof(*c->phrases));
    for (size_t i = 0; i < phrases->count && c->count < VERBS_PHRASES_MAX; i++) {
        struct phrase *p = &c->phrases[c->count];
        p->text = phrases->items[i];
        p->count = cut_words(p->text, p->words);
        if (p->count == 0)
            continue;
        if (p->count > 2 && same_word(p->words[p->count - 2], BYTES("without")) &&
            same_word(p->words[p->count - 1], BYTES("where"))) {
            p->without_where = true;
            p->count -= 2;
        }
        c->count++;
    }
}

/* ---- fitting ---- */

/* Words that may stand between those of a phrase. */
static bool says_nothing(struct bytes word)
{
    static const char *const words[] = {"or", "replace", "alter", "temp", "temporary", "global", "local",
        "unlogged", "external", "foreign", "materialized", "unique", "recursive", "virtual", "transient",
        "if", "not", "exists", "low_priority", "quick", "ignore", "concurrently", "clustered", "nonclustered",
        "fulltext", "spatial", "only", "managed"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (same_word(word, bytes_of(words[i])))
            return true;
    }
    return false;
}

static void fit_whole(struct checking *c, const struct phrase *p, size_t end)
{
    size_t length = end - c->verb.start;

    if (!p->without_where) {
        finding_add(c->out, c->arena, c->code, c->verb.start, length, p->text, why_verb);
    } else if (c->waiting_count < WAITING_MAX) {
        c->waiting[c->waiting_count++] =
            (struct waiting){.phrase = p, .offset = c->verb.start, .length = length, .depth = c->depth};
    }
}

static void begin_phrases(struct checking *c, const struct sql_token *t, struct bytes word)
{
    c->verb = *t;
    c->under_way = false;
    for (size_t i = 0; i < c->count; i++) {
        const struct phrase *p = &c->phrases[i];
        c->seen[i] = same_word(p->words[0], word) ? 1 : 0;
        if (c->seen[i] == p->count) {
            c->seen[i] = 0;
            fit_whole(c, p, t->end);
        }
        c->under_way = c->under_way || c->seen[i] > 0;
    }
}

static void go_on_with_phrases(struct checking *c, const struct sql_token *t)
{
    struct bytes word = t->kind == SQL_WORD ? sql_token_text(&c->lexer, t) : BYTES_NONE;
    bool nothing = t->kind == SQL_WORD && says_nothing(word);

    c->under_way = false;
    for (size_t i = 0; i < c->count; i++) {
        const struct phrase *p = &c->phrases[i];
        if (c->seen[i] == 0)
            continue;
        if (t->kind == SQL_WORD && same_word(p->words[c->seen[i]], word))
            c->seen[i]++;
        else if (!nothing)
            c->seen[i] = 0;
        if (c->seen[i] == p->count) {
            c->seen[i] = 0;
            fit_whole(c, p, t->end);
        }
        c->under_way = c->under_way || c->seen[i] > 0;
    }
}

/* ---- waiting for WHERE ---- */

static void where_came(struct checking *c)
{
    while (c->waiting_count > 0 && c->waiting[c->waiting_count - 1].depth == c->depth)
        c->waiting_count--;
}

/* The statements at this depth and deeper end here. */
static void end_waiting(struct checking *c, size_t depth)
{
    size_t kept = c->waiting_count;

    while (kept > 0 && c->waiting[kept - 1].depth >= depth)
        kept--;
    for (size_t i = kept; i < c->waiting_count; i++)
        finding_add(c->out, c->arena, c->code, c->waiting[i].offset, c->waiting[i].length,
            c->waiting[i].phrase->text, why_where);
    c->waiting_count = kept;
}

/* ---- where verbs stand ---- */

static bool is_sign(const struct sql_token *t, char sign)
{
    return t->kind == SQL_SIGN && t->sign == sign;
}

/* Verbs are followed by a word, a name or the end; function calls, columns and lists of columns are not. */
static bool reads_as_verb(const struct checking *c)
{
    struct sql_lexer ahead = c->lexer;
    struct sql_token next;

    sql_next(&ahead, &next);
    return next.kind != SQL_SIGN || next.sign == ';' || next.sign == '*';
}

/* Bodies are where a statement may stand in a statement. */
static bool begins_body(enum sql_word first)
{
    return first == SQL_CREATE || first == SQL_ALTER || first == SQL_BEGIN || first == SQL_DECLARE ||
           first == SQL_IF || first == SQL_WHILE || first == SQL_LOOP || first == SQL_REPEAT;
}

/* Behind this word a statement begins. */
static bool opens_statement(struct checking *c, const struct sql_token *t)
{
    bool psm = (c->lexer.has & SQL_HAS_PSM) != 0;

    switch ((int)t->word) {
    case SQL_BEGIN:
    case SQL_ATOMIC:
        return c->in_body;
    case SQL_THEN: /* but not in MERGE ... WHEN MATCHED THEN */
    case SQL_ELSE:
        return c->in_body && c->verb.word != SQL_MERGE;
    case SQL_DO: /* elsewhere ON CONFLICT DO UPDATE */
    case SQL_LOOP:
    case SQL_REPEAT:
    case SQL_ROW: /* FOR EACH ROW */
        return c->in_body && psm;
    case SQL_AS:
        if (c->as_opens && c->depth == 0) {
            c->as_opens = false;
            return true;
        }
        return false;
    case SQL_GO:
        return c->dialect == SQL_TSQL;
    default:
        return false;
    }
}

static bool is_main_verb(enum sql_word w)
{
    return w == SQL_SELECT || w == SQL_INSERT || w == SQL_UPDATE || w == SQL_DELETE || w == SQL_MERGE ||
           w == SQL_WITH || w == SQL_VALUES || w == SQL_REPLACE || w == SQL_CREATE || w == SQL_TABLE;
}

static uint64_t depth_bit(const struct checking *c)
{
    return c->depth < 64 ? UINT64_C(1) << c->depth : 0;
}

/* Is this word in a place where a verb may stand? */
static bool is_placed(struct checking *c, const struct sql_token *t)
{
    if (is_sign(&c->previous, '('))
        return is_main_verb(t->word);
    if (c->verb_next)
        return true;
    if (is_sign(&c->previous, ')')) {
        if ((c->with_at & depth_bit(c)) != 0) {
            if (t->word != SQL_AS)
                c->with_at &= ~depth_bit(c);
            return true;
        }
        if (c->dialect == SQL_TSQL && c->depth == 0) /* IF (...) DROP ... */
            return true;
    }
    return c->explaining && c->depth == 0;
}

static void begin_statement(struct checking *c, const struct sql_token *t, struct bytes word)
{
    c->in_body = c->in_body || begins_body(t->word);
    c->as_opens = t->word == SQL_CREATE || same_word(word, BYTES("prepare"));
    c->explaining = t->word == SQL_EXPLAIN;
}

static void look_at_word(struct checking *c, const struct sql_token *t)
{
    struct bytes word = sql_token_text(&c->lexer, t);

    if (t->word == SQL_WHERE)
        where_came(c);
    if (is_placed(c, t) && (c->first || reads_as_verb(c))) {
        begin_phrases(c, t, word);
        if (c->first)
            begin_statement(c, t, word);
        else if (is_main_verb(t->word))
            c->explaining = false;
        if (t->word == SQL_WITH)
            c->with_at |= depth_bit(c);
    } else if (c->under_way) {
        go_on_with_phrases(c, t);
    }
    c->verb_next = opens_statement(c, t);
}

static void look_at_other(struct checking *c, const struct sql_token *t)
{
    if (c->under_way)
        go_on_with_phrases(c, t);
    c->verb_next = is_sign(t, ';') || t->kind == SQL_DELIMITER ||
                   (is_sign(t, ':') && t->end == t->start + 1 && c->in_body);
    if (is_sign(t, '(')) {
        c->depth++;
        c->with_at &= ~depth_bit(c);
    } else if (is_sign(t, ')')) {
        end_waiting(c, c->depth);
        c->depth -= c->depth > 0;
    } else if (is_sign(t, ';')) {
        end_waiting(c, c->depth);
        c->with_at = 0;
        c->explaining = false;
    }
}

/* What stands in a guarded comment runs: it is read as if it stood there without its signs. */
static void enter_guarded(struct sql_lexer *l, const struct sql_token *t)
{
    size_t at = t->start + 3; /* behind the slash, the star and ! or M! */

    at += l->text.data[at - 1] == 'M';
    while (at < t->end && l->text.data[at] >= '0' && l->text.data[at] <= '9')
        at++;
    l->text.len = l->unclosed == NULL && t->end - at >= 2 ? t->end - 2 : t->end;
    l->at = at;
}

/* The next token, also of those in guarded comments. */
static bool next_token(struct checking *c, struct sql_token *t)
{
    for (;;) {
        bool any = sql_next(&c->lexer, t);
        if (!any && c->guarded_end == 0)
            return false;
        if (!any) {
            c->lexer.text = c->code;
            c->lexer.at = c->guarded_end;
            c->guarded_end = 0;
        } else if (t->kind == SQL_GUARDED && c->guarded_end == 0) {
            c->guarded_end = t->end;
            enter_guarded(&c->lexer, t);
        } else {
            return true;
        }
    }
}

void verbs_check(struct bytes code, enum sql_dialect d, const struct strings *phrases, struct arena *a,
    struct findings *out)
{
    struct checking c = {
        .dialect = d, .code = code, .arena = a, .out = out, .verb_next = true, .first = true};
    struct sql_token t;

    read_phrases(&c, phrases);
    if (c.count == 0)
        return;
    sql_lexer_init(&c.lexer, code, d);
    while (!out->more && next_token(&c, &t)) {
        if (t.kind == SQL_HINT)
            continue;
        if (t.kind == SQL_WORD)
            look_at_word(&c, &t);
        else
            look_at_other(&c, &t);
        c.first = is_sign(&t, ';') || (t.word == SQL_GO && d == SQL_TSQL);
        c.previous = t;
    }
    end_waiting(&c, 0);
}
