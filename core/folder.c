/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder: see the header.
 */
#define _GNU_SOURCE
#include "core/folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)where;
    if (type == FTW_DNR) { /* a job took its folder's permissions away */
        (void)chmod(path, 0700);
    }
    (void)remove(path);
    return 0;
}

void folder_remove(const char *path)
{
    /* twice: a folder that could not be read is opened up by the first walk */
    for (int i = 0; i < 2; i++) {
        if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno == ENOENT) {
            return;
        }
    }
}
