/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: see the header.
 */
#define _GNU_SOURCE
#include "engines/shell/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/folder.h"
#include "engines/lib/engine.h"

/* Linux takes 128 KiB in one argument: longer code comes from a file. */
#define ARGUMENT_MAX ((size_t)100 * 1024)
#define VARIABLES_MAX 4096
#define SCRIPT ".script" /* beside the run's folder, so that the job starts in an empty one */

extern char **environ;

struct launch {
    char *argv[4];
    char **env;
    char *script; /* path, or NULL */
};

/* ---- environment ---- */

static bool is_variable_name(const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name[0] != '\0';
}

static void add_entry(struct launch *l, size_t *count, const char *name, struct bytes value)
{
    struct buf b;
    if (value.data == NULL || memchr(value.data, '\0', value.len) != NULL || *count >= VARIABLES_MAX) {
        return;
    }
    buf_init(&b);
    buf_printf(&b, "%s=%.*s", name, BYTES_ARG(value));
    buf_add_char(&b, '\0');
    l->env[(*count)++] = b.data; /* handed over */
}

/* Ours without what the run sets anew. */
static bool is_kept(const char *entry)
{
    return strncmp(entry, "TMPDIR=", 7) != 0;
}

static void build_environment(struct launch *l, const struct shell_job *j, const json_t *line)
{
    size_t count = 0;
    char number[32];
    char folder[4096 + sizeof(j->folder)];
    const char *home = getenv("HOME");
    const json_t *value;
    const char *name;
    l->env = calloc(VARIABLES_MAX + 1, sizeof(*l->env));
    MUST(l->env != NULL);
    for (char **entry = environ; *entry != NULL && count < VARIABLES_MAX; entry++) {
        if (is_kept(*entry)) {
            l->env[count] = strdup(*entry);
            MUST(l->env[count] != NULL);
            count++;
        }
    }
    (void)snprintf(folder, sizeof(folder), "%s/%s", home == NULL ? "." : home, j->folder);
    (void)snprintf(
        number, sizeof(number), "%lld", (long long)json_integer_value(json_object_get(line, "attempt")));
    add_entry(l, &count, "TMPDIR", bytes_of(folder));
    add_entry(l, &count, "MILLRACE_JOB_ID", engine_text(line, "job"));
    add_entry(l, &count, "MILLRACE_ATTEMPT", bytes_of(number));
    add_entry(l, &count, "MILLRACE_NODE", engine_text(line, "node"));
    json_t *variables = json_object_get(line, "variables");
    for (void *at = json_object_iter(variables); at != NULL; at = json_object_iter_next(variables, at)) {
        char whole[256];
        name = json_object_iter_key(at);
        value = json_object_iter_value(at);
        if (is_variable_name(name) && strlen(name) < 200 && json_is_string(value)) {
            (void)snprintf(whole, sizeof(whole), "MILLRACE_VAR_%s", name);
            add_entry(l, &count, whole, (struct bytes){json_string_value(value), json_string_length(value)});
        }
    }
}

/* ---- command ---- */

static bool write_script(const char *path, struct bytes code, struct error *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0;
    for (size_t done = 0; ok && done < code.len;) {
        ssize_t n = write(fd, code.data + done, code.len - done);
        ok = n > 0;
        done += ok ? (size_t)n : 0;
    }
    if (!ok) {
        error_set(e, "engine_error", "can't write the script's file: %s", strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool build_command(struct launch *l, const json_t *line, struct error *e)
{
    struct bytes code = engine_text(line, "code");
    bool plain = bytes_equal_text(engine_text(line, "code_type"), "sh") || access("/bin/bash", X_OK) != 0;
    const char *shell = plain ? "/bin/sh" : "/bin/bash";
    if (code.data == NULL) {
        return error_set(e, "engine_error", "the run has no code");
    }
    l->argv[0] = bytes_dup(bytes_of(shell));
    if (code.len <= ARGUMENT_MAX && memchr(code.data, '\0', code.len) == NULL) {
        l->argv[1] = bytes_dup(BYTES("-c"));
        l->argv[2] = bytes_dup(code);
        return true;
    }
    const char *home = getenv("HOME"); /* absolute: the shell starts in another folder */
    struct buf path;
    buf_init(&path);
    buf_printf(&path, "%s/%s", home == NULL ? "." : home, SCRIPT);
    buf_add_char(&path, '\0');
    l->argv[1] = path.data; /* handed over */
    return write_script(l->argv[1], code, e);
}

static void launch_release(struct launch *l)
{
    for (size_t i = 0; i < 4; i++) {
        free(l->argv[i]);
    }
    for (size_t i = 0; l->env != NULL && l->env[i] != NULL; i++) {
        free(l->env[i]);
    }
    free(l->env);
}

/* ---- start ---- */

static _Noreturn void child(
    const struct launch *l, const struct shell_job *j, pid_t parent, int out, int err, int status)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    bool ok = l->argv[0] != NULL && getppid() == parent && null >= 0 && dup2(null, 0) == 0 &&
              dup2(out, 1) == 1 && dup2(err, 2) == 2 && dup3(status, 3, O_CLOEXEC) >= 0 &&
              syscall(SYS_close_range, 4U, ~0U, 0U) == 0 && chdir(j->folder) == 0;
    if (ok) {
        (void)execve(l->argv[0], l->argv, l->env);
    }
    int why = errno;
    (void)!write(3, &why, sizeof(why));
    _exit(127);
}

static bool launch_job(const struct launch *l, struct shell_job *j, struct error *e)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}; /* stdout, stderr, why exec failed */
    int why = 0;
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) != 0) {
            why = errno;
        }
    }
    pid_t self = getpid();
    pid_t pid = why == 0 ? fork() : -1;
    if (pid == 0) {
        /* above the numbers that the child sets */
        int status = fcntl(pipes[2][1], F_DUPFD_CLOEXEC, 10);
        child(l, j, self, fcntl(pipes[0][1], F_DUPFD_CLOEXEC, 10), fcntl(pipes[1][1], F_DUPFD_CLOEXEC, 10),
            status);
    }
    why = why == 0 && pid < 0 ? errno : why;
    for (int i = 0; i < 3; i++) {
        if (pipes[i][1] >= 0) {
            (void)close(pipes[i][1]);
        }
    }
    if (pid > 0 && read(pipes[2][0], &why, sizeof(why)) != (ssize_t)sizeof(why)) {
        why = 0; /* closed by exec */
    }
    if (pipes[2][0] >= 0) {
        (void)close(pipes[2][0]);
    }
    if (why != 0) {
        (void)close(pipes[0][0]);
        (void)close(pipes[1][0]);
        return error_set(e, "engine_error", "can't start %s: %s", l->argv[0], strerror(why));
    }
    j->pid = pid;
    j->out = pipes[0][0];
    j->err = pipes[1][0];
    (void)fcntl(j->out, F_SETFL, O_NONBLOCK);
    (void)fcntl(j->err, F_SETFL, O_NONBLOCK);
    return true;
}

bool shell_job_start(struct shell_job *j, const json_t *line, struct error *e)
{
    static unsigned number;
    struct launch l = {0};
    *j = (struct shell_job){.pid = -1, .out = -1, .err = -1};
    (void)snprintf(j->folder, sizeof(j->folder), "run-%u", ++number);
    if (mkdir(j->folder, 0700) != 0) {
        return error_set(e, "engine_error", "can't make the run's folder: %s", strerror(errno));
    }
    build_environment(&l, j, line);
    bool ok = build_command(&l, line, e) && launch_job(&l, j, e);
    launch_release(&l);
    if (!ok) {
        shell_job_clean(j);
    }
    return ok;
}

void shell_job_clean(const struct shell_job *j)
{
    folder_remove(j->folder);
    (void)unlink(SCRIPT);
}
