/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-tool: the reference page of what the planner does to a plan, from the table of its passes.
 *     plan-tool markdown
 */
#include <stdio.h>
#include <string.h>

#include "planner/passes.h"

int main(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "markdown") != 0) {
        fprintf(stderr, "usage: plan-tool markdown\n");
        return 2;
    }
    printf("# Passes\n\nMade by docs/make-reference.sh from the table of the planner; do not edit. What a "
           "plan is: [plans.md](../plans.md).\n\n"
           "Each looks at the plan as the one before left it.\n\n| pass | what it does |\n|---|---|\n");
    for (size_t i = 0; plan_pass_at(i) != NULL; i++)
        printf("| `%s` | %s |\n", plan_pass_at(i)->name, plan_pass_at(i)->help);
    return 0;
}
