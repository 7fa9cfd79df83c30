/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what a subcommand of millrace is: a row of the table in main.c, with its options. From the rows come parsing, --help
 * and docs/reference/cli.md. A new subcommand: one file with a `const struct command`, one row.
 */
#ifndef MILLRACE_CLI_COMMAND_H
#define MILLRACE_CLI_COMMAND_H

#include "core/bytes.h"
#include "core/config.h"

/* The exit codes, a table in outcome.c. */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_FAILED = 1,
    OUTCOME_USAGE = 2,
    OUTCOME_CANCELLED = 3,
    OUTCOME_TIMED_OUT = 4,
    OUTCOME_REJECTED = 5,
    OUTCOME_UNREACHABLE = 6,
    OUTCOME_REFUSED = 7,
    OUTCOMES
};
extern const char *const outcome_help[OUTCOMES];
/* The outcome that a job's final state means; OUTCOME_DONE for any state that is not final. */
enum outcome outcome_of_state(const char *state);

struct option {
    char letter;      /* 0: none */
    const char *name; /* NULL ends the table */
    const char *arg;  /* what follows, for help; NULL: a flag */
    bool repeated;
    const char *help;
};
#define OPTION_END                                                                                           \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }

enum { GIVEN_MOST = 256, WORDS_MOST = 64 };

struct args {
    const struct command *command;
    struct {
        const struct option *option;
        const char *value; /* "" for flags */
    } given[GIVEN_MOST];
    size_t count;
    const char *words[WORDS_MOST]; /* what is no option */
    size_t word_count;
    char *settings[GIVEN_MOST]; /* "--name=value" for config_load, settings[0] is the program */
    size_t setting_count;
};

struct command {
    const char *name;
    const char *words; /* for usage: "ID [N]" */
    size_t words_least, words_most;
    const char *about;
    const struct option *options;   /* own ones; NULL: none */
    bool asks_server;               /* takes --url and --output too */
    const struct setting *settings; /* takes these as --name=value too; NULL: none */
    enum outcome (*run)(const struct args *a);
    const char *notes; /* more for --help and the page; NULL: nothing */
};
extern const struct command *const commands[]; /* NULL-terminated */

/* False: what is wrong is told on stderr. `--help` is an option of every command. An option that is not `repeated`, or a setting, is
 * refused a second time: which of the two was meant? */
bool args_parse(const struct command *c, int argc, char **argv, struct args *out);
void args_release(struct args *a);
/* The value of an option, or `otherwise`; of a repeated one the last. */
const char *args_text(const struct args *a, const char *name, const char *otherwise);
bool args_flag(const struct args *a, const char *name);
/* A whole number from min to max; false: told on stderr. */
bool args_number(
    const struct args *a, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out);
/* Milliseconds, from "30s" or "5m" (duration.h); false: told on stderr. */
bool args_duration(const struct args *a, const char *name, int64_t otherwise, int64_t *out);
/* --output json? False and told when it is neither table nor json. */
bool args_output(const struct args *a, bool *json);

/* MILLRACE_USER, else the name of who runs this. */
const char *args_user(void);

void help_all(void);
void help_command(const struct command *c);
void help_markdown(void);

/* One line on stderr: "millrace: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
