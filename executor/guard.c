/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: the executor's side. See the header; the process itself is in guard_process.c.
 */
#define _GNU_SOURCE
#include "executor/guard.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bytes.h"
#include "executor/guard_process.h"

#define START_TIMEOUT_MS 10000

/* A message that the socket did not take yet. */
struct waiting {
    STAILQ_ENTRY(waiting) link;
    struct buf message;
    int fds[3]; /* -1: none */
};

struct guard {
    pid_t pid;
    int socket;
    bool lost;
    enum isolation isolation;
    STAILQ_HEAD(, waiting) queue;
};

static bool receive(struct guard *g, struct guard_message *m)
{
    for (;;) {
        ssize_t n = recv(g->socket, m, sizeof(*m), MSG_DONTWAIT);
        if (n == (ssize_t)sizeof(*m)) {
            return true;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n >= 0 || errno != EAGAIN) {
            g->lost = true;
        }
        return false;
    }
}

static bool wait_for_start(struct guard *g, struct error *e)
{
    struct pollfd p = {.fd = g->socket, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, START_TIMEOUT_MS);
    } while (n < 0 && errno == EINTR);
    struct guard_message m;
    if (n <= 0 || !receive(g, &m)) {
        return error_set(e, "guard_lost", "the guard process did not start");
    }
    g->isolation = (enum isolation)m.value;
    return true;
}

struct guard *guard_open(int lock_fd, const char *isolation, struct error *e)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        error_set(e, "guard_lost", "can't make the guard's socket: %s", strerror(errno));
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        guard_process(sockets[1], lock_fd, strcmp(isolation, "none") != 0);
    }
    (void)close(sockets[1]);
    if (pid < 0) {
        (void)close(sockets[0]);
        error_set(e, "guard_lost", "can't start the guard process: %s", strerror(errno));
        return NULL;
    }
    struct guard *g = calloc(1, sizeof(*g));
    MUST(g != NULL);
    g->pid = pid;
    g->socket = sockets[0];
    STAILQ_INIT(&g->queue);
    if (!wait_for_start(g, e)) {
        guard_close(g);
        return NULL;
    }
    return g;
}

static void waiting_free(struct waiting *w)
{
    for (int i = 0; i < 3; i++) {
        if (w->fds[i] >= 0) {
            (void)close(w->fds[i]);
        }
    }
    buf_release(&w->message);
    free(w);
}

void guard_close(struct guard *g)
{
    if (g == NULL) {
        return;
    }
    (void)close(g->socket);
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    struct waiting *w;
    while ((w = STAILQ_FIRST(&g->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&g->queue, link);
        waiting_free(w);
    }
    free(g);
}

enum isolation guard_isolation(const struct guard *g)
{
    return g->isolation;
}

pid_t guard_pid(const struct guard *g)
{
    return g->pid;
}

/* False: the socket is full, or the guard is gone. */
static bool send_now(struct guard *g, struct bytes message, const int *fds)
{
    struct iovec part;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control;
    memset(&control, 0, sizeof(control));
    memcpy(&part.iov_base, &message.data, sizeof(part.iov_base));
    part.iov_len = message.len;
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds[0] >= 0) {
        m.msg_control = control.space;
        m.msg_controllen = sizeof(control.space);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(3 * sizeof(int));
        memcpy(CMSG_DATA(c), fds, 3 * sizeof(int));
    }
    for (;;) {
        if (sendmsg(g->socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return true;
        }
        if (errno != EINTR) {
            g->lost = g->lost || (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS);
            return false;
        }
    }
}

static void flush(struct guard *g)
{
    struct waiting *w;
    while (!g->lost && (w = STAILQ_FIRST(&g->queue)) != NULL && send_now(g, buf_bytes(&w->message), w->fds)) {
        STAILQ_REMOVE_HEAD(&g->queue, link);
        waiting_free(w);
    }
}

/* Takes message and descriptors. */
static void send_or_queue(struct guard *g, struct buf *message, const int *fds)
{
    struct waiting *w = calloc(1, sizeof(*w));
    MUST(w != NULL);
    w->message = *message;
    memcpy(w->fds, fds, sizeof(w->fds));
    STAILQ_INSERT_TAIL(&g->queue, w, link);
    flush(g);
}

static void request(struct guard *g, const struct guard_request *r)
{
    static const int none[3] = {-1, -1, -1};
    struct buf message;
    buf_init(&message);
    buf_add(&message, r, sizeof(*r));
    send_or_queue(g, &message, none);
}

static int32_t add_strings(struct buf *out, const char *const *list)
{
    int32_t count = 0;
    for (; list[count] != NULL; count++) {
        buf_add(out, list[count], strlen(list[count]) + 1);
    }
    return count;
}

bool guard_spawn(struct guard *g, int64_t id, const struct guard_command *c, struct error *e)
{
    const int fds[3] = {c->in, c->out, c->err};
    struct guard_request r = {.op = GUARD_OP_SPAWN, .id = id, .limit_count = (int32_t)c->limit_count};
    MUST(c->limit_count <= GUARD_LIMITS_MAX);
    if (c->limit_count > 0) {
        memcpy(r.limits, c->limits, c->limit_count * sizeof(r.limits[0]));
    }
    struct buf message;
    buf_init(&message);
    buf_add(&message, &r, sizeof(r));
    r.argc = add_strings(&message, c->argv);
    r.envc = add_strings(&message, c->env);
    buf_add(&message, c->folder, strlen(c->folder) + 1);
    memcpy(message.data, &r, sizeof(r));
    if (message.len > GUARD_MESSAGE_MAX || r.argc + r.envc + 3 > GUARD_STRINGS_MAX) {
        for (int i = 0; i < 3; i++) {
            (void)close(fds[i]);
        }
        buf_release(&message);
        return error_set(e, "engine_unavailable", "the engine's command and environment are too long");
    }
    send_or_queue(g, &message, fds);
    return true;
}

void guard_terminate(struct guard *g, int64_t id)
{
    request(g, &(struct guard_request){.op = GUARD_OP_TERMINATE, .id = id});
}

void guard_sweep(struct guard *g, int64_t id)
{
    request(g, &(struct guard_request){.op = GUARD_OP_SWEEP, .id = id});
}

void guard_kill(struct guard *g, int64_t id)
{
    request(g, &(struct guard_request){.op = GUARD_OP_KILL, .id = id});
}

void guard_kill_all(struct guard *g)
{
    request(g, &(struct guard_request){.op = GUARD_OP_KILL_ALL});
}

void guard_lease(struct guard *g, int64_t until_boot_ms)
{
    request(g, &(struct guard_request){.op = GUARD_OP_LEASE, .until_boot_ms = until_boot_ms});
}

int guard_fd(const struct guard *g)
{
    return g->socket;
}

bool guard_wants_write(const struct guard *g)
{
    return !g->lost && !STAILQ_EMPTY(&g->queue);
}

enum guard_news guard_next(struct guard *g, struct guard_notice *out)
{
    *out = (struct guard_notice){.news = GUARD_NONE};
    flush(g);
    struct guard_message m;
    if (receive(g, &m)) {
        *out = (struct guard_notice){
            .news = (enum guard_news)m.news, .id = m.id, .word = (enum keeper_word)m.word, .value = m.value};
    } else if (g->lost) {
        out->news = GUARD_LOST;
    }
    return out->news;
}
