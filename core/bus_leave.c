/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_leave: see bus_leave.h. First the bytes, which know no socket; then connections, which know no Kafka; then both.
 */
#include "core/bus_leave.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bus_client.h"
#include "core/clock.h"

enum {
    FIND_COORDINATOR = 10,
    LEAVE_GROUP = 13,
    VERSION = 1, /* of both */
    KEY_IS_GROUP = 0,
    TRY_MS = 1000, /* one broker: another may answer */
    PAUSE_MS = 50  /* after all of them were asked */
};
/* Kafka's error codes that are no refusal. */
enum {
    NONE = 0,
    COORDINATOR_LOAD_IN_PROGRESS = 14,
    COORDINATOR_NOT_AVAILABLE = 15,
    NOT_COORDINATOR = 16,
    UNKNOWN_MEMBER_ID = 25,
    GROUP_ID_NOT_FOUND = 69
};

static const char client_id[] = "millrace-leave";

/* ---- bytes out: all numbers are big-endian ---- */

static void put_number(struct buf *out, int64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_add_char(out, (char)((uint64_t)value >> (8 * i) & 0xff));
}

/* STRING: an INT16 with the length, then the bytes. */
static void put_string(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    MUST(len <= INT16_MAX);
    put_number(out, (int64_t)len, 2);
    buf_add(out, text, len);
}

static void put_header(struct buf *out, int key, int32_t correlation)
{
    buf_clear(out);
    put_number(out, 0, 4); /* the size, when it is known */
    put_number(out, key, 2);
    put_number(out, VERSION, 2);
    put_number(out, correlation, 4);
    put_string(out, client_id);
}

static void put_size(struct buf *out)
{
    struct buf size;
    buf_init(&size);
    put_number(&size, (int64_t)out->len - 4, 4);
    memcpy(out->data, size.data, 4);
    buf_release(&size);
}

void bus_leave_ask_coordinator(struct buf *out, int32_t correlation, const char *full_group)
{
    put_header(out, FIND_COORDINATOR, correlation);
    put_string(out, full_group);
    put_number(out, KEY_IS_GROUP, 1);
    put_size(out);
}

void bus_leave_say(struct buf *out, int32_t correlation, const char *full_group, const char *member)
{
    put_header(out, LEAVE_GROUP, correlation);
    put_string(out, full_group);
    put_string(out, member);
    put_size(out);
}

/* ---- bytes in ---- */

/* Reads past the end give 0 and are remembered. */
struct answer {
    struct bytes rest;
    bool cut;
};

static struct bytes take(struct answer *a, size_t len)
{
    if (len > a->rest.len) {
        a->cut = true;
        return BYTES_NONE;
    }
    struct bytes taken = bytes_slice(a->rest, 0, len);
    a->rest = bytes_slice(a->rest, len, a->rest.len - len);
    return taken;
}

static int32_t take_number(struct answer *a, size_t bytes)
{
    struct bytes b = take(a, bytes);
    uint32_t value = 0;

    for (size_t i = 0; i < b.len; i++)
        value = value << 8 | (unsigned char)b.data[i];
    return bytes == 2 ? (int16_t)value : (int32_t)value;
}

/* NULLABLE_STRING: -1 is null. */
static struct bytes take_string(struct answer *a)
{
    int32_t len = take_number(a, 2);

    if (len < -1)
        a->cut = true;
    return len > 0 ? take(a, (size_t)len) : BYTES("");
}

static bool begin(struct answer *a, struct bytes answer, int32_t correlation, struct error *e)
{
    *a = (struct answer){answer, false};
    int32_t got = take_number(a, 4);
    if (a->cut || got != correlation)
        return error_set(e, "bad_answer", "the broker's answer is not to our request");
    (void)take_number(a, 4); /* throttle_time_ms */
    return true;
}

bool bus_leave_read_coordinator(
    struct bytes answer, int32_t correlation, struct bus_coordinator *out, struct error *e)
{
    struct answer a;

    *out = (struct bus_coordinator){0};
    if (!begin(&a, answer, correlation, e))
        return false;
    out->error_code = take_number(&a, 2);
    (void)take_string(&a);    /* error_message */
    (void)take_number(&a, 4); /* node_id */
    struct bytes host = take_string(&a);
    out->port = take_number(&a, 4);
    if (a.cut)
        return error_set(e, "bad_answer", "the broker's answer about the coordinator is cut short");
    if (out->error_code != NONE)
        return true;
    if (host.len == 0 || host.len >= sizeof(out->host) || memchr(host.data, '\0', host.len) != NULL ||
        out->port < 1 || out->port > 65535)
        return error_set(e, "bad_answer", "the broker's answer names no coordinator");
    memcpy(out->host, host.data, host.len);
    return true;
}

bool bus_leave_read_said(struct bytes answer, int32_t correlation, int *error_code, struct error *e)
{
    struct answer a;

    *error_code = 0;
    if (!begin(&a, answer, correlation, e))
        return false;
    *error_code = take_number(&a, 2);
    return !a.cut || error_set(e, "bad_answer", "the broker's answer to LeaveGroup is cut short");
}

/* ---- one request on one connection ---- */

static bool away(struct error *e, const char *what)
{
    return error_set(
        e, "kafka_away", "%s: %s", what, errno == ETIMEDOUT ? "no answer in time" : strerror(errno));
}

/* False and ETIMEDOUT when the time is over. */
static bool wait_for(int fd, short events, int64_t until)
{
    struct pollfd p = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = until - clock_boot_ms();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return true;
        if (n == 0)
            errno = ETIMEDOUT;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static int open_socket(const struct addrinfo *a, int64_t until)
{
    int failure = 0;
    socklen_t size = sizeof(failure);
    int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);

    if (fd < 0)
        return -1;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            return fd;
        if (errno == EINPROGRESS && wait_for(fd, POLLOUT, until) &&
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0) {
            if (failure == 0)
                return fd;
            errno = failure;
        }
    }
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int open_connection(const char *host, const char *port, int64_t until, struct error *e)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    int rc = getaddrinfo(host, port, &hints, &found);

    if (rc != 0) {
        error_set(e, "kafka_away", "%s: %s", host, gai_strerror(rc));
        return -1;
    }
    for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
        fd = open_socket(a, until);
    if (fd < 0)
        away(e, host);
    freeaddrinfo(found);
    return fd;
}

/* All of it, in either direction. */
static bool move(int fd, bool out, char *data, size_t len, int64_t until)
{
    while (len > 0) {
        if (!wait_for(fd, out ? POLLOUT : POLLIN, until))
            return false;
        ssize_t n = out ? send(fd, data, len, MSG_NOSIGNAL) : recv(fd, data, len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n == 0)
            errno = ECONNRESET;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* The answer is left in `frame`, in place of the request. */
static bool talk(int fd, struct buf *frame, const char *host, int64_t until, struct error *e)
{
    char head[4];

    if (!move(fd, true, frame->data, frame->len, until) || !move(fd, false, head, sizeof(head), until))
        return away(e, host);
    struct answer size = {{head, sizeof(head)}, false};
    int32_t len = take_number(&size, 4);
    if (len < 0 || len > BUS_LEAVE_ANSWER_MAX)
        return error_set(e, "bad_answer", "%s answers with %d bytes: not Kafka's protocol", host, (int)len);
    buf_clear(frame);
    buf_reserve(frame, (size_t)len + 1);
    if (!move(fd, false, frame->data, (size_t)len, until))
        return away(e, host);
    frame->len = (size_t)len;
    return true;
}

static bool ask(const char *host, const char *port, struct buf *frame, int64_t until, struct error *e)
{
    int64_t most = clock_boot_ms() + TRY_MS;

    if (most > until)
        most = until;
    int fd = open_connection(host, port, most, e);
    if (fd < 0)
        return false;
    bool ok = talk(fd, frame, host, most, e);
    close(fd);
    return ok;
}

/* ---- leaving ---- */

bool bus_leave_possible(const struct bus_settings *s, struct error *e)
{
    const char *security = bus_user_property(s, "security.protocol");
    const char *protocol = bus_user_property(s, "group.protocol");

    if (security != NULL && strcasecmp(security, "plaintext") != 0)
        return error_set(e, "not_possible", "kafka.security.protocol is %s", security);
    if (protocol != NULL && strcasecmp(protocol, "classic") != 0)
        return error_set(e, "not_possible", "kafka.group.protocol is %s", protocol);
    return true;
}

static const char *brokers_of(const struct bus_settings *s)
{
    static const char *const names[] = {"bootstrap.servers", "metadata.broker.list"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *set = bus_user_property(s, names[i]);
        if (set != NULL)
            return set;
    }
    return s->brokers;
}

struct leaving {
    const char *group, *member;
    struct buf frame;
    int32_t correlation;
    int64_t until;
};

/* Is it done, or refused for good? False: ask again. */
static bool settled(int code, const char *what, bool *left, struct error *e)
{
    *left = code == NONE || code == UNKNOWN_MEMBER_ID || code == GROUP_ID_NOT_FOUND;
    if (*left)
        return true;
    error_set(e, "refused", "%s is answered with Kafka's error %d", what, code);
    return code != COORDINATOR_LOAD_IN_PROGRESS && code != COORDINATOR_NOT_AVAILABLE &&
           code != NOT_COORDINATOR;
}

/* By one broker, "[scheme://]host[:port]". */
static bool leave_by(struct leaving *l, char *broker, bool *left, struct error *e)
{
    struct bus_coordinator c;
    char port[16];
    int code = NONE;
    char *scheme = strstr(broker, "://");
    char *host = scheme != NULL ? scheme + 3 : broker;
    char *colon = strrchr(host, ':');
    bool has_port = colon != NULL && strchr(colon, ']') == NULL;

    if (has_port)
        *colon = '\0';
    if (host[0] == '[' && host[strlen(host) - 1] == ']') { /* an address of IPv6 */
        host[strlen(host) - 1] = '\0';
        host++;
    }
    bus_leave_ask_coordinator(&l->frame, ++l->correlation, l->group);
    if (!ask(host, has_port ? colon + 1 : "9092", &l->frame, l->until, e) ||
        !bus_leave_read_coordinator(buf_bytes(&l->frame), l->correlation, &c, e))
        return false;
    if (c.error_code != NONE)
        return settled(c.error_code, "FindCoordinator", left, e);
    snprintf(port, sizeof(port), "%d", c.port);
    bus_leave_say(&l->frame, ++l->correlation, l->group, l->member);
    if (!ask(c.host, port, &l->frame, l->until, e) ||
        !bus_leave_read_said(buf_bytes(&l->frame), l->correlation, &code, e))
        return false;
    return settled(code, "LeaveGroup", left, e);
}

bool bus_leave(
    const struct bus_settings *s, const char *group, const char *member, int timeout_ms, struct error *e)
{
    char *full = bus_full_name(s->topic_prefix, group);
    struct leaving l = {.group = full, .member = member, .until = clock_boot_ms() + timeout_ms};
    bool left = false;

    error_set(e, "kafka_away", "no broker is named");
    bool done = !bus_leave_possible(s, e);
    if (strlen(full) > INT16_MAX || strlen(member) > INT16_MAX)
        done = !error_set(e, "refused", "a name is too long for Kafka");
    buf_init(&l.frame);
    while (!done) {
        char *brokers = bus_copy(brokers_of(s));
        char *rest = NULL;
        for (char *b = strtok_r(brokers, ", ", &rest); b != NULL && !done; b = strtok_r(NULL, ", ", &rest))
            done = leave_by(&l, b, &left, e);
        free(brokers);
        if (!done && clock_boot_ms() + PAUSE_MS >= l.until)
            break;
        if (!done)
            bus_pause_ms(PAUSE_MS);
    }
    if (left)
        error_clear(e);
    buf_release(&l.frame);
    free(full);
    return left;
}
