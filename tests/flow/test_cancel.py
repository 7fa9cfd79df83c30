# SPDX-License-Identifier: Apache-2.0
"""A cancel is durable once it is answered; the whole tree of a running job dies, however it defends itself."""
import random

import pytest

from harness.stages import processes
from harness.wait import wait_for

GRACE_S = 1


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"executor": {"MILLRACE_GRACE": f"{GRACE_S}s"}}}


@pytest.fixture
def nap():
    """A sleep that no other process of the machine does."""
    return f"sleep {random.randrange(10**7, 10**8)}"


def cancelled(rest, job_id):
    job = rest.end_of(job_id)
    assert job["state"] == "cancelled", job
    assert job["error"]["code"] == "cancelled"
    assert job["error"]["class"] == "user"
    return job


def test_a_running_job_is_cancelled(rest, make, nap):
    job_id = rest.submit(make(f"echo begun; {nap}"))
    wait_for(lambda: processes(nap), 20, "the job runs")
    rest.wait_state(job_id, "running")
    answer = rest.cancel(job_id, by="ann", reason="not needed any more")
    assert answer.status_code == 202
    assert answer.json()["was"] == "running"
    job = cancelled(rest, job_id)
    assert "not needed any more" in str(job["error"])
    assert not processes(nap)
    assert rest.log(job_id).startswith("begun\n")


def test_a_queued_job_is_cancelled_and_never_starts(rest, stack, make, nap):
    effects = stack.folder / "never"
    first = rest.submit(make(nap))
    rest.wait_state(first, "running")
    second = rest.submit(make(f"echo ran > {effects}"))
    wait_for(lambda: stack.db["runs"].find_one({"_id": second}), 20, "the second job is in the ledger")
    answer = rest.cancel(second)
    assert answer.status_code == 202
    assert answer.json()["was"] == "queued"
    rest.cancel(first)
    cancelled(rest, first)
    job = cancelled(rest, second)
    assert job["attempt"] == 0 and not job.get("attempts"), job
    assert not effects.exists()


def test_a_cancel_of_an_ended_job_says_so_and_changes_nothing(rest, make):
    job = rest.run(make("echo done"))
    answer = rest.cancel(job["job_id"])
    assert answer.status_code == 200
    assert answer.json()["was"] == "final"
    assert answer.json()["state"] == "succeeded"
    assert rest.job(job["job_id"])["state"] == "succeeded"


def test_a_second_cancel_is_fine(rest, make, nap):
    job_id = rest.submit(make(nap))
    rest.wait_state(job_id, "running")
    assert rest.cancel(job_id, reason="first").status_code == 202
    assert rest.cancel(job_id, reason="second").status_code in (200, 202)
    assert "first" in str(cancelled(rest, job_id)["error"])


def test_an_unknown_job_can_not_be_cancelled(rest):
    assert rest.cancel("00000000-0000-4000-8000-000000000000").status_code == 404


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_period(rest, make, nap):
    job_id = rest.submit(make(f"trap '' TERM; echo ready; while :; do {nap}; done"))
    wait_for(lambda: "ready" in rest.get(f"/v1/jobs/{job_id}/log").json().get("text", ""), 20, "its trap is set")
    assert "cancel" not in rest.job(job_id)
    rest.cancel(job_id, reason="enough")
    # It defends itself: until its end the document alone would not tell.
    job = rest.job(job_id)
    assert job["final"] or job["cancel"]["reason"] == "enough", job
    assert "cancel" not in cancelled(rest, job_id)
    assert not processes(nap)


def test_a_child_that_left_the_session_dies_too(rest, make, nap):
    job_id = rest.submit(make(f"setsid sh -c 'trap \"\" TERM HUP; {nap}; :' & (setsid setsid {nap} &) ; echo ready; wait"))
    wait_for(lambda: len(processes(nap)) >= 2, 20, "both run away")
    rest.wait_state(job_id, "running")
    rest.cancel(job_id)
    cancelled(rest, job_id)
    assert not processes(nap)


def test_what_a_job_leaves_behind_ends_with_it(rest, make, nap):
    job = rest.run(make(f"setsid {nap} >/dev/null 2>&1 & echo left something"))
    assert job["state"] == "succeeded"
    assert not processes(nap)


def test_the_next_job_of_the_group_starts_after_a_cancel(rest, make, nap):
    first = rest.submit(make(nap))
    second = rest.submit(make("echo my turn"))
    rest.wait_state(first, "running")
    rest.cancel(first)
    assert rest.end_of(second)["state"] == "succeeded"
    cancelled(rest, first)


def test_a_timed_out_tree_is_gone(rest, make, nap):
    job = rest.run(make(f"setsid {nap} & trap '' TERM; {nap}", limits={"run_timeout_ms": 500}))
    assert job["state"] == "timed_out"
    assert not processes(nap)


def test_a_cancel_that_came_before_the_executor_saw_the_job_still_counts(rest, stack, make):
    effects = stack.folder / "before"
    stack["executor"].stop()
    job_id = rest.submit(make(f"echo ran > {effects}"))
    answer = rest.cancel(job_id, by="ann", reason="too late")
    assert answer.status_code == 202
    assert answer.json()["was"] == "pending"
    shown = rest.job(job_id)
    assert (shown["cancel"]["by"], shown["cancel"]["reason"]) == ("ann", "too late"), shown
    assert shown["cancel"]["at"].endswith("Z") and "waiting_for" in shown
    stack["executor"].start()
    job = cancelled(rest, job_id)
    assert not effects.exists()
    # Nothing of it ran: it has no attempt.
    assert job["attempt"] == 0 and not job.get("attempts"), job
    assert "started" not in job["times"]
    answer = rest.get(f"/v1/jobs/{job_id}/log", attempt=1)
    assert answer.status_code == 404, answer.text
    assert "nothing of it ran" in answer.json()["detail"]
