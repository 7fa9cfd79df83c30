/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder: whole folders at once.
 */
#ifndef MILLRACE_CORE_FOLDER_H
#define MILLRACE_CORE_FOLDER_H

/* Removes a folder with all that is in it, as far as it may; follows no links. Missing is fine. */
void folder_remove(const char *path);

#endif
