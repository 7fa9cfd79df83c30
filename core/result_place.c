/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_place: where results lie in the store, and how a finished file gets there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/result.h"
#include "core/result_file.h"

#define NAME_MAX_BYTES 64

static void add_safe(struct buf *out, struct bytes text, size_t max, const char *instead)
{
    size_t from = out->len;
    for (size_t i = 0; i < text.len && out->len - from < max; i++) {
        char c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '-';
        buf_add_char(out, plain ? c : '_');
    }
    if (out->len == from) {
        buf_add_text(out, instead);
    }
}

static char *own_text(struct buf *b)
{
    buf_add_char(b, '\0');
    return b->data; /* handed over: b is not released */
}

/* yyyy-mm-dd/<creator>/<user>/<job>/<attempt>/<n>-<name>.<extension> */
char *result_place_path(const struct result_place *p, struct bytes extension)
{
    char day[CLOCK_TEXT_SIZE];
    struct buf b;
    buf_init(&b);
    buf_printf(&b, "%.10s/%.*s/%.*s/%.*s/%lld/%lld-", clock_text(p->at, day), BYTES_ARG(p->creator),
        BYTES_ARG(p->user), BYTES_ARG(p->job_id), (long long)p->attempt, (long long)p->n);
    add_safe(&b, p->name, NAME_MAX_BYTES, "result");
    buf_add_char(&b, '.');
    add_safe(&b, extension, 16, "bin");
    return own_text(&b);
}

bool result_place_is_safe(const struct result_place *p, struct error *e)
{
    const struct bytes parts[] = {p->creator, p->user, p->job_id};
    for (size_t i = 0; i < 3; i++) {
        if (!job_name_is_valid(parts[i])) {
            return error_set(
                e, "result_error", "\"%.*s\" can't be a folder of the result store", BYTES_ARG(parts[i]));
        }
    }
    return true;
}

char *result_join(const char *a, const char *b, const char *c)
{
    struct buf out;
    buf_init(&out);
    buf_printf(&out, "%s/%s%s", a, b, c);
    return own_text(&out);
}

/* Makes the folders of `path` (relative to root); the last part is the file. */
bool result_make_folders(const char *root, const char *path, struct error *e)
{
    char *whole = result_join(root, path, "");
    bool ok = true;
    for (char *at = whole + strlen(root) + 1; ok && (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(whole, 0750) != 0 && errno != EEXIST) {
            ok = error_set(e, "result_error", "can't make the folder %s: %s", whole, strerror(errno));
        }
        *at = '/';
    }
    free(whole);
    return ok;
}

bool result_sync_folder(const char *root, const char *path, struct error *e)
{
    char *folder = result_join(root, path, "");
    *strrchr(folder, '/') = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok) {
        error_set(e, "result_error", "can't sync the folder %s: %s", folder, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(folder);
    return ok;
}

bool result_path_is_inside(struct bytes path)
{
    if (path.len == 0 || path.len > 4000 || memchr(path.data, '\0', path.len) != NULL) {
        return false;
    }
    for (size_t from = 0; from <= path.len;) {
        const char *end = from < path.len ? memchr(path.data + from, '/', path.len - from) : NULL;
        size_t to = end == NULL ? path.len : (size_t)(end - path.data);
        struct bytes part = bytes_slice(path, from, to - from);
        if (part.len == 0 || part.data[0] == '.') {
            return false;
        }
        from = to + 1;
    }
    return true;
}

bool result_is_there(const char *root, const struct job_result *r)
{
    if (!result_path_is_inside(r->path)) {
        return false;
    }
    struct stat info;
    char *path = bytes_dup(r->path);
    char *whole = result_join(root, path, "");
    bool there = lstat(whole, &info) == 0 && S_ISREG(info.st_mode) && (int64_t)info.st_size == r->bytes;
    free(whole);
    free(path);
    return there;
}

bool result_adopt(const struct result_place *p, const char *from, struct bytes extension, struct arena *a,
    struct job_result *out, struct error *e)
{
    if (!result_place_is_safe(p, e)) {
        return false;
    }
    struct stat info;
    int fd = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return error_set(e, "engine_protocol", "the engine's result file \"%s\" is no plain file",
            strrchr(from, '/') == NULL ? from : strrchr(from, '/') + 1);
    }
    char *path = result_place_path(p, extension);
    char *final = result_join(p->root, path, "");
    bool ok = result_make_folders(p->root, path, e);
    if (ok && (fchmod(fd, 0640) != 0 || fsync(fd) != 0 || rename(from, final) != 0)) {
        ok = error_set(e, "result_error", "can't put %s in its place: %s", final, strerror(errno));
    }
    ok = ok && result_sync_folder(p->root, path, e);
    if (ok) {
        out->path = arena_copy(a, bytes_of(path));
        out->bytes = (int64_t)info.st_size;
    }
    (void)close(fd);
    free(path);
    free(final);
    return ok;
}
