/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_world: see convert_world.h.
 */
#include "converter/convert_world.h"

bool convert_world_open(struct convert_world *w, const struct convert_settings *s, struct error *e)
{
    *w = (struct convert_world){.engines = engine_list_open(s->engines_dir, e)};
    if (w->engines == NULL)
        return false;
    w->zones = zones_open(s->zoneinfo_dir, e);
    if (w->zones == NULL || zones_find(w->zones, bytes_of(s->timezone)) == NULL) {
        if (w->zones != NULL)
            error_set(
                e, "bad_setting", "timezone=%s: there is no such zone in %s", s->timezone, s->zoneinfo_dir);
        convert_world_release(w);
        return false;
    }
    w->rules = (struct convert_rules){.engines = w->engines,
        .submission_max_bytes = s->submission_max_bytes,
        .derived_max_bytes = s->derived_max_bytes,
        .zones = w->zones,
        .timezone = s->timezone,
        .limits = s->limits,
        .most = s->most,
        .retry = {.max_attempts = 1,
            .backoff_ms = s->backoff_ms,
            .max_backoff_ms = s->max_backoff_ms,
            .on_lost = ON_LOST_RETRY}};
    return true;
}

void convert_world_release(struct convert_world *w)
{
    engine_list_close(w->engines);
    zones_close(w->zones);
    *w = (struct convert_world){.engines = NULL};
}
