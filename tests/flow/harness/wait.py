# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a limit. The only place of the tests that sleeps: between two looks."""
import time

PAUSE_S = 0.02


class TooLate(AssertionError):
    """The condition did not come true in time."""


def wait_for(condition, limit, what, pause=PAUSE_S):
    """Calls condition() until it answers something true, and returns that. After `limit` seconds: TooLate, which tells
    what was waited for and the last answer. A condition that raises AssertionError is not true yet."""
    end = time.monotonic() + limit
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except AssertionError as e:
            last = e
        if time.monotonic() >= end:
            raise TooLate(f"waited {limit} s for: {what}; last answer: {str(last)[:2000]!r}")
        time.sleep(pause)
