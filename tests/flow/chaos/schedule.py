# SPDX-License-Identifier: Apache-2.0
"""The schedule: from a seed, what is done to whom and when. Pure, so a seed gives the same schedule again; what the
processes make of it differs from run to run.

Three hands work at the same time, each on targets of its own: executors, the other stages, servers. Each hand deals its
actions from a shuffled pack: so every kind comes before any comes again."""
import collections
import random

# Seconds. With the lease of test_chaos.py (held 4 s, watched 6 s) and a session of 6 s: a nap that nobody notices, and one
# that outlasts everything.
SHORT_NAP = (0.3, 2.5)
LONG_NAP = (7.0, 10.0)
AT_ONCE = (0.0, 0.0)
LATER = (0.5, 9.0)
SOON = (0.2, 4.0)

Step = collections.namedtuple("Step", "at hand action target seconds")

# hand -> (least and most seconds between two steps, [(action, range of its seconds)])
EXECUTOR_PACK = [("kill", AT_ONCE), ("kill", LATER), ("kill", LATER), ("kill_guard", SOON), ("kill_with_guard", SOON),
                 ("freeze", SHORT_NAP), ("freeze", LONG_NAP), ("roll", AT_ONCE)]
STAGE_PACK = [("kill", AT_ONCE), ("kill", AT_ONCE), ("kill", LATER), ("kill", LATER), ("kill_all", SOON), ("freeze", SHORT_NAP),
              ("freeze", LONG_NAP), ("roll", AT_ONCE)]
SERVER_PACK = [("kill_server", AT_ONCE), ("kill_server", SOON), ("restart_server", AT_ONCE)]
HANDS = {"executors": ((3, 9), EXECUTOR_PACK), "stages": ((2, 7), STAGE_PACK), "servers": ((9, 20), SERVER_PACK)}
WHOLE_STAGE = {"roll", "kill_all"}


def pack(rng, items):
    """For ever: all of them shuffled, and again."""
    while True:
        dealt = list(items)
        rng.shuffle(dealt)
        yield from dealt


def hand_steps(rng, hand, seconds, targets, stage_of):
    gap, actions = HANDS[hand]
    whom, what = pack(rng, targets), pack(rng, actions)
    at = rng.uniform(2, gap[1])
    while at < seconds:
        (action, span), target = next(what), next(whom)
        if action in WHOLE_STAGE:
            target = stage_of[target]
        yield Step(round(at, 1), hand, action, target, round(rng.uniform(*span), 1))
        at += rng.uniform(*gap)


def make(seed, seconds, stage_of, servers):
    """Steps in the order of their time. `stage_of`: label -> name of the stage."""
    executors = [label for label, stage in stage_of.items() if stage == "executor"]
    others = [label for label in stage_of if label not in executors]
    steps = []
    for hand, targets in (("executors", executors), ("stages", others), ("servers", list(servers))):
        steps += hand_steps(random.Random(f"{seed}/{hand}"), hand, seconds, targets, stage_of)
    return sorted(steps)


def text(steps):
    return "\n".join(f"{s.at:7.1f} s  {s.action:16} {s.target:12} {s.seconds:4.1f} s" for s in steps)
