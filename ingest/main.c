/* SPDX-License-Identifier: Apache-2.0 */
/*
 * millrace-ingest: takes submissions by REST, keeps them, hands them to Kafka; answers questions about jobs
 * from the documents. Start reading at post.c (a submission comes in) and intake.c (how it becomes durable).
 */
#include "ingest/ingest.h"

static const char *const outputs[] = {"jobs.submitted", "jobs.control", NULL};

static const struct stage ingest = {
    .name = "ingest",
    .about = "takes jobs by REST, and answers questions about them",
    .settings = ingest_settings_table,
    .settings_size = sizeof(struct ingest_settings),
    .outputs = outputs,
    .uses_store = true,
    .routes = ingest_routes,
    .open = ingest_open,
    .close = ingest_close,
    .run = ingest_run,
};

int main(int argc, char **argv)
{
    return stage_main(&ingest, argc, argv);
}
