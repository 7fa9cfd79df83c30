# SPDX-License-Identifier: Apache-2.0
"""What becomes of a running job whose executor goes: killed, frozen, or stopped. Two executors, each with a state folder of its own, as on
two hosts, and short leases."""
import random
import time

import pytest

from harness.stages import processes
from harness.wait import wait_for

LIMIT_S = 60
RESTART_BOUND_S = 2
FOLLOW_S = 5


@pytest.fixture(scope="module")
def stack_options():
    lease = {"MILLRACE_LEASE_RENEW": "500ms", "MILLRACE_LEASE_HOLD": "4s", "MILLRACE_LEASE_WATCH": "6s", "MILLRACE_DRAIN": "1s",
             "MILLRACE_GRACE": "500ms"}
    return {"stage_env": {"executor": lease}, "each": 1, "executors": 2}


@pytest.fixture
def nap():
    """A sleep that no other process of the machine does."""
    return f"sleep {random.randrange(10**7, 10**8)}"


def holder_of(stack, job_id):
    """The executor that runs the job, and the other one."""
    run = wait_for(lambda: stack.db["runs"].find_one({"_id": job_id, "state": "running"}), LIMIT_S, f"job {job_id} runs")
    pids = {i["_id"]: i["pid"] for i in stack.db["instances"].find({"over": {"$exists": False}})}
    one, two = stack["executor"], stack["executor-2"]
    return (one, two) if one.pid == pids[run["instance"]] else (two, one)


def phases(stack, job_id):
    return [(e["attempt"], e["phase"]) for e in stack.db["job_events"].find({"job_id": job_id}).sort("at", 1)]


def runs_again(stack, job_id, attempt=2):
    return wait_for(lambda: stack.db["runs"].find_one({"_id": job_id, "state": "running", "attempt": attempt}), LIMIT_S,
                    f"attempt {attempt} runs")


def end(stack, job_id):
    stack.rest.cancel(job_id)
    assert stack.rest.end_of(job_id)["state"] == "cancelled"


def test_a_killed_executors_job_starts_again_at_the_other_when_the_lease_is_over(stack, make, nap):
    job_id = stack.rest.submit(make(nap))
    behind = stack.rest.submit(make("echo behind"))
    holder, other = holder_of(stack, job_id)
    holder.kill()
    run = runs_again(stack, job_id)
    assert run["lost"] == 1 and run["tries"] == 1
    assert holder_of(stack, job_id)[0] is other
    assert stack.db["runs"].find_one({"_id": behind})["state"] == "queued"
    wait_for(lambda: (1, "lost") in phases(stack, job_id), LIMIT_S, "the loss is told")
    end(stack, job_id)
    assert stack.rest.end_of(behind)["state"] == "succeeded"
    assert len(processes(nap)) == 0
    holder.start()


def test_with_on_lost_fail_it_fails_instead(stack, make, nap):
    job_id = stack.rest.submit(make(nap, retry={"on_lost": "fail"}))
    behind = stack.rest.submit(make("echo behind"))
    holder, _ = holder_of(stack, job_id)
    holder.kill()
    job = stack.rest.end_of(job_id, LIMIT_S)
    assert job["state"] == "failed" and job["error"]["code"] == "lost" and job["attempt"] == 1
    assert stack.rest.end_of(behind)["state"] == "succeeded"
    holder.start()


def test_a_frozen_executors_job_is_killed_before_it_starts_elsewhere(stack, make, nap):
    """The executor is stopped, its guard is not: the guard ends the tree when the lease is over."""
    job_id = stack.rest.submit(make(nap))
    holder, other = holder_of(stack, job_id)
    before = wait_for(lambda: processes(nap), LIMIT_S, "the first attempt lives")
    holder.hold()
    try:
        run = runs_again(stack, job_id)
        assert not set(processes(nap)) & set(before), "two live attempts"
        assert run["lost"] == 1
        wait_for(lambda: processes(nap), LIMIT_S, "the second attempt lives")
    finally:
        holder.go_on()
    # Back again, it finds its lease over and ends; what it did is not taken.
    assert holder.process.wait(LIMIT_S) == 1
    holder.expected = False
    end(stack, job_id)
    holder.start()


def test_a_stopped_executor_gives_its_job_back_uncharged(stack, make, nap):
    job_id = stack.rest.submit(make(nap))
    holder, other = holder_of(stack, job_id)
    wait_for(lambda: processes(nap), LIMIT_S, "it was launched: before that, giving it back is no news")
    assert holder.stop() == 0
    run = runs_again(stack, job_id)
    assert run["tries"] == 1 and run["lost"] == 0
    wait_for(lambda: (1, "retrying") in phases(stack, job_id), LIMIT_S, "it is told that the attempt was given back")
    holder.start()
    end(stack, job_id)


@pytest.mark.parametrize("alone", [False, True], ids=["another executor is there", "it is the only one"])
def test_a_killed_executor_that_starts_again_on_its_host_goes_on_at_once(stack, make, nap, capsys, alone):
    """By the lock file it knows that the one before is dead: it ends that one's lease, and leaves the consumer group for it.
    Nobody waits for a lease or for a session of Kafka."""
    job_id = stack.rest.submit(make(nap))
    holder, other = holder_of(stack, job_id)
    if alone:
        assert other.stop() == 0
        # The consumer group has given it the other one's partitions too.
        for settled in [stack.rest.submit(make("echo there you are", user=f"settled.{n}")) for n in range(12)]:
            assert stack.rest.end_of(settled)["state"] == "succeeded"
    dead = stack.db["runs"].find_one({"_id": job_id})["instance"]
    holder.kill()
    restarted = time.monotonic()
    holder.start(wait=False)
    run = runs_again(stack, job_id)
    took = time.monotonic() - restarted
    with capsys.disabled():
        print(f"\nruns again {took:.2f} s after the restart (bound {RESTART_BOUND_S} s)")
    assert took <= 5 * RESTART_BOUND_S
    assert run["lost"] == 1
    assert stack.db["instances"].find_one({"_id": dead})["over"]
    assert "event=neighbour_left " in holder.text(), "the group was left for the dead one"
    holder.wait_ready()
    end(stack, job_id)
    if alone:
        other.start()


def running_of(stack, creator):
    return {r["_id"]: r["instance"] for r in stack.db["runs"].find({"state": "running", "group": {"$regex": f"^{creator}/"}})}


def test_the_places_under_a_shared_limit_that_a_killed_executor_held_are_used_again(stack, make, nap):
    selector, places = "shared/*", 2
    both = stack["executor"], stack["executor-2"]
    for executor in both:
        assert executor.stop() == 0
    assert stack.rest.http.put(f"/v1/limits/{selector}", json={"max_running": places}).status_code in (200, 201)
    for executor in both:
        executor.start()  # it reads the limits before it starts anything
    ids = [stack.rest.submit({**make(nap, user=f"u{n}"), "creator": "shared"}) for n in range(12)]
    wait_for(lambda: len(running_of(stack, "shared")) == places, LIMIT_S, "as many run as may")
    dead = next(iter(running_of(stack, "shared").values()))
    pid = stack.db["instances"].find_one({"_id": dead})["pid"]
    victim = next(e for e in both if e.pid == pid)
    victim.kill()

    def used_again():
        running = running_of(stack, "shared")
        assert len(running) <= places, "more than may"
        held = [i["instance"] for i in stack.db["holders"].find_one({"_id": selector})["items"]]
        return len(running) == places and dead not in running.values() and dead not in held and len(held) == places
    wait_for(used_again, LIMIT_S, "the other executor runs as many as may")
    assert stack.rest.http.delete(f"/v1/limits/{selector}").status_code == 200
    for i in ids:
        stack.rest.cancel(i)
    for i in ids:
        assert stack.rest.end_of(i, LIMIT_S)["state"] == "cancelled"
    victim.start()


def test_executors_follow_a_limit_that_is_changed(stack, make, user, nap, capsys):
    ids = [stack.rest.submit(make(nap)) for _ in range(2)]
    stack.rest.wait_state(ids[0], "running")
    assert stack.rest.job(ids[1])["state"] != "running"
    began = time.monotonic()
    assert stack.rest.http.put(f"/v1/limits/flow/{user}", json={"max_running": 2}).status_code in (200, 201)
    wait_for(lambda: stack.rest.job(ids[1])["state"] == "running", LIMIT_S, "the second one runs beside the first")
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\nan executor followed a limit after {took:.1f} s (bound {FOLLOW_S} s)")
    assert took <= 5 * FOLLOW_S
    for i in ids:
        end(stack, i)


def test_a_job_of_one_node_never_has_two_starts_in_one_attempt(stack):
    for run in stack.db["runs"].find({}):
        starts = [p for p in phases(stack, run["_id"]) if p[1] == "started"]
        assert len(starts) == len(set(starts))
