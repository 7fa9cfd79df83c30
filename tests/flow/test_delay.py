# SPDX-License-Identifier: Apache-2.0
"""Jobs that may not start before a time, and jobs that wait only so long."""
import uuid

import pytest

from harness.direct import converted, now_ms, submit_converted
from harness.wait import wait_for

LATER_MS = 3000
# How late a job may start or end that is looked for once a second; told, and a failure only past five times that.
BOUND_S = 3


@pytest.fixture
def gate(stack):
    path = stack.folder / f"gate-{uuid.uuid4().hex}"
    yield path
    path.touch()


def waiting_code(gate):
    return f"while [ ! -e {gate} ]; do sleep 0.05; done"


def in_time(what, seconds):
    print(f"{what}: {seconds:.2f} s")
    assert seconds < 5 * BOUND_S


def run_of(stack, job_id, **more):
    return wait_for(lambda: stack.db["runs"].find_one({"_id": job_id, **more}), 20, f"the run {more}")


# ---- not_before ----


def test_a_delayed_job_starts_when_it_is_due_and_takes_its_place_then(stack, user):
    effects = stack.folder / "delayed"
    due = now_ms() + LATER_MS
    delayed = submit_converted(stack.kafka, converted(user, f"echo delayed >> {effects}", not_before=due))
    behind = submit_converted(stack.kafka, converted(user, f"echo behind >> {effects}"))
    assert run_of(stack, delayed)["state"] == "delayed"
    assert stack.rest.end_of(behind)["state"] == "succeeded", "it does not wait for the delayed one"
    job = stack.rest.end_of(delayed)
    assert job["state"] == "succeeded" and job["attempt"] == 1
    run = run_of(stack, delayed)
    started = int(run["started_at"].timestamp() * 1000)
    assert started >= due
    in_time("from due to started", (started - due) / 1000)
    assert effects.read_text().split() == ["behind", "delayed"]


def test_a_time_that_has_passed_delays_nothing(stack, user):
    job_id = submit_converted(stack.kafka, converted(user, "echo at once", not_before=now_ms() - 1000))
    assert stack.rest.end_of(job_id)["state"] == "succeeded"


def test_a_delayed_job_is_due_though_the_executor_was_killed_meanwhile(stack, user):
    due = now_ms() + LATER_MS
    job_id = submit_converted(stack.kafka, converted(user, "echo after all", not_before=due))
    assert run_of(stack, job_id)["state"] == "delayed"
    stack["executor"].kill()
    stack["executor"].start()
    assert stack.rest.end_of(job_id, 60)["state"] == "succeeded"
    assert int(run_of(stack, job_id)["started_at"].timestamp() * 1000) >= due


def test_a_delayed_job_can_be_cancelled(stack, user):
    job_id = submit_converted(stack.kafka, converted(user, "echo never", not_before=now_ms() + 3_600_000))
    assert run_of(stack, job_id)["state"] == "delayed"
    assert stack.rest.cancel(job_id, reason="not needed").status_code == 202
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"]) == ("cancelled", 0)
    assert stack.db["job_events"].count_documents({"job_id": job_id, "phase": "started"}) == 0


# ---- queue_timeout ----


def test_a_job_that_waited_too_long_ends_though_another_runs_on(stack, user, gate):
    effects = stack.folder / "waited"
    running = submit_converted(stack.kafka, converted(user, waiting_code(gate)))
    stack.rest.wait_state(running, "running")
    sent = now_ms()
    waiting = submit_converted(stack.kafka, converted(user, f"echo ran >> {effects}", limits={"queue_timeout_ms": 1000}))
    behind = submit_converted(stack.kafka, converted(user, "echo behind"))
    job = stack.rest.end_of(waiting)
    in_time("from its end of waiting to its end", (now_ms() - sent - 1000) / 1000)
    assert (job["state"], job["error"]["code"], job["attempt"]) == ("timed_out", "queue_timeout", 0)
    assert stack.rest.job(running)["state"] == "running"
    gate.touch()
    assert stack.rest.end_of(running)["state"] == "succeeded"
    assert stack.rest.end_of(behind)["state"] == "succeeded"
    assert not effects.exists()


def test_a_job_that_starts_in_time_is_not_ended_by_its_queue_timeout(stack, user):
    job_id = submit_converted(stack.kafka, converted(user, "sleep 2.5; echo done", limits={"queue_timeout_ms": 1000}))
    assert stack.rest.end_of(job_id)["state"] == "succeeded"


def test_a_delayed_jobs_waiting_counts_from_its_time(stack, user):
    job_id = submit_converted(stack.kafka, converted(user, "echo done", not_before=now_ms() + LATER_MS, limits={"queue_timeout_ms": 1000}))
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
