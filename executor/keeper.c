/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper: see the header. Runs in a child of the single-threaded guard, so plain C is fine after the fork;
 * but it never returns into the guard's code and never touches the guard's descriptors, which it closes
 * first.
 */
#define _GNU_SOURCE
#include "executor/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process_tree.h"

/* Ends of the keeper itself that the guard tells from the engine's: none needed, the report says it. */
#define KEEPER_DONE 0
#define KEEPER_BROKEN 70

static void report(int fd, enum keeper_word word, int value)
{
    struct keeper_report r = {.word = (int32_t)word, .value = value};
    while (write(fd, &r, sizeof(r)) < 0 && errno == EINTR) {
    }
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    (void)close(fd);
    return ok;
}

/* Inside the new user namespace the same ids, and nobody else's. */
static bool map_ids(uid_t uid, gid_t gid)
{
    char uids[64];
    char gids[64];
    (void)snprintf(uids, sizeof(uids), "%u %u 1", uid, uid);
    (void)snprintf(gids, sizeof(gids), "%u %u 1", gid, gid);
    return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", uids) &&
           write_file("/proc/self/gid_map", gids);
}

/* /proc of the new namespace, seen by nobody outside: the keeper counts its tree there. */
static bool private_proc(void)
{
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

/* Ids of the outside, read before the namespace exists. */
static uid_t outer_uid;
static gid_t outer_gid;

static bool enter(enum isolation isolation)
{
    switch (isolation) {
    case ISOLATION_NONE:
        return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    case ISOLATION_NAMESPACE:
        return private_proc();
    case ISOLATION_USER_NAMESPACE:
        return map_ids(outer_uid, outer_gid) && private_proc();
    }
    return false;
}

pid_t keeper_fork(enum isolation isolation)
{
    outer_uid = getuid();
    outer_gid = getgid();
    struct clone_args args = {.exit_signal = SIGCHLD};
    switch (isolation) {
    case ISOLATION_NONE:
        return fork();
    case ISOLATION_NAMESPACE:
        args.flags = CLONE_NEWPID | CLONE_NEWNS;
        break;
    case ISOLATION_USER_NAMESPACE:
        args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER;
        break;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

enum isolation keeper_probe(void)
{
    static const enum isolation order[] = {ISOLATION_NAMESPACE, ISOLATION_USER_NAMESPACE};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        pid_t pid = keeper_fork(order[i]);
        if (pid == 0) {
            _exit(enter(order[i]) ? KEEPER_DONE : KEEPER_BROKEN);
        }
        int status = -1;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == KEEPER_DONE) {
            return order[i];
        }
    }
    return ISOLATION_NONE;
}

static void set_limits(const struct keeper_plan *plan)
{
    for (size_t i = 0; i < plan->limit_count; i++) {
        struct rlimit limit;
        struct rlimit old;
        limit.rlim_cur = plan->limits[i].value;
        limit.rlim_max = plan->limits[i].value;
        if (getrlimit((__rlimit_resource_t)plan->limits[i].resource, &old) == 0 &&
            old.rlim_max < limit.rlim_max) {
            limit = old; /* only a privileged process may raise it */
        }
        (void)setrlimit((__rlimit_resource_t)plan->limits[i].resource, &limit);
    }
}

static _Noreturn void engine_child(const struct keeper_plan *plan, pid_t keeper)
{
    (void)setsid();
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        (void)sigaction(signal, &usual, NULL);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != keeper) {
        _exit(KEEPER_BROKEN);
    }
    bool ok = dup2(plan->in, 0) == 0 && dup2(plan->out, 1) == 1 && dup2(plan->err, 2) == 2;
    /* Only the report pipe stays, until exec succeeds. */
    int last = fcntl(plan->report, F_DUPFD_CLOEXEC, 3);
    ok = ok && last >= 3;
    if (ok && last > 3) {
        (void)syscall(SYS_close_range, 3U, (unsigned)last - 1, 0U);
    }
    (void)syscall(SYS_close_range, (unsigned)last + 1, ~0U, 0U);
    set_limits(plan);
    (void)umask(022);
    ok = ok && chdir(plan->folder) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (ok) {
        (void)execve(plan->argv[0], plan->argv, plan->env);
    }
    report(last, KEEPER_START_FAILED, errno);
    _exit(KEEPER_BROKEN);
}

/* Reaps whatever is dead; ends the keeper when that is the engine process. */
static void reap(pid_t engine, int report_fd)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != engine) {
            continue;
        }
        if (WIFSIGNALED(status)) {
            report(report_fd, KEEPER_SIGNALED, WTERMSIG(status));
        } else {
            report(report_fd, KEEPER_EXITED, WEXITSTATUS(status));
        }
        _exit(KEEPER_DONE);
    }
}

/* True when the guard is gone already, so that PR_SET_PDEATHSIG came too late. getppid() says nothing inside
 * a PID namespace; but the guard is the only reader of the report pipe. */
static bool guard_is_gone(int report_fd)
{
    struct pollfd p = {.fd = report_fd, .events = 0};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

/* Closes everything but the four descriptors of the plan, which it moves to the numbers 3..6. */
static bool keep_only_own(struct keeper_plan *plan)
{
    int *const own[] = {&plan->in, &plan->out, &plan->err, &plan->report};
    for (int i = 0; i < 4; i++) {
        *own[i] = fcntl(*own[i], F_DUPFD_CLOEXEC, 64);
        if (*own[i] < 0) {
            return false;
        }
    }
    for (int i = 0; i < 4; i++) {
        if (dup3(*own[i], 3 + i, O_CLOEXEC) < 0) {
            return false;
        }
        *own[i] = 3 + i;
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2;
    return ok && syscall(SYS_close_range, 7U, ~0U, 0U) == 0;
}

_Noreturn void keeper_main(const struct keeper_plan *given)
{
    struct keeper_plan plan = *given;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "millrace-keeper", 0, 0, 0);
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGCHLD);
    (void)sigaddset(&wanted, SIGUSR1);
    (void)sigaddset(&wanted, SIGUSR2);
    (void)sigaddset(&wanted, SIGTERM); /* a service manager's SIGTERM is the executor's business */
    (void)sigaddset(&wanted, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &wanted, NULL);
    if (!keep_only_own(&plan) || !enter(plan.isolation)) {
        report(plan.report, KEEPER_START_FAILED, errno);
        _exit(KEEPER_BROKEN);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* again: a change of ids clears it */
    if (guard_is_gone(plan.report)) {
        _exit(KEEPER_BROKEN);
    }
    pid_t self = getpid();
    pid_t engine = fork();
    if (engine < 0) {
        report(plan.report, KEEPER_START_FAILED, errno);
        _exit(KEEPER_BROKEN);
    }
    if (engine == 0) {
        engine_child(&plan, self);
    }
    (void)close(plan.in);
    (void)close(plan.out);
    (void)close(plan.err);
    for (;;) {
        switch (sigwaitinfo(&wanted, NULL)) {
        case SIGUSR1:
            process_tree_signal_all(self, engine, SIGTERM);
            break;
        case SIGUSR2:
            process_tree_kill(self, engine);
            reap(engine, plan.report);
            report(plan.report, KEEPER_SWEPT, 0);
            break;
        case SIGCHLD:
            reap(engine, plan.report);
            break;
        default:
            break;
        }
    }
}
