/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: see store.h. Every call is an attempt (one or a few statements on a client of the pool) inside one
 * loop, `store_patiently`, which alone knows pauses, patience, stopping and the two log lines of an outage.
 *
 * The driver repeats nothing by itself (retryWrites, retryReads off), so that patience means what it says.
 * Two pools: calls that must answer soon use one whose timeouts are short; the others may run long
 * statements. A frozen server holds a call for the socket timeout at most, also after store_stop; all other
 * waits end at once. Timeouts that the connection string names win over ours.
 */
#include "core/store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/store_private.h"

enum {
    FIRST_PAUSE_MS = 50,
    LONGEST_PAUSE_MS = 2000,
    PROMPT_MAX_MS = 10000, /* longer patience: the pool with the long timeouts */
    FIND_BATCH = 10000     /* documents of an answer's first part; the server cuts at 16 MB */
};

/* ---- open and close ---- */

struct timeouts {
    const char *option;
    int32_t patient_ms, prompt_ms;
};
static const struct timeouts timeouts[] = {
    {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 2000, 1500},
    {MONGOC_URI_CONNECTTIMEOUTMS, 2000, 1500},
    {MONGOC_URI_SOCKETTIMEOUTMS, 10000, 2500},
    {MONGOC_URI_WTIMEOUTMS, 8000, 2000},
};

static void driver_log(mongoc_log_level_t level, const char *domain, const char *message, void *self)
{
    (void)self;
    struct bytes text = bytes_of(message);
    if (level == MONGOC_LOG_LEVEL_ERROR || level == MONGOC_LOG_LEVEL_CRITICAL)
        log_warn("mongo_driver", "part=%s text=%s", domain, log_quote(text));
    else if (level == MONGOC_LOG_LEVEL_WARNING)
        log_debug("mongo_driver", "part=%s text=%s", domain, log_quote(text));
}

static void driver_start(void)
{
    mongoc_init();
    mongoc_log_set_handler(driver_log, NULL);
}

static void uri_default_bool(mongoc_uri_t *uri, const char *option, bool value)
{
    if (!mongoc_uri_has_option(uri, option))
        mongoc_uri_set_option_as_bool(uri, option, value);
}

/* Everything a statement inherits: majority both ways, the primary, no repeats by the driver. */
static void uri_complete(mongoc_uri_t *uri, bool prompt)
{
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        if (!mongoc_uri_has_option(uri, timeouts[i].option))
            mongoc_uri_set_option_as_int32(
                uri, timeouts[i].option, prompt ? timeouts[i].prompt_ms : timeouts[i].patient_ms);
    uri_default_bool(uri, MONGOC_URI_RETRYWRITES, false);
    uri_default_bool(uri, MONGOC_URI_RETRYREADS, false);

    mongoc_write_concern_t *write = mongoc_write_concern_new();
    mongoc_write_concern_set_wmajority(
        write, mongoc_uri_get_option_as_int32(uri, MONGOC_URI_WTIMEOUTMS, timeouts[3].patient_ms));
    mongoc_uri_set_write_concern(uri, write);
    mongoc_write_concern_destroy(write);

    mongoc_read_concern_t *read = mongoc_read_concern_new();
    mongoc_read_concern_set_level(read, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
    mongoc_uri_set_read_concern(uri, read);
    mongoc_read_concern_destroy(read);

    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_uri_set_read_prefs_t(uri, primary);
    mongoc_read_prefs_destroy(primary);
}

static mongoc_client_pool_t *pool_new(const char *text, const char *app_name, bool prompt, struct error *e)
{
    bson_error_t why;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &why);
    if (!uri) {
        error_set(e, "bad_setting", "mongo.uri: %s", why.message);
        return NULL;
    }
    uri_complete(uri, prompt);
    mongoc_client_pool_t *pool = mongoc_client_pool_new_with_error(uri, &why);
    mongoc_uri_destroy(uri);
    if (!pool) {
        error_set(e, "bad_setting", "mongo.uri: %s", why.message);
        return NULL;
    }
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_set_appname(pool, app_name);
    return pool;
}

struct store *store_open(const struct store_settings *s, const char *app_name, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, driver_start);
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        log_fatal("no_memory", "what=store");
    pthread_mutex_init(&store->lock, NULL);
    store->database = strdup(s->database);
    store->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!store->database || store->stop_fd < 0) {
        error_set(e, "system", "open the store: %s", strerror(errno));
        goto failed;
    }
    store->patient = pool_new(s->uri, app_name, false, e);
    if (!store->patient)
        goto failed;
    store->prompt = pool_new(s->uri, app_name, true, e);
    if (!store->prompt)
        goto failed;
    return store;
failed:
    store_close(store);
    return NULL;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->prompt)
        mongoc_client_pool_destroy(s->prompt);
    if (s->patient)
        mongoc_client_pool_destroy(s->patient);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->database);
    free(s);
}

void store_stop(struct store *s)
{
    int saved = errno;
    const uint64_t one = 1;
    atomic_store(&s->stopping, true);
    /* It can only fail when the counter is full, and then it is readable already. */
    ssize_t written = write(s->stop_fd, &one, sizeof one);
    (void)written;
    errno = saved;
}

/* ---- patience ---- */

static void outage_begins(struct store *s, const char *what, const bson_error_t *why)
{
    pthread_mutex_lock(&s->lock);
    bool first = !atomic_load(&s->away);
    if (first) {
        s->away_since = clock_boot_ms();
        atomic_store(&s->away, true);
    }
    pthread_mutex_unlock(&s->lock);
    if (first)
        log_warn(
            "store_away", "during=%s code=%u reason=%s", what, why->code, log_quote(bytes_of(why->message)));
}

static void outage_ends(struct store *s)
{
    if (!atomic_load_explicit(&s->away, memory_order_relaxed))
        return;
    pthread_mutex_lock(&s->lock);
    bool last = atomic_load(&s->away);
    int64_t lasted_ms = clock_boot_ms() - s->away_since;
    atomic_store(&s->away, false);
    pthread_mutex_unlock(&s->lock);
    if (last)
        log_info("store_back", "away_ms=%lld", (long long)lasted_ms);
}

/* Answers that stay the same however often one asks. Everything else may pass: a fallen server, an election,
 * a server whose own database is away (FerretDB reports that as an internal error). */
static const uint32_t refusals[] = {
    2,     /* BadValue */
    9,     /* FailedToParse */
    14,    /* TypeMismatch */
    20,    /* IllegalOperation */
    28,    /* PathNotViable */
    40,    /* ConflictingUpdateOperators */
    52,    /* DollarPrefixedFieldName */
    59,    /* CommandNotFound */
    66,    /* ImmutableField */
    67,    /* CannotCreateIndex */
    73,    /* InvalidNamespace */
    85,    /* IndexOptionsConflict */
    86,    /* IndexKeySpecsConflict */
    115,   /* CommandNotSupported */
    121,   /* DocumentValidationFailure */
    238,   /* NotImplemented */
    11000, /* DuplicateKey, outside of the calls that report it */
};

/* A document of more than 16 MiB would come of it. The codes are MongoDB's; the texts are the client library's, which looks
 * at what it sends, and DocumentDB's, which has a code for each place where it looks. */
static bool is_too_large(const bson_error_t *why)
{
    static const uint32_t codes[] = {10334, 17419, 17420};
    if (why->domain == MONGOC_ERROR_SERVER || why->domain == MONGOC_ERROR_COMMAND)
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            if (why->code == codes[i])
                return true;
    return strstr(why->message, "is larger than MaxDocumentSize") != NULL ||
           (why->domain == MONGOC_ERROR_BSON && strstr(why->message, "too large") != NULL);
}

static bool is_refusal(const bson_error_t *why)
{
    if (is_too_large(why))
        return true;
    if (why->domain == MONGOC_ERROR_BSON || why->domain == MONGOC_ERROR_NAMESPACE)
        return true;
    if (why->domain == MONGOC_ERROR_COMMAND && why->code == MONGOC_ERROR_COMMAND_INVALID_ARG)
        return true;
    if (why->domain != MONGOC_ERROR_SERVER)
        return false;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (why->code == refusals[i])
            return true;
    return false;
}

static void pause_unless_stopped(struct store *s, int64_t ms)
{
    struct pollfd stop = {.fd = s->stop_fd, .events = POLLIN};
    poll(&stop, 1, (int)ms);
}

bool store_patiently(
    struct store *s, const char *what, int64_t patience_ms, store_attempt *once, void *self, struct error *e)
{
    mongoc_client_pool_t *pool = patience_ms > 0 && patience_ms <= PROMPT_MAX_MS ? s->prompt : s->patient;
    int64_t deadline = patience_ms > 0 ? clock_boot_ms() + patience_ms : INT64_MAX;
    int64_t pause_ms = FIRST_PAUSE_MS;
    for (;;) {
        bson_error_t why = {0};
        if (atomic_load(&s->stopping) && atomic_load(&s->away))
            return error_set(e, "stopping", "%s: given up, the process stops and MongoDB is away", what);
        mongoc_client_t *client = mongoc_client_pool_pop(pool);
        bool ok = once(self, client, &why);
        mongoc_client_pool_push(pool, client);
        if (ok || is_refusal(&why))
            outage_ends(s);
        if (ok)
            return true;
        if (is_refusal(&why))
            return error_set(e, is_too_large(&why) ? STORE_TOO_LARGE : "store_refused",
                "%s: MongoDB refused it: %s (code %u)", what, why.message, why.code);
        outage_begins(s, what, &why);
        if (atomic_load(&s->stopping))
            return error_set(e, "stopping", "%s: given up, the process stops: %s", what, why.message);
        int64_t left_ms = deadline - clock_boot_ms();
        if (left_ms <= 0)
            return error_set(e, "store_away", "%s: MongoDB does not answer: %s", what, why.message);
        pause_unless_stopped(s, pause_ms < left_ms ? pause_ms : left_ms);
        pause_ms = pause_ms * 2 < LONGEST_PAUSE_MS ? pause_ms * 2 : LONGEST_PAUSE_MS;
    }
}

/* ---- commands ---- */

struct command {
    const char *database;
    const bson_t *command;
};

static bool command_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    const struct command *c = self;
    return mongoc_client_command_simple(client, c->database, c->command, NULL, NULL, why);
}

bool store_command(struct store *s, const bson_t *command, int64_t patience_ms, struct error *e)
{
    struct command c = {s->database, command};
    return store_patiently(s, "command", patience_ms, command_once, &c, e);
}

bool store_ping(struct store *s, int64_t patience_ms, struct error *e)
{
    bson_t ping = BSON_INITIALIZER;
    BSON_APPEND_INT32(&ping, "ping", 1);
    struct command c = {"admin", &ping};
    bool ok = store_patiently(s, "ping", patience_ms, command_once, &c, e);
    bson_destroy(&ping);
    return ok;
}

/* ---- reading ---- */

struct query {
    const char *database, *collection;
    const bson_t *filter;
    const bson_t *opts;
    const struct store_reader *reader;
    bool repeated;
};

bool store_read_cursor(
    mongoc_cursor_t *cursor, const struct store_reader *reader, bool *repeated, bson_error_t *why)
{
    const bson_t *doc;
    bool more = true;
    if (*repeated && reader->reset)
        reader->reset(reader->self);
    *repeated = true;
    while (more && mongoc_cursor_next(cursor, &doc))
        more = reader->row(reader->self, doc);
    bool ok = !mongoc_cursor_error(cursor, why);
    mongoc_cursor_destroy(cursor);
    return ok;
}

static bool query_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct query *q = self;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, q->database, q->collection);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, q->filter, q->opts, NULL);
    bool ok = store_read_cursor(cursor, q->reader, &q->repeated, why);
    mongoc_collection_destroy(collection);
    return ok;
}

/* The caller's options, and a batch size large enough that most answers are one round trip. */
static void query_opts(const bson_t *given, bson_t *out)
{
    if (given)
        bson_copy_to(given, out);
    else
        bson_init(out);
    if (!bson_has_field(out, "batchSize"))
        BSON_APPEND_INT32(out, "batchSize", FIND_BATCH);
}

bool store_find(struct store *s, const char *collection, const bson_t *filter, const bson_t *opts,
    const struct store_reader *reader, int64_t patience_ms, struct error *e)
{
    bson_t complete;
    query_opts(opts, &complete);
    struct query q = {s->database, collection, filter, &complete, reader, false};
    bool ok = store_patiently(s, collection, patience_ms, query_once, &q, e);
    bson_destroy(&complete);
    return ok;
}

struct first {
    bson_t *out;
    bool found;
};

static bool first_row(void *self, const bson_t *doc)
{
    struct first *f = self;
    bson_copy_to(doc, f->out);
    f->found = true;
    return false;
}

static void first_reset(void *self)
{
    struct first *f = self;
    if (f->found)
        bson_destroy(f->out);
    f->found = false;
}

bool store_find_one(struct store *s, const char *collection, const bson_t *filter, const bson_t *opts,
    bson_t *out, bool *found, int64_t patience_ms, struct error *e)
{
    bson_t one = BSON_INITIALIZER;
    if (opts)
        bson_copy_to_excluding_noinit(opts, &one, "limit", "singleBatch", NULL);
    BSON_APPEND_INT64(&one, "limit", 1);
    BSON_APPEND_BOOL(&one, "singleBatch", true);
    struct first self = {out, false};
    struct store_reader reader = {first_row, first_reset, &self};
    bool ok = store_find(s, collection, filter, &one, &reader, patience_ms, e);
    bson_destroy(&one);
    if (!ok)
        first_reset(&self);
    *found = self.found;
    return ok;
}
