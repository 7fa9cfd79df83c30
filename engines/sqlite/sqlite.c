/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite: an engine that runs SQL on SQLite, one run at a time. The database is in memory and new for each run, or the file
 * that conf names (`database`). A run is any number of statements; each that returns columns becomes a result table.
 *
 * Two threads: the first reads stdin, so that a cancel gets through while the second works on the run. A cancel interrupts
 * the statement and is also looked at between statements.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "engines/lib/engine.h"
#include "engines/sqlite/table.h"

#define SEND_SIZE ((size_t)64 * 1024)
#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 20
#define PROGRESS_STEPS 10000 /* virtual machine steps between two looks at the cancel flag */

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t more;
    json_t *next; /* a run that waits, or NULL */
    json_t *now;  /* the run at work, or NULL */
    atomic_bool cancelled;
};

/* ---- one run ---- */

struct sql_run {
    struct worker *worker;
    struct bytes run;
    struct bytes code;
    long long max_rows; /* 0: no limit */
    sqlite3 *db;
    struct buf out;
    struct error error;
    size_t at;  /* of the present statement, in the code */
    bool begun; /* there is one */
    long long line;
    bool retryable;
};

static int on_progress(void *self)
{
    const struct sql_run *r = self;
    return atomic_load(&r->worker->cancelled);
}

/* Another process has the database locked: tries again for a while, but not when the run is cancelled. */
static int on_busy(void *self, int tries)
{
    const struct sql_run *r = self;
    if (atomic_load(&r->worker->cancelled) || tries >= LOCK_WAIT_MS / LOCK_STEP_MS) {
        return 0;
    }
    (void)sqlite3_sleep(LOCK_STEP_MS);
    return 1;
}

/* A job may use its own database and no other file. */
static int authorize(void *self, int action, const char *a, const char *b, const char *c, const char *d)
{
    (void)self;
    (void)b;
    (void)c;
    (void)d;
    if (action == SQLITE_ATTACH || action == SQLITE_DETACH) {
        return SQLITE_DENY;
    }
    return action == SQLITE_PRAGMA && a != NULL &&
                   (sqlite3_stricmp(a, "temp_store_directory") == 0 ||
                       sqlite3_stricmp(a, "data_store_directory") == 0)
               ? SQLITE_DENY
               : SQLITE_OK;
}

static bool open_database(struct sql_run *r, const json_t *line)
{
    struct bytes path = engine_text(json_object_get(line, "conf"), "database");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path.len == 0 ? ":memory:" : path.data, &r->db, flags, NULL);
    if (code != SQLITE_OK) {
        return error_set(&r->error, "connection_failed", "can't open the database %.*s: %s", BYTES_ARG(path),
            r->db == NULL ? "out of memory" : sqlite3_errmsg(r->db));
    }
    (void)sqlite3_busy_handler(r->db, on_busy, r);
    (void)sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    (void)sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_set_authorizer(r->db, authorize, r);
    sqlite3_progress_handler(r->db, PROGRESS_STEPS, on_progress, r);
    return true;
}

static long long line_of(const struct sql_run *r, size_t offset)
{
    long long line = 1;
    for (size_t i = 0; i < offset && i < r->code.len; i++) {
        line += r->code.data[i] == '\n';
    }
    return line;
}

/* Where the statement's own text begins, behind white space and comments, so that errors name its line. */
static size_t statement_start(struct bytes code, size_t at)
{
    while (at < code.len) {
        if (strchr(" \t\r\n;", code.data[at]) != NULL && code.data[at] != '\0') {
            at++;
        } else if (at + 1 < code.len && code.data[at] == '-' && code.data[at + 1] == '-') {
            const char *end = memchr(code.data + at, '\n', code.len - at);
            at = end == NULL ? code.len : (size_t)(end - code.data);
        } else if (at + 1 < code.len && code.data[at] == '/' && code.data[at + 1] == '*') {
            at += 2;
            while (at + 1 < code.len && (code.data[at] != '*' || code.data[at + 1] != '/')) {
                at++;
            }
            at = at + 2 > code.len ? code.len : at + 2;
        } else {
            break;
        }
    }
    return at;
}

static bool sql_failed(struct sql_run *r, size_t start)
{
    int code = sqlite3_errcode(r->db) & 0xff;
    int offset = sqlite3_error_offset(r->db);
    r->line = line_of(r, r->at);
    if (offset >= 0) {
        r->line = line_of(r, start + (size_t)offset);
    }
    r->retryable = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    return error_set(
        &r->error, code == SQLITE_AUTH ? "access_denied" : "sql_error", "%s", sqlite3_errmsg(r->db));
}

static void send_if_much(struct sql_run *r)
{
    if (r->out.len >= SEND_SIZE) {
        engine_send(&r->out);
    }
}

/* Rows that nobody will see need not be computed, unless computing them has an effect. */
static bool enough(const struct sql_run *r, const struct table *t, sqlite3_stmt *s)
{
    return r->max_rows > 0 && t->total > r->max_rows && sqlite3_stmt_readonly(s) != 0;
}

static bool step_all(struct sql_run *r, sqlite3_stmt *s, size_t start)
{
    bool has_rows = sqlite3_column_count(s) > 0;
    struct table t;
    bool ok = true;
    int code = SQLITE_DONE;
    if (has_rows) {
        table_open(&t, s, r->run, r->at);
    }
    while (ok && (code = sqlite3_step(s)) == SQLITE_ROW) {
        ok = !has_rows || table_add(&t, &r->out, &r->error);
        send_if_much(r);
        if (ok && has_rows && enough(r, &t, s)) {
            code = SQLITE_DONE;
            break;
        }
    }
    if (!ok) {
        r->line = line_of(r, r->at);
    } else if (code != SQLITE_DONE) {
        ok = sql_failed(r, start);
    } else if (has_rows) {
        table_finish(&t, &r->out);
        send_if_much(r);
    }
    if (has_rows) {
        table_close(&t);
    }
    return ok;
}

static bool run_statements(struct sql_run *r)
{
    const char *at = r->code.data;
    const char *end = r->code.data + r->code.len;
    while (at < end) {
        sqlite3_stmt *s = NULL;
        const char *rest = end;
        size_t start = (size_t)(at - r->code.data);
        r->at = statement_start(r->code, start);
        r->begun = true;
        if (atomic_load(&r->worker->cancelled)) {
            return error_set(&r->error, "cancelled", "the run was cancelled");
        }
        if (sqlite3_prepare_v2(r->db, at, (int)(end - at), &s, &rest) != SQLITE_OK) {
            return sql_failed(r, start);
        }
        bool ok = s == NULL || step_all(r, s, start);
        (void)sqlite3_finalize(s);
        if (!ok) {
            return false;
        }
        if (rest == at) { /* a NUL byte: SQLite reads no further */
            r->line = line_of(r, start);
            return error_set(&r->error, "sql_error", "the code holds a NUL byte");
        }
        at = rest;
    }
    return true;
}

static void say_changes(struct sql_run *r)
{
    char text[80];
    long long changed = sqlite3_total_changes64(r->db);
    if (changed > 0) {
        (void)sqlite3_snprintf(sizeof(text), text, "%lld rows changed\n", changed);
        engine_say_log(&r->out, r->run, "info", bytes_of(text), false);
    }
    if (sqlite3_get_autocommit(r->db) == 0) {
        engine_say_log(&r->out, r->run, "warn",
            BYTES("the code ended inside a transaction: it was rolled back (COMMIT is missing)\n"), false);
    }
}

static void perform(struct worker *w, const json_t *line)
{
    struct sql_run r = {.worker = w, .run = engine_text(line, "run"), .code = engine_text(line, "code")};
    buf_init(&r.out);
    r.max_rows = json_integer_value(json_object_get(line, "max_result_rows"));
    if (r.code.data == NULL) {
        r.code = BYTES("");
    }
    bool ok = open_database(&r, line) && run_statements(&r);
    if (ok) {
        say_changes(&r);
        engine_say_done(&r.out, r.run, -1);
    } else {
        if (atomic_load(&w->cancelled)) {
            error_set(&r.error, "cancelled", "the statement was interrupted");
        }
        struct engine_failure f = {.code = r.error.code,
            .message = bytes_of(r.error.text),
            .line = r.line,
            .offset = r.begun ? (long long)r.at : -1,
            .exit_code = -1,
            .retryable = r.retryable};
        engine_say_error(&r.out, r.run, &f);
    }
    (void)sqlite3_close_v2(r.db);
    engine_send(&r.out);
    buf_release(&r.out);
}

/* ---- the two threads ---- */

static void *work(void *self)
{
    struct worker *w = self;
    for (;;) {
        (void)pthread_mutex_lock(&w->lock);
        while (w->next == NULL) {
            (void)pthread_cond_wait(&w->more, &w->lock);
        }
        w->now = w->next;
        w->next = NULL;
        (void)pthread_mutex_unlock(&w->lock);
        perform(w, w->now);
        (void)pthread_mutex_lock(&w->lock);
        json_decref(w->now);
        w->now = NULL;
        (void)pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static bool is_run(const json_t *line, struct bytes run)
{
    return line != NULL && bytes_equal(engine_text(line, "run"), run);
}

/* Takes the run's line when it returns true. */
static bool give_run(struct worker *w, json_t *line)
{
    (void)pthread_mutex_lock(&w->lock);
    bool taken = w->next == NULL;
    if (taken) {
        w->next = line;
        atomic_store(&w->cancelled, false);
        (void)pthread_cond_signal(&w->more);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return taken;
}

static void cancel(struct worker *w, struct bytes run)
{
    (void)pthread_mutex_lock(&w->lock);
    if (is_run(w->next, run) || is_run(w->now, run)) {
        atomic_store(&w->cancelled, true);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

static void take_line(struct worker *w, const char *type, json_t *line, struct buf *out)
{
    struct bytes run = engine_text(line, "run");
    if (strcmp(type, "run") == 0) {
        json_incref(line);
        if (!give_run(w, line)) {
            struct engine_failure f = {
                .code = "engine_error", .message = BYTES("one run at a time"), .offset = -1, .exit_code = -1};
            engine_say_error(out, run, &f);
            json_decref(line);
        }
    } else if (strcmp(type, "cancel") == 0) {
        cancel(w, run);
    } else if (strcmp(type, "hello") == 0) {
        engine_say_ready(out, "sqlite", 1, "[\"clean\"]");
    } else if (strcmp(type, "ping") == 0) {
        engine_say_pong(out);
    }
}

int main(void)
{
    static struct worker w;
    struct line_reader in;
    struct buf out;
    pthread_t thread;
    line_reader_init(&in);
    buf_init(&out);
    json_object_seed(0);
    MUST(sqlite3_config(SQLITE_CONFIG_URI, 0) == SQLITE_OK); /* a database is a file, whatever its name */
    MUST(pthread_mutex_init(&w.lock, NULL) == 0 && pthread_cond_init(&w.more, NULL) == 0);
    MUST(pthread_create(&thread, NULL, work, &w) == 0);
    while (engine_read(&in)) {
        const char *type;
        json_t *line;
        while ((line = engine_next(&in, &type)) != NULL) {
            take_line(&w, type, line, &out);
            json_decref(line);
        }
        engine_send(&out);
    }
    _exit(0); /* the worker may be in the middle of a statement; an open transaction rolls back by itself */
}
