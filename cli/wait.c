/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: see wait.h.
 */
#include "cli/wait.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

enum { PAUSE_FIRST_MS = 10, PAUSE_MOST_MS = 500, AWAY_MOST_MS = 60000 };

void wait_pause(int ms)
{
    const struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

int wait_longer(int ms, int most)
{
    ms += ms / 2 + 1;
    return ms < most ? ms : most;
}

/* One line that is written over. */
static void show(const struct reply *r, int64_t since)
{
    const json_t *waiting = json_object_get(r->json, "waiting_for");
    const char *kind = json_string_value(json_object_get(waiting, "kind"));
    double done = json_number_value(json_object_get(r->json, "progress"));
    const char *state = r->status ? reply_text(r, "state") : "no answer";
    (void)fprintf(stderr, "\r\033[K%-10s %5.1f s", state, (double)(clock_boot_ms() - since) / 1000);
    if (done > 0)
        (void)fprintf(stderr, "  %3.0f %%", done * 100);
    if (kind)
        (void)fprintf(stderr, "  waits for: %s", kind);
    (void)fflush(stderr);
}

enum outcome wait_for_job(struct client *c, const char *id, struct reply *reply)
{
    int pause_ms = PAUSE_FIRST_MS;
    int64_t since = clock_boot_ms(), heard = since;
    bool terminal = isatty(STDERR_FILENO), final = false, gone = false;
    while (!final && !gone) {
        client_get_job(c, id, "", reply);
        if (reply_ok(reply))
            heard = clock_boot_ms();
        final = reply_ok(reply) && json_is_true(json_object_get(reply->json, "final"));
        gone = reply->status != 0 && reply->status < 500 && !reply_ok(reply);
        gone = gone || clock_boot_ms() - heard > AWAY_MOST_MS;
        if (terminal)
            show(reply, since);
        if (!final && !gone)
            wait_pause(pause_ms);
        pause_ms = wait_longer(pause_ms, PAUSE_MOST_MS);
    }
    if (terminal)
        (void)fputs("\r\033[K", stderr);
    return final ? outcome_of_state(reply_text(reply, "state")) : reply_explain(reply);
}
