/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * Dangerous code and forbidden verbs: the first byte chooses language and dialect, the rest is the code. Every finding lies in it and says
 * where.
 */
#include "converter/dangers.h"
#include "converter/verbs.h"
#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct bytes code, const struct findings *f)
{
    MUST(f->count <= FINDINGS_MAX);
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *item = &f->items[i];
        MUST(item->length > 0 && item->offset + item->length <= code.len);
        MUST(item->line > 0 && item->column > 0 && item->rule.len > 0 && item->message.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes code = {size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0};
    struct bytes rules[] = {BYTES("shell"), BYTES("python"), BYTES("scala")};
    struct bytes verbs[] = {
        BYTES("drop table"), BYTES("delete"), BYTES("update without where"), BYTES("a b c")};
    struct strings rule_list = {rules, 3}, verb_list = {verbs, 4};
    struct findings found = {.count = 0};
    size_t choice = size > 0 ? data[0] : 0;
    struct arena a;

    arena_init(&a);
    if (choice % 4 == 0) {
        verbs_check(code, (enum sql_dialect)(choice / 4 % SQL_DIALECTS), &verb_list, &a, &found);
    } else {
        static const enum language languages[] = {LANGUAGE_SHELL, LANGUAGE_PYTHON, LANGUAGE_SCALA};
        dangers_check(code, languages[choice % 4 - 1], &rule_list, &a, &found);
    }
    check(code, &found);
    arena_release(&a);
    return 0;
}
