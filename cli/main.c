/* SPDX-License-Identifier: Apache-2.0 */
/*
 * millrace: the command line. Finds the command in the table (commands.c) and runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "core/log.h"

static const struct command *find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static enum outcome unknown_command(const char *name)
{
    complain("there is no command %s; millrace help lists them", name);
    return OUTCOME_USAGE;
}

static enum outcome help(int argc, char **argv)
{
    const struct command *c = argc > 0 ? find(argv[0]) : NULL;
    if (argc == 0)
        help_all();
    else if (strcmp(argv[0], "--markdown") == 0)
        help_markdown();
    else if (c)
        help_command(c);
    else
        return unknown_command(argv[0]);
    return OUTCOME_DONE;
}

static enum outcome run(const struct command *c, int argc, char **argv)
{
    struct args args;
    enum outcome outcome = OUTCOME_USAGE;
    if (args_parse(c, argc, argv, &args)) {
        outcome = OUTCOME_DONE;
        if (args_flag(&args, "help"))
            help_command(c);
        else
            outcome = c->run(&args);
    }
    args_release(&args);
    return outcome;
}

/* A stream that is closed stays unusable: else the first socket would get its number, and output would go to the server. */
static void keep_streams_apart(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Also when what could not be written was written long ago, before the buffer's last part. */
static enum outcome flushed(enum outcome outcome)
{
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !failed)
        return outcome;
    complain("can't write the output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return outcome == OUTCOME_DONE ? OUTCOME_FAILED : outcome;
}

int main(int argc, char **argv)
{
    keep_streams_apart();
    /* So that widths of characters are known; what is printed is UTF-8 in every locale. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    log_init("millrace", LOG_WARN);
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--version") == 0) {
        puts("millrace " MILLRACE_VERSION);
        return (int)flushed(OUTCOME_DONE);
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        enum outcome told = help(argc > 2 ? argc - 2 : 0, argv + 2);
        return (int)flushed(argc > 1 ? told : OUTCOME_USAGE);
    }
    const struct command *c = find(name);
    if (!c)
        return (int)unknown_command(name);
    return (int)flushed(run(c, argc - 2, argv + 2));
}
