/* SPDX-License-Identifier: Apache-2.0 */
/*
 * servers: see servers.h.
 */
#include "cli/servers.h"

const struct setting servers_settings[] = {
    BUS_SETTINGS(struct servers, bus),
    STORE_SETTINGS(struct servers, store),
    {"pools", SETTING_TEXT, offsetof(struct servers, pools), "default", 1, 1024,
        "names of pools, with commas between"},
    {"partitions", SETTING_INT, offsetof(struct servers, partitions), "12", 1, 10000,
        "of each topic, when it is created; never changed afterwards"},
    {"replication", SETTING_INT, offsetof(struct servers, replication), "1", 1, 15,
        "copies of each partition"},
    {"patience", SETTING_MS, offsetof(struct servers, patience_ms), "30s", 100, 600000,
        "wait for Kafka and MongoDB to answer"},
    SETTING_END,
};

bool servers_load(const struct args *a, struct servers *out)
{
    const struct setting *const tables[] = {servers_settings, NULL};
    struct error e;
    error_clear(&e);
    *out = (struct servers){.partitions = 0};
    /* config_load takes argv as main gets it and changes nothing in it. */
    if (config_load(tables, out, "millrace", a->command->about, (int)a->setting_count,
            (char **)(uintptr_t)a->settings, &e) == CONFIG_RUN)
        return true;
    complain("%s", e.text);
    return false;
}

void servers_explain_kafka(const struct servers *s, const char *why)
{
    complain(
        "Kafka at %s: %s (--kafka.brokers or MILLRACE_KAFKA_BROKERS tells where it is)", s->bus.brokers, why);
}
