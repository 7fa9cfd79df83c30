/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas: the texts of schemas/, compiled in by core/embed.cmake. The present version of a record is at
 * "<Name>.avsc"; versions that were released before are at "released/<version>/<Name>.avsc".
 */
#ifndef MILLRACE_CORE_SCHEMAS_H
#define MILLRACE_CORE_SCHEMAS_H

#include <stddef.h>

struct schema_text {
    const char *path; /* below schemas/ */
    const unsigned char *text;
    size_t len;
};
extern const struct schema_text schema_texts[]; /* ends with path NULL */

#endif
