/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_client: what producer, consumer and the topics' admin share: librdkafka's settings and log, names with
 * the prefix, and how waiting for Kafka is told. Private to the library bus.
 */
#ifndef MILLRACE_CORE_BUS_CLIENT_H
#define MILLRACE_CORE_BUS_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "core/bus.h"

struct bus_property {
    const char *name, *value;
};

/* Addresses, client id, the common properties, `own` (ends with name NULL), then the user's kafka.* (last
 * word). NULL: e says which property librdkafka refuses. The conf is the caller's until rd_kafka_new takes
 * it. */
rd_kafka_conf_t *bus_conf(
    const struct bus_settings *s, const char *client_id, const struct bus_property *own, struct error *e);
/* What the user set kafka.<name> to, or NULL. */
const char *bus_user_property(const struct bus_settings *s, const char *name);
/* rd_kafka_new that frees the conf on failure. */
rd_kafka_t *bus_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *e);

/* prefix + name, malloc'ed. */
char *bus_full_name(const char *prefix, const char *name);
/* malloc'ed copy; running out of memory ends the process. */
char *bus_copy(const char *text);
void *bus_alloc(size_t count, size_t size); /* zeroed */

/* "waiting for kafka" at most once every 5 s: `*said_ms` holds when it was last said (0: never). */
void bus_say_waiting(int64_t *said_ms, const char *event, const char *detail);
void bus_say_every(int64_t *said_ms, int64_t every_ms, const char *event, const char *detail);
/* Between two questions at start or in an outage. */
void bus_pause_ms(int64_t ms);
/* Partitions of the topic when it exists and all of them have a leader, else 0. */
int32_t bus_ready_partitions(const struct rd_kafka_metadata *md, const char *full);
/* Ends the process when librdkafka reports a fatal error. */
void bus_check_fatal(rd_kafka_t *rk);

#endif
