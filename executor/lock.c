/* SPDX-License-Identifier: Apache-2.0 */
/* lock: lock files and the dead that they name. */
#include "executor/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bus_leave.h"
#include "core/log.h"
#include "executor/leftovers.h"

#define NEIGHBOURS_MAX 64
#define FILE_MAX 4096
#define MEMBER_MAX 256 /* a longer id is left to its session */
#define LEAVE_MS 2000  /* Kafka may be away; then the session's time rules */

struct neighbours {
    char folder[512], pool[64], instance[LEDGER_INSTANCE_MAX];
    int number, fd;
    char incoming[512];
    bool dead_before_us;            /* our own file still names dead ones */
    const struct bus_settings *bus; /* NULL: nobody is left for */
    const char *group;
    pthread_mutex_t
        own; /* the next one, and what our file says: written by the loop and by the clerk that buries */
    char member[MEMBER_MAX];
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
    return pwrite(fd, text, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0;
}

/* Our name and member id, then `rest`: the lines of those who died before us. */
static bool own_write(struct neighbours *n, const char *rest)
{
    char text[FILE_MAX + LEDGER_INSTANCE_MAX + MEMBER_MAX];
    snprintf(text, sizeof text, "%s\n%s%s%s%s", n->instance, n->member[0] ? "+" : "", n->member,
        n->member[0] ? "\n" : "", rest);
    return file_write(n->fd, text);
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
    char path[640], before[FILE_MAX];
    if (!make_folder(state_dir, e))
        return NULL;
    struct neighbours *n = calloc(1, sizeof *n);
    if (!n)
        log_fatal("out_of_memory", "what=lock");
    snprintf(n->folder, sizeof n->folder, "%s", state_dir);
    snprintf(n->pool, sizeof n->pool, "%s", pool);
    snprintf(n->instance, sizeof n->instance, "%s", instance);
    snprintf(n->incoming, sizeof n->incoming, "%s/.incoming", results_dir);
    pthread_mutex_init(&n->own, NULL);
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
    if (!own_write(n, before) || fsync(n->fd) != 0) {
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
    pthread_mutex_destroy(&n->own);
    free(n);
}

void neighbours_use_bus(struct neighbours *n, const struct bus_settings *bus, const char *group)
{
    struct error e;
    n->group = group;
    n->bus = bus_leave_possible(bus, &e) ? bus : NULL;
    if (!n->bus)
        log_info("no_leaving",
            "text=\"the group waits for a killed executor until its session is over\" reason=%s",
            log_quote(bytes_of(e.text)));
}

/* What our file says below our own lines. */
static const char *lines_of_others(const struct neighbours *n, char *text)
{
    size_t own = strlen(n->instance);
    (void)file_read(n->fd, text);
    if (strncmp(text, n->instance, own) != 0 || text[own] != '\n')
        return "";
    const char *rest = text + own + 1;
    if (*rest != '+')
        return rest;
    const char *end = strchr(rest, '\n');
    return end ? end + 1 : "";
}

/* Not synced: after a crash of the host nobody's session lives on. */
void neighbours_member(struct neighbours *n, const char *member)
{
    char text[FILE_MAX];
    if (strcmp(member, n->member) == 0 || strlen(member) >= MEMBER_MAX || strchr(member, '\n'))
        return;
    pthread_mutex_lock(&n->own);
    snprintf(n->member, sizeof n->member, "%s", member);
    if (!own_write(n, lines_of_others(n, text)))
        log_warn("lock_not_written", "error=%s", strerror(errno));
    pthread_mutex_unlock(&n->own);
}

int neighbours_lock_fd(const struct neighbours *n)
{
    return n->fd;
}

int neighbours_number(const struct neighbours *n)
{
    return n->number;
}

/* After the lease: who gets the partitions then sees at once that the lease is over. */
static void leave_for(const struct neighbours *n, const char *instance, const char *member)
{
    struct error e;
    if (!n->bus)
        return;
    if (bus_leave(n->bus, n->group, member, LEAVE_MS, &e))
        log_info("neighbour_left", "instance=%s member=%s", instance, log_quote(bytes_of(member)));
    else
        log_warn("neighbour_not_left", "instance=%s code=%s reason=%s", instance, e.code,
            log_quote(bytes_of(e.text)));
}

static bool bury_all(
    struct neighbours *n, const struct ledger *l, char *text, int64_t now, size_t *buried, struct error *e)
{
    char *rest = text, *name;
    const char *dead = NULL; /* whom a member id belongs to; never ourselves */
    while ((name = strsep(&rest, "\n")) != NULL) {
        bool ended = false;
        if (*name == '+') {
            if (dead)
                leave_for(n, dead, name + 1);
            continue;
        }
        dead = *name && strcmp(name, n->instance) != 0 ? name : NULL;
        if (!dead)
            continue;
        size_t killed;
        if (!leftovers_kill(name, &killed)) /* its lease must not end before: it is tried again */
            return error_set(e, "leftovers", "what %s left behind does not die", name);
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
            pthread_mutex_lock(&n->own);
            (void)file_read(n->fd, text);
            pthread_mutex_unlock(&n->own);
            if (!bury_all(n, l, text, now, &buried, e))
                continue;
            pthread_mutex_lock(&n->own);
            n->dead_before_us = !own_write(n, "");
            pthread_mutex_unlock(&n->own);
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
