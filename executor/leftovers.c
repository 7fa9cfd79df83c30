/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leftovers: see the header.
 */
#define _GNU_SOURCE
#include "executor/leftovers.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/folder.h"
#include "core/log.h"
#include "core/process_tree.h"

#define ENVIRONMENT_MAX (4 * 1024 * 1024)
#define PATIENCE_MS 5000

static bool read_environment(pid_t pid, struct buf *out)
{
    char path[64];
    char chunk[8192];
    buf_clear(out);
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && out->len < ENVIRONMENT_MAX) {
        buf_add(out, chunk, (size_t)n);
    }
    (void)close(fd);
    return out->len > 0;
}

/* `mark` is a whole entry; the environment is entries that end with a NUL byte. */
static bool has_entry(struct bytes environment, struct bytes mark)
{
    while (environment.len > 0) {
        const char *end = memchr(environment.data, '\0', environment.len);
        size_t len = end == NULL ? environment.len : (size_t)(end - environment.data);
        if (bytes_equal(bytes_slice(environment, 0, len), mark)) {
            return true;
        }
        size_t used = len + (end != NULL);
        environment = bytes_slice(environment, used, environment.len - used);
    }
    return false;
}

/* Marks those with the mark and all their descendants. */
static void mark_leftovers(struct process_list *l, struct bytes mark)
{
    struct buf environment;
    buf_init(&environment);
    for (size_t i = 0; i < l->count; i++) {
        struct process_entry *p = &l->items[i];
        p->marked = p->pid != getpid() && read_environment(p->pid, &environment) &&
                    has_entry(buf_bytes(&environment), mark);
    }
    buf_release(&environment);
    process_list_spread(l);
}

bool leftovers_kill(const char *instance, size_t *killed)
{
    struct buf mark;
    struct process_list l = {0};
    size_t all = 0;
    bool dead = true;
    size_t round;
    buf_init(&mark);
    buf_printf(&mark, "MILLRACE_INSTANCE=%s", instance);
    do {
        round = 0;
        if (process_list_read(&l)) {
            mark_leftovers(&l, buf_bytes(&mark));
            round = process_list_kill_marked(&l, getpid(), PATIENCE_MS, &dead);
        }
        all += round;
    } while (round > 0 && dead);
    process_list_release(&l);
    buf_release(&mark);
    if (all > 0) {
        log_warn("leftovers_killed", "instance=%s processes=%zu dead=%d", instance, all, dead);
    }
    *killed = all;
    return dead;
}

void leftovers_clean(const char *work_dir, const char *instance)
{
    struct buf path;
    if (instance[0] == '\0' || strchr(instance, '/') != NULL || instance[0] == '.') {
        return;
    }
    buf_init(&path);
    buf_printf(&path, "%s/%s", work_dir, instance);
    buf_add_char(&path, '\0');
    folder_remove(path.data);
    buf_release(&path);
}
