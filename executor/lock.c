/* SPDX-License-Identifier: Apache-2.0 */
/* lock: lock files and the dead that they name. */
#include "executor/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "executor/leftovers.h"

#define NEIGHBOURS_MAX 64
#define FILE_MAX 4096

struct neighbours {
    char folder[512], pool[64], instance[LEDGER_INSTANCE_MAX];
    int number, fd;
    char incoming[512];
    bool dead_before_us; /* our own file still names dead ones */
};

static void path_of(const struct neighbours *n, int number, char *out, size_t size)
{
    snprintf(out, size, "%s/executor-%s-%d.lock", n->folder, n->pool, number);
}

static size_t file_read(int fd, char *text)
{
    ssize_t len = pread(fd, text, FILE_MAX - 1, 0);
    size_t n = len > 0 ? (size_t)len : 0;
    text[n] = '\0';
    return n;
}

static bool file_write(int fd, const char *text)
{
    size_t len = strlen(text);
    return pwrite(fd, text, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0;
}

static bool make_folder(const char *path, struct error *e)
{
    char part[512];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return error_set(e, "bad_value", "state.dir is too long");
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return error_set(e, "no_folder", "can't make the folder %s: %s", part, strerror(errno));
    }
    return true;
}

/* Opens and locks one file; -1: it is held, or can't be opened. */
static int file_lock(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct neighbours *neighbours_open(
    const char *state_dir, const char *pool, const char *instance, const char *results_dir, struct error *e)
{
    char path[640], before[FILE_MAX], now[FILE_MAX + LEDGER_INSTANCE_MAX];
    if (!make_folder(state_dir, e))
        return NULL;
    struct neighbours *n = calloc(1, sizeof *n);
    if (!n)
        log_fatal("out_of_memory", "what=lock");
    snprintf(n->folder, sizeof n->folder, "%s", state_dir);
    snprintf(n->pool, sizeof n->pool, "%s", pool);
    snprintf(n->instance, sizeof n->instance, "%s", instance);
    snprintf(n->incoming, sizeof n->incoming, "%s/.incoming", results_dir);
    n->fd = -1;
    for (n->number = 0; n->number < NEIGHBOURS_MAX && n->fd < 0; n->number++) {
        path_of(n, n->number, path, sizeof path);
        n->fd = file_lock(path, O_CREAT);
    }
    n->number--;
    if (n->fd < 0) {
        error_set(e, "no_lock", "no lock file can be had in %s: %s", state_dir, strerror(errno));
        free(n);
        return NULL;
    }
    n->dead_before_us = file_read(n->fd, before) > 0;
    snprintf(now, sizeof now, "%s\n%s", instance, before);
    if (!file_write(n->fd, now)) {
        error_set(e, "no_lock", "can't write %s: %s", path, strerror(errno));
        neighbours_close(n);
        return NULL;
    }
    return n;
}

void neighbours_close(struct neighbours *n)
{
    if (!n)
        return;
    if (!n->dead_before_us && ftruncate(n->fd, 0) != 0)
        log_warn("lock_not_cleared", "error=%s", strerror(errno));
    close(n->fd);
    free(n);
}

int neighbours_lock_fd(const struct neighbours *n)
{
    return n->fd;
}

int neighbours_number(const struct neighbours *n)
{
    return n->number;
}

static bool bury_all(
    struct neighbours *n, const struct ledger *l, char *text, int64_t now, size_t *buried, struct error *e)
{
    char *rest = text, *name;
    while ((name = strsep(&rest, "\n")) != NULL) {
        bool ended = false;
        if (!*name || strcmp(name, n->instance) == 0)
            continue;
        size_t killed = leftovers_kill(name);
        leftovers_clean(n->incoming, name);
        if (!ledger_end_lease(l, bytes_of(name), -1, now, &ended, e))
            return false;
        log_info("neighbour_buried", "instance=%s leftovers=%zu lease_ended=%d", name, killed, ended);
        *buried += ended ? 1 : 0;
    }
    return true;
}

size_t neighbours_bury(struct neighbours *n, const struct ledger *l, int64_t now, struct error *e)
{
    char path[640], text[FILE_MAX];
    size_t buried = 0;
    for (int i = 0; i < NEIGHBOURS_MAX; i++) {
        path_of(n, i, path, sizeof path);
        if (i == n->number) {
            if (!n->dead_before_us)
                continue;
            (void)file_read(n->fd, text);
            if (!bury_all(n, l, text, now, &buried, e))
                return buried;
            snprintf(text, sizeof text, "%s\n", n->instance);
            n->dead_before_us = !file_write(n->fd, text);
            continue;
        }
        if (access(path, F_OK) != 0)
            break; /* files are numbered without gaps */
        int fd = file_lock(path, 0);
        if (fd < 0)
            continue;
        bool done = file_read(fd, text) == 0 || bury_all(n, l, text, now, &buried, e);
        if (done && ftruncate(fd, 0) != 0)
            log_warn("lock_not_cleared", "file=%s error=%s", path, strerror(errno));
        close(fd);
        if (!done)
            break;
    }
    return buried;
}

bool neighbours_any(const struct neighbours *n)
{
    char path[640];
    struct stat st;
    if (n->dead_before_us)
        return true;
    for (int i = 0; i < NEIGHBOURS_MAX; i++) {
        path_of(n, i, path, sizeof path);
        if (i == n->number)
            continue;
        if (stat(path, &st) != 0)
            return false;
        if (st.st_size > 0)
            return true;
    }
    return false;
}
