/* SPDX-License-Identifier: Apache-2.0 */
/*
 * servers: the settings of the commands that talk to Kafka and MongoDB themselves.
 */
#ifndef MILLRACE_CLI_SERVERS_H
#define MILLRACE_CLI_SERVERS_H

#include "cli/command.h"
#include "core/bus.h"
#include "core/store.h"

struct servers {
    struct bus_settings bus;
    struct store_settings store;
    const char *pools;
    int64_t partitions, replication;
    int64_t patience_ms;
};
extern const struct setting servers_settings[];

/* From defaults, config file, environment and the command's arguments. False: told on stderr. */
bool servers_load(const struct args *a, struct servers *out);

/* What is wrong with Kafka, where it was looked for, and what tells where it is. */
void servers_explain_kafka(const struct servers *s, const char *why);

#endif
