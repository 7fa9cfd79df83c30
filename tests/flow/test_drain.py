# SPDX-License-Identifier: Apache-2.0
"""An executor that is drained by an order: it takes nothing new, lets its jobs end, hands over the rest, and ends in order."""
import time
import uuid

import pytest

from harness.direct import order, ring
from harness.wait import wait_for

LIMIT_S = 60
HANDED_OVER_S = 5
TURN_S = 0.2


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"executor": {"MILLRACE_DRAIN": "60s"}}, "executors": 2}


@pytest.fixture
def gate(stack):
    path = stack.folder / f"gate-{uuid.uuid4().hex}"
    yield path
    path.touch()


def instance_of(stack, stage):
    return stack.db["instances"].find_one({"pid": stage.pid, "over": {"$exists": False}})["_id"]


def has_partitions(stage, said=0):
    wait_for(lambda: "event=assigned" in stage.text()[said:], LIMIT_S, f"{stage.label} has partitions")


def longest_turn(stage):
    """In seconds, rounded up to the histogram's next bucket: so long a cancel or a renewal of the lease waited for the loop."""
    counts = {name.split('le="')[1].split('"')[0]: value for name, value in stage.metrics().items()
              if name.startswith("millrace_executor_turn_seconds_bucket")}
    return min(float(le) for le, n in counts.items() if n == counts["+Inf"])


@pytest.mark.parametrize("bell", [True, False], ids=["with a bell", "without a bell"])
def test_a_drained_executor_ends_its_jobs_and_itself_and_the_other_takes_over(stack, rest, make, user, gate, bell):
    victim = stack["executor"]
    has_partitions(victim)
    has_partitions(stack["executor-2"])
    instance = instance_of(stack, victim)
    running = [rest.submit({**make(f"while [ ! -e {gate} ]; do sleep 0.05; done"), "user": f"{user}.{n}"}) for n in range(12)]
    behind = [rest.submit({**make("echo behind"), "user": f"{user}.{n}"}) for n in range(12)]
    for i in running:
        rest.wait_state(i, "running")
    mine = {r["_id"] for r in stack.db["runs"].find({"state": "running", "instance": instance})}
    assert mine, "it has some of them"
    victim.expected = False
    said = len(victim.text())
    order(stack.db, "drain", instance)
    if bell:
        ring(stack.kafka, "drain", instance=instance)
    wait_for(lambda: "event=draining" in victim.text()[said:], LIMIT_S, "it drains")
    assert victim.alive(), "it waits for its jobs"
    gate.touch()
    assert victim.process.wait(LIMIT_S) == 0
    for i in [*running, *behind]:
        job = rest.end_of(i, LIMIT_S)
        assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert stack.db["instances"].find_one({"_id": instance})["over"]
    said = len(victim.text())
    victim.start()
    has_partitions(victim, said)


def test_while_its_last_job_runs_the_other_goes_on_with_its_partitions(stack, rest, make, user, gate, capsys):
    """It leaves the consumer group when it drains, not when it ends: else its groups would stand still for the whole drain."""
    victim = stack["executor"]
    instance = instance_of(stack, victim)
    other = instance_of(stack, stack["executor-2"])
    has_partitions(victim)
    running = [rest.submit({**make(f"while [ ! -e {gate} ]; do sleep 0.05; done"), "user": f"{user}.{n}"}) for n in range(12)]
    for i in running:
        rest.wait_state(i, "running")
    mine = {r["_id"] for r in stack.db["runs"].find({"state": "running", "instance": instance})}
    assert mine, "it has some of them"
    victim.expected = False
    said = len(victim.text())
    order(stack.db, "drain", instance)
    ring(stack.kafka, "drain", instance=instance)
    wait_for(lambda: "event=draining" in victim.text()[said:], LIMIT_S, "it drains")
    began = time.monotonic()
    fresh = [rest.submit({**make("echo fresh"), "user": f"{user}.fresh.{n}"}) for n in range(24)]
    behind = [rest.submit({**make("echo behind"), "user": f"{user}.{n}"}) for n in range(12)]
    for i in fresh:
        assert rest.end_of(i, LIMIT_S)["state"] == "succeeded"
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\nother groups went on within {took:.1f} s of the drain (bound {HANDED_OVER_S} s)")
    assert took <= 5 * HANDED_OVER_S
    turns = [longest_turn(s) for s in (victim, stack["executor-2"])]
    with capsys.disabled():
        print(f"longest turns of the loops while partitions came and went: {turns} s (bound {TURN_S} s)")
    assert max(turns) <= 5 * TURN_S + 0.1
    assert victim.alive(), "its own jobs still run"
    assert "event=revoked" in victim.text()[said:]
    assert set(stack.db["runs"].distinct("instance", {"_id": {"$in": fresh}})) == {other}
    assert {stack.db["runs"].find_one({"_id": i})["state"] for i in running} == {"running"}
    gate.touch()
    assert victim.process.wait(LIMIT_S) == 0
    for i in [*running, *behind]:
        job = rest.end_of(i, LIMIT_S)
        assert (job["state"], job["attempt"]) == ("succeeded", 1)
    said = len(victim.text())
    victim.start()
    has_partitions(victim, said)
