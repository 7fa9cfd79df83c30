# SPDX-License-Identifier: Apache-2.0
"""Groups that are held and released, and whole groups that are cancelled. The orders and the doorbells are the test's own."""
import uuid

import pytest

from harness.direct import order, ring
from harness.wait import wait_for


@pytest.fixture
def gate(stack):
    path = stack.folder / f"gate-{uuid.uuid4().hex}"
    yield path
    path.touch()


def waiting_code(gate):
    return f"while [ ! -e {gate} ]; do sleep 0.05; done"


def hold(stack, group, bell=True):
    key = order(stack.db, "hold", group)
    if bell:
        ring(stack.kafka, "hold", group=group)
    return key


def release(stack, group, bell=True):
    stack.db["cancels"].delete_one({"_id": f"hold:{group}"})
    if bell:
        ring(stack.kafka, "release", group=group)


def in_ledger(stack, job_id):
    return wait_for(lambda: stack.db["runs"].find_one({"_id": job_id}), 20, f"{job_id} is in the ledger")


def nothing_starts(stack, ids, others):
    """Another group's jobs come after these and run meanwhile."""
    for n in range(3):
        assert stack.rest.run({"creator": "flow", "user": f"{others}.{n}", "engine": "noop", "code": "x"})["state"] == "succeeded"
    assert {stack.db["runs"].find_one({"_id": i})["state"] for i in ids} == {"queued"}


@pytest.mark.parametrize("bell", [True, False], ids=["with a bell", "without a bell"])
def test_a_held_group_starts_nothing_until_it_is_released(stack, rest, make, user, gate, bell):
    effects = stack.folder / f"held-{bell}"
    running = rest.submit(make(f"{waiting_code(gate)}; echo running >> {effects}"))
    rest.wait_state(running, "running")
    hold(stack, f"flow/{user}")
    ids = [rest.submit(make(f"echo {n} >> {effects}")) for n in range(3)]
    for i in ids:
        in_ledger(stack, i)
    gate.touch()
    assert rest.end_of(running)["state"] == "succeeded", "what runs is left alone"
    nothing_starts(stack, ids, user)
    release(stack, f"flow/{user}", bell)
    assert [rest.end_of(i)["state"] for i in ids] == ["succeeded"] * 3
    assert effects.read_text().split() == ["running", "0", "1", "2"]


def test_a_hold_that_no_bell_told_counts_at_the_start(stack, rest, make, user):
    """The order is looked up after the start is written, so a hold that was answered is never missed."""
    hold(stack, f"flow/{user}", bell=False)
    job_id = rest.submit(make("echo held"))
    in_ledger(stack, job_id)
    nothing_starts(stack, [job_id], user)
    release(stack, f"flow/{user}")
    job = rest.end_of(job_id)
    assert job["state"] == "succeeded"
    assert stack.db["runs"].find_one({"_id": job_id})["tries"] == 1
    assert rest.log(job_id) == "held\n"


def test_a_held_groups_job_can_be_cancelled(stack, rest, make, user):
    hold(stack, f"flow/{user}")
    job_id = rest.submit(make("echo held"))
    in_ledger(stack, job_id)
    assert rest.cancel(job_id).status_code == 202
    assert rest.end_of(job_id)["state"] == "cancelled"
    release(stack, f"flow/{user}")
    assert rest.run(make("echo goes on"))["state"] == "succeeded"


def test_a_hold_survives_the_executor(stack, rest, make, user):
    hold(stack, f"flow/{user}")
    job_id = rest.submit(make("echo held"))
    in_ledger(stack, job_id)
    stack["executor"].kill()
    stack["executor"].start()
    nothing_starts(stack, [job_id], user)
    release(stack, f"flow/{user}")
    assert rest.end_of(job_id)["state"] == "succeeded"


def test_one_bell_cancels_a_whole_group(stack, rest, make, user, gate):
    effects = stack.folder / "group"
    ids = [rest.submit(make(waiting_code(gate)))] + [rest.submit(make(f"echo ran >> {effects}")) for _ in range(40)]
    rest.wait_state(ids[0], "running")
    in_ledger(stack, ids[-1])
    for i in ids:
        order(stack.db, "cancel", i)
    ring(stack.kafka, "cancel", group=f"flow/{user}")
    assert {rest.end_of(i)["state"] for i in ids} == {"cancelled"}
    assert not effects.exists()
    assert rest.run(make("echo goes on"))["state"] == "succeeded"
