# SPDX-License-Identifier: Apache-2.0
"""Kafka is away while jobs write more log than may wait: the executor's loop goes on turning, no process ends, no text is lost."""
import random
import time

import pytest

from harness.direct import converted, submit_converted
from harness.wait import wait_for

STEP_LIMIT_S = 2
JOBS = 3
LINES = 150_000
LINE = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 01"  # 79 characters
LOG_BYTES = LINES * (len(LINE) + 1)


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"executor": {"MILLRACE_STEP_LIMIT": f"{STEP_LIMIT_S}s"}}}


def test_logs_wait_and_the_executor_lives(stack, servers, user):
    executor = stack["executor"]
    pid = executor.pid
    go = stack.folder / f"go-{random.randrange(10**6)}"
    code = f"while [ ! -e {go} ]; do sleep 0.05; done; yes '{LINE}' | head -n {LINES}"
    limits = {"max_log_bytes": 10**9, "run_timeout_ms": 600_000}
    ids = [submit_converted(stack.kafka, converted(f"{user}.{n}", code, limits=limits)) for n in range(JOBS)]
    for i in ids:
        wait_for(lambda i=i: stack.db["runs"].find_one({"_id": i, "state": "running"}), 30, "all run")
    servers.kill("kafka")
    go.touch()
    wait_for(lambda: executor.probe("/readyz") == 503, 30, "the executor knows")
    sent = wait_for(lambda: executor.metrics()["millrace_executor_log_bytes_total"] > 16 * 1024 * 1024 / 2, 60, "logs gather")
    assert sent
    # Longer than a loop may stand still: it would be ended by its watchdog.
    end = time.monotonic() + 3 * STEP_LIMIT_S
    wait_for(lambda: executor.probe("/healthz") == 200 and time.monotonic() > end, 60, "it is well all the time", 0.1)
    assert executor.metrics()["millrace_executor_log_bytes_total"] < JOBS * LOG_BYTES, "not all of it may wait in memory"
    print(f"resident: {executor.rss_kb()} KB")
    servers.start("kafka")
    for i in ids:
        assert stack.rest.end_of(i, 120)["state"] == "succeeded"
        log = stack.rest.job(i)["log"]
        assert (log["bytes"], log["lines"]) == (LOG_BYTES, LINES)
        assert stack.db["runs"].find_one({"_id": i})["attempt"] == 1
    assert executor.pid == pid and executor.alive()
