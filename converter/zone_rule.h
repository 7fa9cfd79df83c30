/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone_rule: the rule at the end of a zone's file, such as CET-1CEST,M3.5.0,M10.5.0/3 (POSIX TZ, with the extensions of RFC 9636):
 * what counts after the last change that the file lists.
 */
#ifndef MILLRACE_CONVERTER_ZONE_RULE_H
#define MILLRACE_CONVERTER_ZONE_RULE_H

#include "converter/zones.h"

/* Sets the rule of z; false: the text is none. */
bool zone_rule_read(struct bytes text, struct zone *z);
int32_t zone_rule_offset(const struct zone *z, int64_t utc);

#endif
