# SPDX-License-Identifier: Apache-2.0
"""Slots of one engine, and limits on how many jobs run at once: of a group, of a creator's groups together. The limits' documents are
written by the test; executors read them again every two seconds."""
import datetime
import subprocess
import uuid

import pytest

from harness import settings
from harness.wait import wait_for

SHELLS = 3
LIMIT_S = 40


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"executor": {"MILLRACE_SLOTS": "8", "MILLRACE_ENGINE_SLOTS": f"shell={SHELLS}"}}}


@pytest.fixture
def gate(stack):
    path = stack.folder / f"gate-{uuid.uuid4().hex}"
    yield path
    path.touch()


@pytest.fixture
def limit(stack):
    """limit(selector, max_running=2); gone at the end of the test."""
    written = []

    def write(selector, **fields):
        written.append(selector)
        stack.db["limits"].insert_one({"_id": selector, "by": "ann", "at": datetime.datetime.now(datetime.timezone.utc), **fields})

    yield write
    for selector in written:
        stack.db["limits"].delete_one({"_id": selector})


def waits_for(gate):
    return f"while [ ! -e {gate} ]; do sleep 0.05; done"


def running(stack, ids):
    return stack.db["runs"].count_documents({"_id": {"$in": ids}, "state": "running"})


def run_at_once(stack, ids, count):
    """So many, and the others stay queued while other jobs come and go."""
    wait_for(lambda: running(stack, ids) == count, LIMIT_S, f"{count} run")
    wait_for(lambda: stack.db["runs"].count_documents({"_id": {"$in": ids}}) == len(ids), LIMIT_S, "all are in the ledger")
    for n in range(3):
        done = stack.rest.run({"creator": "others", "user": f"u{n}", "engine": "noop", "code": "x"})
        assert done["state"] == "succeeded"
        assert running(stack, ids) == count


def all_succeed(stack, ids):
    assert {stack.rest.end_of(i)["state"] for i in ids} == {"succeeded"}


def test_an_engine_has_its_own_slots_and_others_run_meanwhile(stack, rest, make, user, gate):
    ids = [rest.submit({**make(waits_for(gate)), "user": f"{user}.{n}"}) for n in range(SHELLS + 2)]
    run_at_once(stack, ids, SHELLS)
    gate.touch()
    all_succeed(stack, ids)


def test_a_group_may_run_several_at_once(stack, rest, make, user, gate, limit):
    limit(f"flow/{user}", max_running=2)
    ids = [rest.submit(make(waits_for(gate))) for _ in range(4)]
    run_at_once(stack, ids, 2)
    gate.touch()
    all_succeed(stack, ids)


def test_a_creators_groups_share_a_limit(stack, rest, user, gate, limit):
    creator = f"c{uuid.uuid4().hex[:8]}"
    limit(f"{creator}/*", max_running=2)
    # Read within two seconds: shown by a job that the limit lets through, and by who has its place.
    probe = {"creator": creator, "user": "probe", "engine": "noop", "code": "x"}
    wait_for(lambda: rest.run(probe) and stack.db["holders"].find_one({"_id": f"{creator}/*"}), LIMIT_S, "the limit is known")
    ids = [rest.submit({"creator": creator, "user": f"u{n}", "engine": "shell", "code": waits_for(gate)}) for n in range(4)]
    run_at_once(stack, ids, 2)
    gate.touch()
    all_succeed(stack, ids)
    wait_for(lambda: not stack.db["holders"].find_one({"_id": f"{creator}/*"})["items"], LIMIT_S, "all places are given up")


def test_a_failed_job_holds_its_group_where_a_limit_says_so(stack, rest, make, user, limit):
    limit(f"flow/{user}", on_failure="hold")

    def held():
        rest.run(make("exit 1"))
        return stack.db["cancels"].find_one({"_id": f"hold:flow/{user}"})

    assert wait_for(held, LIMIT_S, "the limit is known")["group"] == f"flow/{user}"
    behind = rest.submit(make("echo behind"))
    wait_for(lambda: stack.db["runs"].find_one({"_id": behind}), LIMIT_S, "it is in the ledger")
    for n in range(3):
        assert rest.run({"creator": "others", "user": f"h{n}", "engine": "noop", "code": "x"})["state"] == "succeeded"
    assert stack.db["runs"].find_one({"_id": behind})["state"] == "queued"
    stack.db["cancels"].delete_one({"_id": f"hold:flow/{user}"})
    assert rest.end_of(behind)["state"] == "succeeded"


def test_bad_engine_slots_are_refused_at_the_start(stack):
    done = subprocess.run([settings.BIN / "millrace-executor", "--engine.slots=shell=none"], env=stack["executor"].env, text=True,
                          capture_output=True, timeout=20)
    assert done.returncode == 2
    assert "engine.slots" in done.stderr
