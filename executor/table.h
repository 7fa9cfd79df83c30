/* SPDX-License-Identifier: Apache-2.0 */
/* table: uthash, which ends the process when memory is out, as everything else here does. */
#ifndef MILLRACE_EXECUTOR_TABLE_H
#define MILLRACE_EXECUTOR_TABLE_H

#include "core/log.h"

#define uthash_fatal(message) log_fatal("out_of_memory", "what=table error=%s", log_quote(BYTES(message)))
#include <uthash.h>

#endif
