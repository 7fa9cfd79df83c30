/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shell: an engine that runs shell scripts, one at a time. stdout and stderr stream as log lines while the script runs.
 *
 * It is a child subreaper: whatever a job starts stays below it, also what calls setsid or forks twice. When the script
 * ends, everything that it left behind is killed and reaped before the answer. A run that is cancelled gets its SIGTERM
 * from the executor (the whole tree does); then this waits until all of it has gone by itself. What does not go is
 * killed by the executor after the grace period, together with this process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process_tree.h"
#include "engines/lib/engine.h"
#include "engines/shell/job.h"
#include "engines/shell/stream.h"

struct shell {
    struct line_reader in;
    struct buf out;
    int signals;
    bool ending; /* stdin is closed */
    /* the run */
    json_t *line; /* NULL: idle */
    struct bytes run;
    struct shell_job job;
    struct stream streams[2];
    bool exited; /* the script itself is over */
    int status;
    bool cancelled;
};

static void answer_failure(struct shell *s, struct bytes run, const struct error *e)
{
    struct engine_failure f = {.code = e->code, .message = bytes_of(e->text), .offset = -1, .exit_code = -1};
    engine_say_error(&s->out, run, &f);
}

static void start(struct shell *s, json_t *line)
{
    struct error e;
    error_clear(&e);
    if (s->line != NULL) {
        error_set(&e, "engine_error", "one run at a time");
    } else if (shell_job_start(&s->job, line, &e)) {
        s->line = json_incref(line);
        s->run = engine_text(line, "run");
        s->exited = s->cancelled = false;
        stream_open(&s->streams[0], s->job.out, "stdout");
        stream_open(&s->streams[1], s->job.err, "stderr");
        return;
    }
    answer_failure(s, engine_text(line, "run"), &e);
}

static void take_line(struct shell *s, const char *type, json_t *line)
{
    if (strcmp(type, "run") == 0) {
        start(s, line);
    } else if (strcmp(type, "cancel") == 0) {
        s->cancelled = s->cancelled || (s->line != NULL && bytes_equal(engine_text(line, "run"), s->run));
    } else if (strcmp(type, "hello") == 0) {
        engine_say_ready(&s->out, "shell", 1, "[\"clean\"]");
    } else if (strcmp(type, "ping") == 0) {
        engine_say_pong(&s->out);
    }
}

static void read_lines(struct shell *s)
{
    const char *type;
    json_t *line;
    s->ending = !engine_read(&s->in);
    while ((line = engine_next(&s->in, &type)) != NULL) {
        take_line(s, type, line);
        json_decref(line);
    }
}

/* Reaps what is dead; true: there are no children left. */
static bool reap(struct shell *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (s->line != NULL && pid == s->job.pid) {
            s->exited = true;
            s->status = status;
        }
    }
    return pid < 0 && errno == ECHILD;
}

static void say_end(struct shell *s)
{
    char message[100];
    struct engine_failure f = {.offset = -1, .exit_code = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1};
    if (s->cancelled) {
        f.code = "cancelled";
        (void)snprintf(message, sizeof(message), "the script was stopped");
    } else if (WIFSIGNALED(s->status)) {
        const char *name = sigabbrev_np(WTERMSIG(s->status));
        f.code = "killed";
        (void)snprintf(message, sizeof(message), "killed by signal %d (SIG%s)", WTERMSIG(s->status),
            name == NULL ? "?" : name);
    } else if (f.exit_code != 0) {
        f.code = "exit_code";
        (void)snprintf(message, sizeof(message), "exit status %lld", f.exit_code);
    } else {
        engine_say_done(&s->out, s->run, f.exit_code);
        return;
    }
    f.message = bytes_of(message);
    engine_say_error(&s->out, s->run, &f);
}

static void finish(struct shell *s)
{
    for (int i = 0; i < 2; i++) {
        while (stream_read(&s->streams[i], s->run, &s->out)) {
            engine_send(&s->out);
        }
        stream_close(&s->streams[i], s->run, &s->out);
    }
    shell_job_clean(&s->job);
    say_end(s);
    json_decref(s->line);
    s->line = NULL;
}

static void serve_children(struct shell *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof(info)) > 0) {
    }
    bool none = reap(s);
    if (s->line == NULL || !s->exited) {
        return;
    }
    if (!none) {
        read_lines(s); /* a cancel that is on its way was written before the signal that ended the script */
    }
    if (!none && s->cancelled) {
        return; /* the rest has had its SIGTERM; SIGCHLD brings us back */
    }
    if (!none) {
        process_tree_kill(getpid(), 0);
        while (waitpid(-1, NULL, 0) > 0) {
        }
    } else if (!s->cancelled) {
        read_lines(s);
    }
    finish(s);
}

int main(void)
{
    struct shell s = {0};
    sigset_t child;
    line_reader_init(&s.in);
    buf_init(&s.out);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    s.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    (void)fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    while (!s.ending) {
        struct pollfd fds[4] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = s.signals, .events = POLLIN},
            {.fd = s.line == NULL ? -1 : s.streams[0].fd, .events = POLLIN},
            {.fd = s.line == NULL ? -1 : s.streams[1].fd, .events = POLLIN},
        };
        if (poll(fds, 4, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            read_lines(&s);
        }
        for (int i = 0; i < 2; i++) {
            if (fds[2 + i].revents != 0) {
                (void)stream_read(&s.streams[i], s.run, &s.out);
            }
        }
        if (fds[1].revents != 0) {
            serve_children(&s);
        }
        engine_send(&s.out);
    }
    /* The executor is done with us: nothing of ours stays. */
    process_tree_kill(getpid(), 0);
    json_decref(s.line);
    line_reader_release(&s.in);
    buf_release(&s.out);
    return 0;
}
