/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: runs files through a fuzz target, as a test: every file named, and every file of every folder
 * named, in order of name. Fails when there are none: an empty corpus tests nothing. The name is printed
 * before the run, so that a crash tells which file it was.
 */
#define _DEFAULT_SOURCE /* scandir, alphasort */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_file(const char *path)
{
    struct stat info;
    bool ok = false;
    uint8_t *data = NULL;
    FILE *f = fopen(path, "rbe");

    printf("replay %s\n", path);
    fflush(stdout);
    if (!f || fstat(fileno(f), &info) != 0)
        goto out;
    /* Exactly as large as the input: AddressSanitizer then sees every byte read past its end. */
    size_t size = (size_t)info.st_size;
    data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, f) != size)
        goto out;
    LLVMFuzzerTestOneInput(data, size);
    ok = true;
out:
    if (!ok)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    free(data);
    if (f)
        fclose(f);
    return ok;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* How many inputs ran, -1 when one could not be read. */
static int run_path(const char *path)
{
    struct stat info;
    struct dirent **entries = NULL;
    int count = 0;

    if (stat(path, &info) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(info.st_mode))
        return run_file(path) ? 1 : -1;
    int found = scandir(path, &entries, is_input, alphasort);
    for (int i = 0; i < found; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        int ran = count < 0 ? -1 : run_path(name);
        count = ran < 0 ? -1 : count + ran;
        free(entries[i]);
    }
    free(entries);
    return found < 0 ? -1 : count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int ran = run_path(argv[i]);
        if (ran < 0)
            return 1;
        total += ran;
    }
    printf("%d inputs\n", total);
    if (total == 0)
        fprintf(stderr, "no inputs: give files or folders that have some\n");
    return total == 0;
}
