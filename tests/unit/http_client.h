/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client: a client for tests that is as rude as a test needs: raw bytes on a socket, and answers read
 * one by one. Every wait has a limit; what does not come fails the test.
 */
#ifndef MILLRACE_TESTS_HTTP_CLIENT_H
#define MILLRACE_TESTS_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/bytes.h"

enum { CLIENT_LIMIT_S = 20 };

struct reply {
    int status; /* 0: the connection was closed without an answer */
    char head[8192];
    struct buf body;
};

static inline int client_open(int port)
{
    struct timeval limit = {.tv_sec = CLIENT_LIMIT_S};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* False: the other side does not take it any more. */
static inline bool client_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static inline void client_say(int fd, const char *text)
{
    assert_true(client_send(fd, text, strlen(text)));
}

/* The value of a header in out (256 bytes), or NULL. */
static inline const char *reply_header(const struct reply *r, const char *name, char *out)
{
    for (const char *line = strstr(r->head, "\r\n"); line && line[2] != '\0';
         line = strstr(line + 2, "\r\n")) {
        line += 2;
        size_t len = strlen(name);
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            snprintf(out, 256, "%.*s", (int)strcspn(line + len + 2, "\r"), line + len + 2);
            return out;
        }
        line -= 2;
    }
    return NULL;
}

/* Reads one answer; `no_body` for those of HEAD. The body is empty before and must be released by the caller.
 */
static inline void reply_read(int fd, struct reply *r, bool no_body)
{
    size_t len = 0;
    char value[256];

    r->status = 0;
    buf_init(&r->body);
    while (len < 4 || memcmp(r->head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < sizeof(r->head) - 1);
        ssize_t n = recv(fd, r->head + len, 1, 0); /* byte by byte: nothing of the next answer is taken */
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            fail_msg("no answer within %d s; so far: %.*s", CLIENT_LIMIT_S, (int)len, r->head);
        if (n <= 0)
            return;
        len += (size_t)n;
    }
    r->head[len] = '\0';
    assert_memory_equal(r->head, "HTTP/1.", 7);
    r->status = atoi(r->head + 9);
    const char *announced = reply_header(r, "Content-Length", value);
    size_t size = announced && !no_body ? (size_t)atoll(announced) : 0;
    buf_reserve(&r->body, size + 1);
    while (r->body.len < size) {
        ssize_t n = recv(fd, r->body.data + r->body.len, size - r->body.len, 0);
        if (n <= 0)
            fail_msg("the body ends after %zu of %zu bytes", r->body.len, size);
        r->body.len += (size_t)n;
    }
    r->body.data[r->body.len] = '\0';
}

/* The other side has closed, in order or not, and said nothing more. */
static inline bool client_is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* One request on its own connection, one answer. */
static inline void ask(int port, const char *request, struct reply *r)
{
    int fd = client_open(port);
    client_say(fd, request);
    reply_read(fd, r, strncmp(request, "HEAD", 4) == 0);
    close(fd);
}

#endif
