/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules-tool: the reference page of what the converter checks, from its tables: checks, rules for code, labels that stand for fields.
 *     rules-tool markdown
 */
#include <stdio.h>
#include <string.h>

#include "converter/checks.h"
#include "converter/creator_rules.h"
#include "converter/dangers.h"
#include "converter/synonyms.h"
#include "converter/verbs.h"

static void print_codes(const char *codes)
{
    for (const char *at = codes; *at != '\0';) {
        size_t len = strcspn(at, ",");
        printf("%s`%.*s`", at > codes ? ", " : "", (int)len, at);
        at += len;
        at += strspn(at, ", ");
    }
}

static void print_checks(void)
{
    printf("# Checks\n\nMade by docs/make-reference.sh from the tables of the converter; do not edit. How "
           "they are used: "
           "[code.md](../code.md).\n\n"
           "Those without a switch are always on. The others are switched on, for a creator or a user, by a "
           "field of the "
           "[limits](../rest.md) documents.\n\n"
           "| a job is refused unless | codes of the error | switch |\n|---|---|---|\n");
    for (size_t i = 0; check_at(i) != NULL; i++) {
        const struct check *c = check_at(i);
        printf("| %s | ", c->what);
        print_codes(c->codes);
        printf(" | %s%s%s |\n", c->switched_by != NULL ? "`" : "",
            c->switched_by != NULL ? c->switched_by : "", c->switched_by != NULL ? "`" : "");
    }
    printf("\n## Fields\n\nWhat `required` and `allowed` may name: ");
    for (size_t i = 0; creator_rules_field(i) != NULL; i++)
        printf("%s`%s`", i > 0 ? ", " : "", creator_rules_field(i));
    printf("; of variables, conf, labels and source also one entry, such as `labels.project`.\n");
}

static void print_verbs(void)
{
    printf("\n## Verbs of SQL\n\nWhat a phrase of `forbidden_sql` may begin with: ");
    for (size_t i = 0; verb_at(i) != NULL; i++)
        printf("%s`%s`", i > 0 ? ", " : "", verb_at(i));
    printf(".\n");
}

static void print_subject(const struct danger_rule *r)
{
    static const char *const kinds[] = {[DANGER_COMMAND] = "",
        [DANGER_PYTHON_IMPORT] = "import ",
        [DANGER_PYTHON_NAME] = "",
        [DANGER_SCALA_NAME] = ""};

    printf("`%s%s", kinds[r->kind], r->what);
    if (r->letters != NULL)
        printf(" -%c", r->letters[0]);
    if (r->argument != NULL)
        printf(" %s...", r->argument);
    if (r->top_folder)
        printf(" /");
    printf("`");
}

static void print_dangers(void)
{
    printf("\n## Rules for code\n\nWhat `forbidden_code` may name: a rule, or all of a language (`shell`, "
           "`python`, `scala`). A guard "
           "against accidents, no sandbox.\n\n| rule | finds | why, and what to do |\n|---|---|---|\n");
    for (const struct danger_rule *r = danger_rules; r->name != NULL;) {
        const struct danger_rule *first = r;
        printf("| `%s` | ", r->name);
        for (; r->name != NULL && strcmp(r->name, first->name) == 0 && strcmp(r->why, first->why) == 0; r++) {
            printf("%s", r > first ? ", " : "");
            print_subject(r);
        }
        printf(" | %s |\n", first->why);
    }
}

static void print_synonyms(void)
{
    printf("\n## Labels that stand for fields\n\nA label fills in its field where the job does not give it; "
           "where the job does, "
           "both must agree (`bad_value`). All other labels mean nothing to the converter.\n\n"
           "| label | field | value | example |\n|---|---|---|---|\n");
    for (size_t i = 0; synonym_at(i) != NULL; i++) {
        const struct synonym *s = synonym_at(i);
        printf("| `%s` | `%s` | %s | `%s` |\n", s->label, s->field, s->meaning, s->example);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "markdown") != 0) {
        fprintf(stderr, "usage: rules-tool markdown\n");
        return 2;
    }
    print_checks();
    print_verbs();
    print_dangers();
    print_synonyms();
    return 0;
}
