/* SPDX-License-Identifier: Apache-2.0 */
/*
 * language: see language.h.
 */
#include "converter/language.h"

#include <string.h>

static const struct {
    const char *code_type;
    enum language language;
    enum sql_dialect dialect;
} code_types[] = {
    {"sql", LANGUAGE_SQL, SQL_ANSI},
    {"jdbc", LANGUAGE_SQL, SQL_ANSI},
    {"fql", LANGUAGE_SQL, SQL_ANSI},
    {"hql", LANGUAGE_SQL, SQL_SPARK},
    {"hive", LANGUAGE_SQL, SQL_SPARK},
    {"aisql", LANGUAGE_SQL, SQL_SPARK},
    {"psql", LANGUAGE_SQL, SQL_ANSI}, /* Presto's */
    {"tsql", LANGUAGE_SQL, SQL_ANSI}, /* Trino's */
    {"starrocks", LANGUAGE_SQL, SQL_MYSQL},
    {"sh", LANGUAGE_SHELL, SQL_ANSI},
    {"shell", LANGUAGE_SHELL, SQL_ANSI},
    {"bash", LANGUAGE_SHELL, SQL_ANSI},
    {"python", LANGUAGE_PYTHON, SQL_ANSI},
    {"python3", LANGUAGE_PYTHON, SQL_ANSI},
    {"py", LANGUAGE_PYTHON, SQL_ANSI},
    {"py3", LANGUAGE_PYTHON, SQL_ANSI},
    {"pyspark", LANGUAGE_PYTHON, SQL_ANSI},
    {"scala", LANGUAGE_SCALA, SQL_ANSI},
    {"java", LANGUAGE_SCALA, SQL_ANSI},
};

static const struct {
    const char *engine;
    enum sql_dialect dialect;
} engines[] = {
    {"sqlite", SQL_SQLITE},
    {"postgres", SQL_POSTGRES},
    {"postgresql", SQL_POSTGRES},
    {"greenplum", SQL_POSTGRES},
    {"mysql", SQL_MYSQL},
    {"mariadb", SQL_MYSQL},
    {"starrocks", SQL_MYSQL},
    {"doris", SQL_MYSQL},
    {"duckdb", SQL_DUCKDB},
    {"spark", SQL_SPARK},
    {"sparksql", SQL_SPARK},
    {"databricks", SQL_SPARK},
    {"hive", SQL_SPARK},
    {"sqlserver", SQL_TSQL},
    {"mssql", SQL_TSQL},
    {"trino", SQL_ANSI},
    {"oracle", SQL_ANSI},
    {"db2", SQL_ANSI},
    {"h2", SQL_ANSI},
};

/* How comments look; NULL: there are none of this kind. */
static const struct {
    const char *line, *open, *close;
} comments[LANGUAGES] = {
    [LANGUAGE_SQL] = {"--", "/*", "*/"},
    [LANGUAGE_SHELL] = {"#", NULL, NULL},
    [LANGUAGE_PYTHON] = {"#", NULL, NULL},
    [LANGUAGE_SCALA] = {"//", "/*", "*/"},
};

enum language language_of(struct bytes code_type)
{
    for (size_t i = 0; i < sizeof(code_types) / sizeof(code_types[0]); i++) {
        if (bytes_equal_text(code_type, code_types[i].code_type))
            return code_types[i].language;
    }
    return LANGUAGE_OTHER;
}

enum sql_dialect language_dialect(struct bytes engine, struct bytes code_type, bool *known)
{
    *known = true;
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (bytes_equal_text(engine, engines[i].engine))
            return engines[i].dialect;
    }
    for (size_t i = 0; i < sizeof(code_types) / sizeof(code_types[0]); i++) {
        if (bytes_equal_text(code_type, code_types[i].code_type) && code_types[i].dialect != SQL_ANSI)
            return code_types[i].dialect;
    }
    *known = false;
    return SQL_ANSI;
}

static struct bytes after(struct bytes b, const char *what)
{
    const char *found = NULL;
    size_t len = strlen(what);

    for (size_t at = 0; at + len <= b.len; at++) {
        const char *first = memchr(b.data + at, what[0], b.len - at - len + 1);
        if (first == NULL)
            break;
        at = (size_t)(first - b.data);
        if (memcmp(first, what, len) == 0) {
            found = first;
            break;
        }
    }
    return found != NULL ? bytes_slice(b, (size_t)(found - b.data) + len, b.len) : bytes_slice(b, b.len, 0);
}

bool language_has_code(enum language l, struct bytes code)
{
    const char *line = comments[l].line;
    const char *open = comments[l].open;

    for (;;) {
        code = bytes_trim(code);
        if (line != NULL && bytes_starts_with(code, line))
            code = after(code, "\n");
        else if (open != NULL && bytes_starts_with(code, open))
            code = after(bytes_slice(code, strlen(open), code.len), comments[l].close);
        else
            return code.len > 0;
    }
}
