/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_process: the guard's own loop. Single-threaded, no allocation that could fail half way matters: when
 * anything here breaks, the process ends, and everything under it dies with it.
 *
 * Nothing here may wait for the executor: it may be frozen, and then the lease's end must still be kept. So
 * notices that the socket does not take wait in a list.
 */
#define _GNU_SOURCE
#include "executor/guard_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "core/process_tree.h"

struct kept {
    TAILQ_ENTRY(kept) link;
    int64_t id;
    pid_t pid;  /* 0: reaped; its orphans may still be alive */
    int report; /* read end */
    enum keeper_word word;
    int value;
};

struct unsent {
    STAILQ_ENTRY(unsent) link;
    struct guard_message message;
};

struct state {
    int socket, timer, signals;
    enum isolation isolation;
    TAILQ_HEAD(, kept) kept;
    size_t kept_count;
    STAILQ_HEAD(, unsent) unsent;
    struct pollfd *fds;
    size_t fd_cap;
    char message[GUARD_MESSAGE_MAX];
};

static void *must_alloc(void *p)
{
    MUST(p != NULL);
    return p;
}

/* ---- notices ---- */

static void flush(struct state *s)
{
    struct unsent *u;
    while ((u = STAILQ_FIRST(&s->unsent)) != NULL) {
        ssize_t n = send(s->socket, &u->message, sizeof(u->message), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            return; /* full: POLLOUT comes; broken: POLLHUP comes */
        }
        STAILQ_REMOVE_HEAD(&s->unsent, link);
        free(u);
    }
}

static void notify(struct state *s, enum guard_news news, int64_t id, enum keeper_word word, int value)
{
    struct unsent *u = must_alloc(calloc(1, sizeof(*u)));
    u->message =
        (struct guard_message){.news = (int32_t)news, .id = id, .word = (int32_t)word, .value = value};
    STAILQ_INSERT_TAIL(&s->unsent, u, link);
    flush(s);
}

/* ---- keepers ---- */

static struct kept *find(struct state *s, int64_t id)
{
    struct kept *k;
    TAILQ_FOREACH (k, &s->kept, link) {
        if (k->id == id) {
            return k;
        }
    }
    return NULL;
}

static void signal_keeper(struct state *s, int64_t id, int signal)
{
    const struct kept *k = find(s, id);
    if (k != NULL && k->pid > 0) {
        (void)kill(k->pid, signal); /* not reaped yet, so the pid is still its own */
    }
}

static void kill_keepers(struct state *s)
{
    struct kept *k;
    TAILQ_FOREACH (k, &s->kept, link) {
        if (k->pid > 0) {
            (void)kill(k->pid, SIGKILL);
        }
    }
}

static void read_report(struct state *s, struct kept *k)
{
    struct keeper_report r;
    while (read(k->report, &r, sizeof(r)) == (ssize_t)sizeof(r)) {
        if (r.word == KEEPER_SWEPT) {
            notify(s, GUARD_SWEPT, k->id, KEEPER_SWEPT, 0);
        } else if (k->word ==
                   KEEPER_SWEPT) { /* the first one counts: why the start failed, not how it ended then */
            k->word = (enum keeper_word)r.word;
            k->value = r.value;
        }
    }
}

static bool is_keeper(const struct state *s, pid_t pid)
{
    const struct kept *k;
    TAILQ_FOREACH (k, &s->kept, link) {
        if (k->pid == pid) {
            return true;
        }
    }
    return false;
}

/* Without namespaces: the children of dead keepers have become ours. Kills them and all below; returns how
 * many are left (their SIGCHLD brings us back here). */
static size_t kill_orphans(const struct state *s)
{
    struct process_list l = {0};
    size_t left = 0;
    if (process_list_read(&l)) {
        for (size_t i = 0; i < l.count; i++) {
            const struct process_entry *p = &l.items[i];
            if (p->parent == getpid() && !p->zombie && !is_keeper(s, p->pid)) {
                left++;
                (void)process_entry_signal(p, SIGKILL);
                (void)process_tree_signal(p->pid, 0, SIGKILL);
            }
        }
    }
    process_list_release(&l);
    return left;
}

static void reap(struct state *s)
{
    pid_t pid;
    bool any = false;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct kept *k;
        any = true;
        TAILQ_FOREACH (k, &s->kept, link) {
            if (k->pid != pid) {
                continue;
            }
            read_report(s, k);
            if (k->word == KEEPER_SWEPT) { /* it could not say anything */
                k->word = KEEPER_KILLED;
                k->value = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            }
            k->pid = 0;
        }
    }
    if (!any || (s->isolation == ISOLATION_NONE && kill_orphans(s) > 0)) {
        return;
    }
    struct kept *k = TAILQ_FIRST(&s->kept);
    while (k != NULL) {
        struct kept *next = TAILQ_NEXT(k, link);
        if (k->pid == 0) {
            notify(s, GUARD_ENDED, k->id, k->word, k->value);
            TAILQ_REMOVE(&s->kept, k, link);
            s->kept_count--;
            (void)close(k->report);
            free(k);
        }
        k = next;
    }
}

/* ---- requests ---- */

static bool split_strings(struct bytes text, char **out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *end = memchr(text.data, '\0', text.len);
        if (text.len == 0 || end == NULL) {
            return false;
        }
        memcpy(&out[i], &text.data, sizeof(out[i]));
        size_t used = (size_t)(end - text.data) + 1;
        text = (struct bytes){text.data + used, text.len - used};
    }
    return true;
}

static void spawn(struct state *s, const struct guard_request *r, struct bytes strings, const int *fds)
{
    char *argv[GUARD_STRINGS_MAX] = {0};
    char *all[GUARD_STRINGS_MAX] = {0};
    size_t argc = (size_t)r->argc;
    size_t envc = (size_t)r->envc;
    int pipes[2] = {-1, -1};
    pid_t pid = -1;
    /* env stays NULL-terminated because the folder is moved away from behind it */
    if (argc + envc + 3 <= GUARD_STRINGS_MAX && split_strings(strings, all, argc + envc + 1) &&
        pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0) {
        memcpy(argv, all, argc * sizeof(argv[0]));
        const char *folder = all[argc + envc];
        all[argc + envc] = NULL;
        struct keeper_plan plan = {.isolation = s->isolation,
            .argv = argv,
            .env = all + argc,
            .folder = folder,
            .limits = r->limits,
            .limit_count = (size_t)r->limit_count,
            .in = fds[0],
            .out = fds[1],
            .err = fds[2],
            .report = pipes[1]};
        pid = keeper_fork(s->isolation);
        if (pid == 0) {
            keeper_main(&plan);
        }
    }
    int why = errno;
    if (pipes[1] >= 0) {
        (void)close(pipes[1]);
    }
    if (pid < 0) {
        if (pipes[0] >= 0) {
            (void)close(pipes[0]);
        }
        notify(s, GUARD_ENDED, r->id, KEEPER_START_FAILED, why);
        return;
    }
    struct kept *k = must_alloc(calloc(1, sizeof(*k)));
    k->id = r->id;
    k->pid = pid;
    k->report = pipes[0];
    k->word = KEEPER_SWEPT; /* nothing said yet */
    TAILQ_INSERT_TAIL(&s->kept, k, link);
    s->kept_count++;
}

static void set_deadline(struct state *s, int64_t until_boot_ms)
{
    struct itimerspec at = {.it_value = {until_boot_ms / 1000, (long)(until_boot_ms % 1000) * 1000000L}};
    MUST(timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}

static void obey(struct state *s, const struct guard_request *r, struct bytes rest, const int *fds)
{
    switch ((enum guard_op)r->op) {
    case GUARD_OP_SPAWN:
        spawn(s, r, rest, fds);
        return;
    case GUARD_OP_TERMINATE:
        signal_keeper(s, r->id, SIGUSR1);
        return;
    case GUARD_OP_SWEEP:
        signal_keeper(s, r->id, SIGUSR2);
        return;
    case GUARD_OP_KILL:
        signal_keeper(s, r->id, SIGKILL);
        return;
    case GUARD_OP_KILL_ALL:
        kill_keepers(s);
        return;
    case GUARD_OP_LEASE:
        set_deadline(s, r->until_boot_ms);
        return;
    }
}

/* False: the executor is gone. */
static bool serve_socket(struct state *s)
{
    for (;;) {
        union {
            struct cmsghdr head;
            char space[CMSG_SPACE(3 * sizeof(int))];
        } control;
        struct iovec part = {.iov_base = s->message, .iov_len = sizeof(s->message)};
        struct msghdr m = {.msg_iov = &part,
            .msg_iovlen = 1,
            .msg_control = control.space,
            .msg_controllen = sizeof(control.space)};
        ssize_t n = recvmsg(s->socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        struct guard_request r;
        if (n < (ssize_t)sizeof(r)) {
            return false;
        }
        memcpy(&r, s->message, sizeof(r));
        int fds[3] = {-1, -1, -1};
        const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fds))) {
            memcpy(fds, CMSG_DATA(c), sizeof(fds));
        }
        if (r.op != GUARD_OP_SPAWN || fds[0] >= 0) {
            obey(s, &r, (struct bytes){s->message + sizeof(r), (size_t)n - sizeof(r)}, fds);
        } else { /* this process is out of descriptors */
            notify(s, GUARD_ENDED, r.id, KEEPER_START_FAILED, EMFILE);
        }
        for (int i = 0; i < 3; i++) {
            if (fds[i] >= 0) {
                (void)close(fds[i]);
            }
        }
    }
}

/* ---- life ---- */

/* The end: everything under us dies and is reaped, then the lock is let go by exiting. */
static _Noreturn void end_all(struct state *s)
{
    pid_t pid;
    do {
        kill_keepers(s);
        if (s->isolation == ISOLATION_NONE) {
            (void)process_tree_signal(getpid(), 0, SIGKILL);
        }
        pid = waitpid(-1, NULL, 0);
        struct kept *k;
        TAILQ_FOREACH (k, &s->kept, link) {
            if (k->pid == pid) {
                k->pid = 0;
            }
        }
    } while (pid > 0 || errno == EINTR);
    _exit(0);
}

/* Keeps socket, lock and stderr; everything else that the executor had open goes. */
static int keep_only_own(int socket, int lock_fd)
{
    int high[2] = {
        fcntl(socket, F_DUPFD_CLOEXEC, 64), lock_fd < 0 ? -1 : fcntl(lock_fd, F_DUPFD_CLOEXEC, 64)};
    MUST(high[0] >= 0 && (lock_fd < 0 || high[1] >= 0));
    MUST(dup3(high[0], 3, O_CLOEXEC) == 3);
    if (lock_fd >= 0) {
        MUST(dup3(high[1], 4, O_CLOEXEC) == 4);
    }
    (void)syscall(SYS_close_range, lock_fd >= 0 ? 5U : 4U, ~0U, 0U);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    MUST(null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1);
    (void)close(null);
    return 3;
}

static void prepare_signals(struct state *s)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGCHLD);
    (void)sigaddset(&wanted, SIGTERM); /* who ends the executor ends us by its socket */
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGHUP);
    (void)sigprocmask(SIG_SETMASK, &wanted, NULL);
    s->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    MUST(s->signals >= 0);
}

static size_t fill_poll(struct state *s)
{
    size_t count = 3 + s->kept_count;
    if (count > s->fd_cap) {
        s->fd_cap = count * 2;
        s->fds = must_alloc(realloc(s->fds, s->fd_cap * sizeof(*s->fds)));
    }
    short out = STAILQ_EMPTY(&s->unsent) ? 0 : POLLOUT;
    s->fds[0] = (struct pollfd){.fd = s->socket, .events = (short)(POLLIN | out)};
    s->fds[1] = (struct pollfd){.fd = s->timer, .events = POLLIN};
    s->fds[2] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    size_t i = 3;
    struct kept *k;
    TAILQ_FOREACH (k, &s->kept, link) {
        /* after its end a pipe would only say POLLHUP again and again */
        s->fds[i++] =
            (struct pollfd){.fd = k->pid == 0 || k->word != KEEPER_SWEPT ? -1 : k->report, .events = POLLIN};
    }
    return i;
}

_Noreturn void guard_process(int socket, int lock_fd, bool may_isolate)
{
    (void)setsid();
    (void)prctl(PR_SET_NAME, "millrace-guard", 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    static struct state state;
    struct state *s = &state;
    s->socket = keep_only_own(socket, lock_fd);
    TAILQ_INIT(&s->kept);
    STAILQ_INIT(&s->unsent);
    s->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    MUST(s->timer >= 0);
    s->isolation = may_isolate ? keeper_probe() : ISOLATION_NONE;
    prepare_signals(s);
    notify(s, GUARD_NONE, 0, KEEPER_SWEPT, (int)s->isolation);
    for (;;) {
        size_t count = fill_poll(s);
        if (poll(s->fds, count, -1) < 0) {
            MUST(errno == EINTR);
            continue;
        }
        if (s->fds[1].revents != 0) {
            kill_keepers(s); /* first: writing a log line may wait */
            log_error("lease_over", "what=\"the end of the lease has passed: killing all engine processes\"");
            end_all(s);
        }
        struct kept *k = TAILQ_FIRST(&s->kept);
        for (size_t i = 3; i < count; i++, k = TAILQ_NEXT(k, link)) {
            if (s->fds[i].revents != 0) {
                read_report(s, k);
            }
        }
        if (s->fds[2].revents != 0) {
            struct signalfd_siginfo info;
            while (read(s->signals, &info, sizeof(info)) > 0) {
            }
            reap(s);
        }
        flush(s);
        if (s->fds[0].revents != 0 && !serve_socket(s)) {
            end_all(s);
        }
    }
}
