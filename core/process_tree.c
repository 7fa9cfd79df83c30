/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_tree: see the header.
 */
#define _GNU_SOURCE
#include "core/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

/* A new process can only be born from one that was not signalled yet; more rounds than this is a fork bomb,
 * which only SIGKILL of its namespace or repeated scans end. */
#define ROUNDS_MAX 8

/* "pid (comm) state ppid ... starttime": comm may hold anything, so the fields are counted from the last ')'.
 */
static bool parse_stat(char *text, struct process_entry *out)
{
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ') {
        return false;
    }
    at += 2;
    out->zombie = *at == 'Z' || *at == 'X';
    char *end;
    if (at[1] != ' ') {
        return false;
    }
    out->parent = (pid_t)strtol(at + 2, &end, 10);
    /* state is field 3, the parent 4, the start time 22 */
    for (int field = 4; field < 22; field++) {
        end = strchr(end, ' ');
        if (end == NULL) {
            return false;
        }
        end++;
    }
    out->started = strtoull(end, NULL, 10);
    return true;
}

static bool read_entry(pid_t pid, struct process_entry *out)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    *out = (struct process_entry){.pid = pid};
    return parse_stat(text, out);
}

static int compare(const void *a, const void *b)
{
    const struct process_entry *x = a;
    const struct process_entry *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct process_entry *add(struct process_list *l)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 128 : l->cap * 2;
        l->items = realloc(l->items, l->cap * sizeof(*l->items));
        MUST(l->items != NULL);
    }
    return &l->items[l->count];
}

bool process_list_read(struct process_list *l)
{
    l->count = 0;
    DIR *dir = opendir("/proc");
    if (dir == NULL) {
        return false;
    }
    const struct dirent *d;
    while ((d = readdir(dir)) != NULL) {
        char *end;
        long pid = strtol(d->d_name, &end, 10);
        if (pid > 0 && *end == '\0' && read_entry((pid_t)pid, add(l))) {
            l->count++;
        }
    }
    (void)closedir(dir);
    if (l->count > 0) {
        qsort(l->items, l->count, sizeof(*l->items), compare);
    }
    return true;
}

void process_list_release(struct process_list *l)
{
    free(l->items);
    *l = (struct process_list){0};
}

static struct process_entry *find(const struct process_list *l, pid_t pid)
{
    struct process_entry key = {.pid = pid};
    return l->count == 0 ? NULL : bsearch(&key, l->items, l->count, sizeof(key), compare);
}

void process_list_spread(struct process_list *l)
{
    /* Parents mostly have lower pids than their children, so one or two rounds do. */
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < l->count; i++) {
            struct process_entry *p = &l->items[i];
            const struct process_entry *parent = p->marked ? NULL : find(l, p->parent);
            if (parent != NULL && parent->marked) {
                p->marked = true;
                more = true;
            }
        }
    }
}

void process_list_mark(struct process_list *l, pid_t root)
{
    for (size_t i = 0; i < l->count; i++) {
        l->items[i].marked = l->items[i].parent == root;
    }
    process_list_spread(l);
}

/* A descriptor of that very process, or -1: it is gone. */
static int open_process(const struct process_entry *p)
{
    int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    struct process_entry now;
    if (fd >= 0 && !(read_entry(p->pid, &now) && now.started == p->started)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool process_entry_signal(const struct process_entry *p, int signal)
{
    int fd = open_process(p);
    if (fd < 0) {
        return false;
    }
    bool sent = syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) == 0;
    (void)close(fd);
    return sent;
}

size_t process_list_kill_marked(const struct process_list *l, pid_t spare, int patience_ms, bool *all_dead)
{
    size_t count = 0;
    struct pollfd *fds = calloc(l->count + 1, sizeof(*fds));
    MUST(fds != NULL);
    for (size_t i = 0; i < l->count; i++) {
        const struct process_entry *p = &l->items[i];
        if (!p->marked || p->zombie || p->pid == spare) {
            continue;
        }
        int fd = open_process(p);
        if (fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0) {
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        } else if (fd >= 0) {
            (void)close(fd);
        }
    }
    /* A pidfd is readable once its process is dead. */
    int64_t until = clock_boot_ms() + patience_ms;
    *all_dead = true;
    for (size_t i = 0; i < count; i++) {
        int n;
        do {
            int64_t left = until - clock_boot_ms();
            n = poll(&fds[i], 1, patience_ms < 0 ? -1 : left > 0 ? (int)left : 0);
        } while (n < 0 && errno == EINTR);
        *all_dead = *all_dead && n > 0;
        (void)close(fds[i].fd);
    }
    free(fds);
    return count;
}

void process_tree_kill(pid_t root, pid_t spare)
{
    bool all_dead;
    struct process_list l = {0};
    do {
        if (!process_list_read(&l)) {
            break;
        }
        process_list_mark(&l, root);
    } while (process_list_kill_marked(&l, spare, -1, &all_dead) > 0);
    process_list_release(&l);
}

size_t process_tree_signal(pid_t root, pid_t spare, int signal)
{
    struct process_list l = {0};
    size_t found = 0;
    if (process_list_read(&l)) {
        process_list_mark(&l, root);
        for (size_t i = 0; i < l.count; i++) {
            const struct process_entry *p = &l.items[i];
            if (p->marked && !p->zombie && p->pid != spare && process_entry_signal(p, signal)) {
                found++;
            }
        }
    }
    process_list_release(&l);
    return found;
}

static bool was_there(const struct process_list *l, const struct process_entry *p)
{
    const struct process_entry *old = find(l, p->pid);
    return old != NULL && old->started == p->started && old->marked;
}

void process_tree_signal_all(pid_t root, pid_t spare, int signal)
{
    struct process_list before = {0};
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct process_list now = {0};
        size_t fresh = 0;
        if (process_list_read(&now)) {
            process_list_mark(&now, root);
        }
        for (size_t i = 0; i < now.count; i++) {
            const struct process_entry *p = &now.items[i];
            if (p->marked && !p->zombie && p->pid != spare && !was_there(&before, p)) {
                fresh += process_entry_signal(p, signal);
            }
        }
        process_list_release(&before);
        before = now;
        if (fresh == 0) {
            break;
        }
    }
    process_list_release(&before);
}
