/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_leave: says LeaveGroup for a member of a consumer group that can't say it any more.
 *
 * A process that dies by kill -9 says nothing, so its group waits until its session is over, and its partitions with it. Who
 * knows that the process is dead may speak in its place, and the group goes on at once. Only the holder of the dead one's
 * lock file knows (executor/lock.h). Said of a living member it would give that one's partitions away while it works: never
 * on a guess, never because something looks dead.
 *
 * librdkafka says it for its own member only, so this is a small client of Kafka's protocol: two requests over plain TCP, each
 * on a connection of its own, FindCoordinator version 1 and LeaveGroup version 1. These forms are taken by brokers from 0.11
 * to 4.x and have no tagged fields. Source of all bytes: "Kafka protocol guide", https://kafka.apache.org/protocol (primitive types; request
 * header v1, response header v0; the messages' tables). It is for members of the classic protocol without a group.instance.id,
 * as core/consumer.c makes them. With TLS or SASL it is not possible: then the session's time rules.
 */
#ifndef MILLRACE_CORE_BUS_LEAVE_H
#define MILLRACE_CORE_BUS_LEAVE_H

#include "core/bus.h"

/* Plain text to the brokers, and the classic protocol? False: e says why not. */
bool bus_leave_possible(const struct bus_settings *s, struct error *e);
/* Blocks up to timeout_ms (and as long as the resolver takes for a broker's name). `group` is without prefix. True: the
 * group's coordinator has no such member any more, or never had. False: e says why; the session's time rules. */
bool bus_leave(
    const struct bus_settings *s, const char *group, const char *member, int timeout_ms, struct error *e);

/* ---- the bytes; for bus_leave.c and its tests ---- */
enum { BUS_LEAVE_ANSWER_MAX = 65536 };
struct bus_coordinator {
    int error_code; /* Kafka's; 0: the rest is valid */
    int port;
    char host[256];
};
/* A whole request, with its size in front. */
void bus_leave_ask_coordinator(struct buf *out, int32_t correlation, const char *full_group);
void bus_leave_say(struct buf *out, int32_t correlation, const char *full_group, const char *member);
/* `answer` is what follows the size. False: it is no such answer; e (bad_answer) says why. */
bool bus_leave_read_coordinator(
    struct bytes answer, int32_t correlation, struct bus_coordinator *out, struct error *e);
bool bus_leave_read_said(struct bytes answer, int32_t correlation, int *error_code, struct error *e);

#endif
