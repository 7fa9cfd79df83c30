# SPDX-License-Identifier: Apache-2.0
"""Slots of one engine, and limits on how many jobs run at once: of a group, of a creator's groups together. The limits' documents are
written by the test; executors read them again every two seconds."""
import datetime
import resource
import subprocess
import uuid

import pytest

from harness import settings
from harness.direct import converted, inner, leaf, planned_tree, submit_converted, submit_planned
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


def shells_at_once(user, effects, gate):
    """A job of four shell nodes that run at once, each with a line when it begins and one when it ends."""
    code = f"echo + >> {effects}; {waits_for(gate)}; echo - >> {effects}"
    return planned_tree(user, inner("n1", "all", *(leaf(f"n{n}", code) for n in range(2, 6))))


def test_nodes_of_one_job_do_not_take_more_slots_of_an_engine_than_it_has(stack, rest, user, gate):
    effects = stack.folder / f"effects-{uuid.uuid4().hex}"
    ids = [submit_planned(stack.kafka, shells_at_once(f"{user}.{n}", effects, gate)) for n in range(2)]
    wait_for(lambda: effects.exists() and effects.read_text().count("+") >= SHELLS, LIMIT_S, "as many run as may")
    for n in range(3):
        assert rest.run({"creator": "others", "user": f"n{n}", "engine": "noop", "code": "x"})["state"] == "succeeded"
    gate.touch()
    all_succeed(stack, ids)
    signs = effects.read_text().split()
    assert signs.count("+") == signs.count("-") == 8
    assert max(signs[:n].count("+") - signs[:n].count("-") for n in range(1, 17)) == SHELLS


def test_a_node_that_waits_for_a_slot_can_be_cancelled_and_runs_into_its_time_limit(stack, rest, user, gate):
    effects = stack.folder / f"effects-{uuid.uuid4().hex}"
    first = submit_planned(stack.kafka, shells_at_once(user, effects, gate))
    wait_for(lambda: effects.exists() and effects.read_text().count("+") == SHELLS, LIMIT_S, "its nodes have all slots")
    behind = inner("n1", "sequence", leaf("n2", "x", "noop"), leaf("n3", f"echo never >> {effects}"))
    cancelled = submit_planned(stack.kafka, planned_tree(f"{user}.c", behind))
    late = submit_planned(stack.kafka, planned_tree(f"{user}.l", behind, limits={"run_timeout_ms": 500}))
    assert rest.end_of(late)["error"]["code"] == "run_timeout"
    wait_for(lambda: "n2" in (stack.db["runs"].find_one({"_id": cancelled}) or {}).get("nodes", {}), LIMIT_S, "its first node is over")
    rest.cancel(cancelled)
    assert rest.end_of(cancelled)["state"] == "cancelled"
    gate.touch()
    all_succeed(stack, [first])
    assert "never" not in effects.read_text()


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


@pytest.mark.parametrize("holders", [{}, {"items": []}, {"rev": "7", "items": "none"}, {"rev": 0, "items": [{"job": 1}, 2]}],
                         ids=["empty", "no rev", "texts", "zero"])
def test_holders_that_somebody_wrote_by_hand_stop_nobody(stack, rest, limit, holders):
    creator = f"c{uuid.uuid4().hex[:8]}"
    stack.db["holders"].insert_one({"_id": f"{creator}/*", **holders})
    limit(f"{creator}/*", max_running=1)

    def has_counted():
        assert rest.run({"creator": creator, "user": "u", "engine": "noop", "code": "x"})["state"] == "succeeded"
        return stack.db["holders"].find_one({"_id": f"{creator}/*", "rev": {"$gte": 2}, "items": []})

    wait_for(has_counted, LIMIT_S, "places are taken and given up")


def test_a_failed_job_holds_its_group_where_a_limit_says_so(stack, rest, make, user, limit):
    limit(f"flow/{user}", on_failure="hold")

    failed = []

    def held():
        failed.append(rest.run(make("exit 1"))["job_id"])
        return stack.db["cancels"].find_one({"_id": f"hold:flow/{user}"})

    hold = wait_for(held, LIMIT_S, "the limit is known")
    assert hold["group"] == f"flow/{user}"
    assert hold["reason"] == f"job {failed[-1]} failed: exit_code (limit on_failure: hold)"
    behind = rest.submit(make("echo behind"))
    wait_for(lambda: stack.db["runs"].find_one({"_id": behind}), LIMIT_S, "it is in the ledger")
    for n in range(3):
        assert rest.run({"creator": "others", "user": f"h{n}", "engine": "noop", "code": "x"})["state"] == "succeeded"
    assert stack.db["runs"].find_one({"_id": behind})["state"] == "queued"
    assert failed[-1] in rest.job(behind)["waiting_for"]["reason"]
    stack.db["cancels"].delete_one({"_id": f"hold:flow/{user}"})
    assert rest.end_of(behind)["state"] == "succeeded"


def test_a_job_by_kafka_for_a_target_that_its_engine_does_not_have_fails_and_says_so(stack, rest, user):
    job = rest.end_of(submit_converted(stack.kafka, converted(user, "echo x", target="warehouse")))
    assert (job["state"], job["error"]["code"]) == ("failed", "unknown_target"), job
    assert "engine 'shell' has no target 'warehouse'; known: none" in job["error"]["message"]


def test_bad_engine_slots_are_refused_at_the_start(stack):
    done = subprocess.run([settings.BIN / "millrace-executor", "--engine.slots=shell=none"], env=stack["executor"].env, text=True,
                          capture_output=True, timeout=20)
    assert done.returncode == 2
    assert "engine.slots" in done.stderr


# ---- descriptors: each engine process needs some ----

def start_with_descriptors(stack, soft, hard):
    """An executor that ends at once: its engines' folder is not there. What it says before that counts."""
    def scarce():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    done = subprocess.run([settings.BIN / "millrace-executor", "--engine.processes=100", "--engines.dir=/nowhere",
                           f"--state.dir={stack.folder}/scarce"],
                          env=stack["executor"].env, text=True, capture_output=True, timeout=20, preexec_fn=scarce)
    assert done.returncode != 0
    return done.stderr


def test_too_few_descriptors_are_refused_at_the_start_and_tell_how_many(stack):
    told = start_with_descriptors(stack, 128, 128)
    assert "too_few_descriptors" in told and "engine.processes=100" in told and "128" in told


def test_the_soft_limit_of_descriptors_is_raised(stack):
    told = start_with_descriptors(stack, 128, 4096)
    assert "/nowhere" in told and "descriptors" not in told
