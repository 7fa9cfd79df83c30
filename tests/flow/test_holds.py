# SPDX-License-Identifier: Apache-2.0
"""What executors do about holds, drains and cancels of groups. To be put into tests/flow when the executor knows them."""
import datetime
import time

import pytest

from harness.wait import wait_for

UTC = datetime.timezone.utc
AIM_S = 2


@pytest.fixture(scope="module")
def stack_options():
    return {"executors": 2}


@pytest.fixture
def group(user):
    return f"flow/{user}"


def in_ledger(db, ids):
    wait_for(lambda: db["runs"].count_documents({"_id": {"$in": ids}}) == len(ids), 20, "all are in the ledger")


def hold(rest, group, **body):
    assert rest.http.post(f"/v1/groups/{group}/hold", json=body).status_code == 200


def release(rest, group):
    assert rest.http.post(f"/v1/groups/{group}/release").status_code == 200


def test_a_held_group_starts_nothing_and_goes_on_when_it_is_released(rest, stack, db, make, group):
    effects = stack.folder / "held"
    first = rest.submit(make("sleep 3600"))
    rest.wait_state(first, "running")
    hold(rest, group, by="ann", reason="looking")
    second = rest.submit(make(f"echo second >> {effects}"))
    in_ledger(db, [second])
    rest.cancel(first)
    rest.end_of(first)
    # A job of another group that is submitted later ends: an executor had the time to do the wrong thing.
    other = rest.run({**make("true"), "user": f"x-{group[5:]}"[:60]})
    assert other["state"] == "succeeded"
    assert rest.job(second)["state"] == "queued"
    assert rest.job(second)["waiting_for"]["kind"] == "held"
    assert not effects.exists()
    began = time.monotonic()
    release(rest, group)
    assert rest.end_of(second)["state"] == "succeeded"
    took = time.monotonic() - began
    print(f"went on {took:.2f} s after the release (aim {AIM_S} s)")
    assert took < 5 * AIM_S


def test_what_runs_goes_on_in_a_held_group(rest, stack, make, group):
    gate = stack.folder / "gate-held"
    first = rest.submit(make(f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    rest.wait_state(first, "running")
    hold(rest, group)
    gate.touch()
    assert rest.end_of(first)["state"] == "succeeded"
    release(rest, group)


def test_a_hold_survives_a_restart_of_the_executors(rest, stack, db, make, group):
    hold(rest, group)
    job_id = rest.submit(make("true"))
    in_ledger(db, [job_id])
    for label in ("executor", "executor-2"):
        stack[label].kill()
        stack[label].start()
    assert rest.run({**make("true"), "user": f"y-{group[5:]}"[:60]})["state"] == "succeeded"
    assert rest.job(job_id)["state"] == "queued"
    release(rest, group)
    assert rest.end_of(job_id)["state"] == "succeeded"


def test_a_held_job_can_be_cancelled(rest, db, make, group):
    hold(rest, group)
    job_id = rest.submit(make("true"))
    in_ledger(db, [job_id])
    assert rest.cancel(job_id).json()["was"] == "queued"
    assert rest.end_of(job_id)["state"] == "cancelled"
    release(rest, group)


def test_a_delayed_job_says_until_when(rest, db, make):
    at = (datetime.datetime.now(UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    job_id = rest.submit(make("true", not_before=at))
    in_ledger(db, [job_id])
    assert rest.job(job_id)["waiting_for"] == {"kind": "not_before", "at": at}
    assert rest.cancel(job_id).json()["was"] == "queued"
    assert rest.end_of(job_id)["state"] == "cancelled"


def test_a_group_of_many_waiting_jobs_ends_soon_after_one_cancel(rest, db, make, group):
    """More than a thousand: one bell for the group."""
    first = rest.submit(make("sleep 3600"))
    rest.wait_state(first, "running")
    import json
    lines = "\n".join(json.dumps(make("true", engine="noop")) for _ in range(1200))
    ids = [j["job_id"] for j in rest.http.post("/v1/jobs", content=lines, headers={"content-type": "application/x-ndjson"}).json()["jobs"]]
    in_ledger(db, ids)
    answer = rest.http.post("/v1/jobs/cancel", json={"group": group, "reason": "all"})
    assert answer.status_code == 202 and answer.json()["counts"]["queued"] == 1200 and answer.json()["counts"]["running"] == 1
    wait_for(lambda: db["jobs"].count_documents({"_id": {"$in": [first, *ids]}, "state": "cancelled"}) == 1201, 60, "all are cancelled", 0.2)


def test_a_drained_instance_gives_back_what_waits_and_ends(rest, stack, db, make, user):
    jobs = [rest.submit({**make("sleep 1"), "user": f"d{n}-{user}"[:60]}) for n in range(20)]
    instances = rest.get("/v1/instances").json()["instances"]
    assert len(instances) == 2
    chosen = next(s for s in ("executor", "executor-2") if f"-{stack[s].pid}-" in instances[0]["instance"])
    stack[chosen].expected = False
    answer = rest.http.post(f"/v1/instances/{instances[0]['instance']}/drain", json={"by": "ops"})
    assert answer.status_code == 202
    wait_for(lambda: not stack[chosen].alive(), 60, "the drained executor ended")
    assert stack[chosen].process.returncode == 0
    for job_id in jobs:
        assert rest.end_of(job_id)["state"] == "succeeded"
    stack[chosen].start()
