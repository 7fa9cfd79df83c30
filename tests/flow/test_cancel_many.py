# SPDX-License-Identifier: Apache-2.0
"""Many jobs are cancelled by one request: by their ids, a whole group, or a filter. What was told to be queued never starts."""
import json
import time
import uuid

import pytest

from harness.wait import wait_for

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MANY = 10_100


@pytest.fixture
def cancel(rest):
    def post(**body):
        return rest.http.post("/v1/jobs/cancel", json=body, timeout=120)

    return post


@pytest.fixture
def blocker(rest, user, make):
    """A running job: the others of its group wait. It ends with the test."""
    job_id = rest.submit(make("sleep 3600"))
    rest.wait_state(job_id, "running")
    yield job_id
    rest.cancel(job_id)
    rest.end_of(job_id)


def submit_many(rest, jobs):
    lines = "\n".join(map(json.dumps, jobs))
    answer = rest.http.post("/v1/jobs", content=lines, headers={"content-type": "application/x-ndjson"}, timeout=120)
    assert answer.status_code == 202, answer.text[:500]
    return [j["job_id"] for j in answer.json()["jobs"]]


def in_ledger(stack, ids):
    wait_for(lambda: stack.db["runs"].count_documents({"_id": {"$in": ids}}) == len(ids), 20, "all are in the ledger")


def test_ids_are_told_one_by_one(rest, stack, make, blocker, cancel, user):
    ended = rest.run({**make("true"), "user": f"other-{user}"[:60]})["job_id"]
    queued = submit_many(rest, [make("true"), make("true")])
    in_ledger(stack, queued)
    answer = cancel(ids=[blocker, *queued, ended, UNKNOWN, ended], by="ann", reason="all of it")
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert {j["job_id"]: j["was"] for j in body["jobs"]} == {
        blocker: "running", queued[0]: "queued", queued[1]: "queued", ended: "final", UNKNOWN: "unknown"}
    assert body["counts"] == {"pending": 0, "queued": 2, "running": 1, "final": 1, "unknown": 1}
    assert body["matched"] == 5
    for job_id in [blocker, *queued]:
        job = rest.end_of(job_id)
        assert job["state"] == "cancelled"
        assert "all of it" in str(job["error"]) and "ann" in str(job["error"])
    assert rest.job(ended)["state"] == "succeeded"


def test_a_repeat_is_fine_and_the_first_reason_counts(rest, stack, make, blocker, cancel):
    job_id = rest.submit(make("true"))
    in_ledger(stack, [job_id])
    assert cancel(ids=[job_id], reason="first").status_code == 202
    assert cancel(ids=[job_id], reason="second").status_code in (200, 202)
    assert "first" in str(rest.end_of(job_id)["error"])
    again = cancel(ids=[job_id])
    assert again.status_code == 200 and again.json()["jobs"][0]["was"] == "final"


def test_a_group_is_cancelled_as_a_whole(rest, stack, make, blocker, cancel, user):
    effects = stack.folder / f"group-{user}"
    ids = submit_many(rest, [make(f"echo ran >> {effects}") for _ in range(30)])
    bystander = rest.submit({**make("echo mine"), "user": f"other-{user}"[:60]})
    answer = cancel(group=f"flow/{user}", reason="enough")
    assert answer.status_code == 202, answer.text
    was = {j["job_id"]: j["was"] for j in answer.json()["jobs"]}
    assert was.keys() == {blocker, *ids}
    assert was[blocker] == "running" and {was[i] for i in ids} <= {"pending", "queued"}
    for job_id in [blocker, *ids]:
        assert rest.end_of(job_id)["state"] == "cancelled"
    assert not effects.exists()
    assert rest.end_of(bystander)["state"] == "succeeded"


def test_what_was_told_to_wait_never_starts(rest, stack, make, cancel, user):
    """Jobs that flow while the group is cancelled, again and again."""
    for turn in range(4):
        effects = stack.folder / f"flowing-{user}-{turn}"
        effects.touch()
        marks = [uuid.uuid4().hex for _ in range(60)]
        ids = submit_many(rest, [make(f"echo {m} >> {effects}") for m in marks])
        wait_for(lambda: effects.stat().st_size > 33 * 2 * turn, 20, "some ran")
        answer = cancel(group=f"flow/{user}")
        assert answer.status_code in (200, 202), answer.text
        was = {j["job_id"]: j["was"] for j in answer.json()["jobs"]}
        ends = {i: rest.end_of(i)["state"] for i in ids}
        ran = set(effects.read_text().split())
        for job_id, mark in zip(ids, marks):
            if was.get(job_id) in ("pending", "queued"):
                assert mark not in ran, f"{job_id} was {was[job_id]} when it was cancelled, and ran"
                assert ends[job_id] == "cancelled"
        assert set(ends.values()) <= {"succeeded", "cancelled", "failed"}


@pytest.mark.parametrize("asked", [
    {"name": "this one"}, {"labels": {"team": "a.b", "te.am": "1"}}, {"engine": "noop"}, {"state": "queued,accepted", "name": "this one"},
    {"state": ["converted", "queued", "planned", "accepted"], "name": "this one"}, {"since": 1, "name": "this one"},
])
def test_a_filter_means_those_that_it_fits(rest, stack, make, blocker, cancel, user, asked):
    meant = rest.submit({**make("x", engine="noop"), "name": "this one", "labels": {"team": "a.b", "te.am": "1"}})
    spared = rest.submit({**make("true"), "name": "that one", "labels": {"team": "a"}})
    in_ledger(stack, [meant, spared])
    answer = cancel(filter={"creator": "flow", "user": user, **asked})
    assert answer.status_code == 202, answer.text
    assert [j["job_id"] for j in answer.json()["jobs"]] == [meant]
    rest.cancel(blocker)
    assert rest.end_of(meant)["state"] == "cancelled"
    assert rest.end_of(spared)["state"] == "succeeded"


def test_a_list_can_be_asked_by_labels_too(rest, make, user):
    a = rest.submit(make("true", labels={"team": "a.b", "x": "1"}))
    rest.submit(make("true", labels={"team": "c"}))
    assert [j["job_id"] for j in rest.get("/v1/jobs", user=user, label="team=a.b").json()["jobs"]] == [a]
    both = rest.http.get("/v1/jobs", params=[("user", user), ("label", "team=a.b"), ("label", "x=2")])
    assert both.json()["jobs"] == []
    assert rest.get("/v1/jobs", label="team").status_code == 400


def test_a_filter_that_fits_nothing_cancels_nothing(cancel, user):
    answer = cancel(filter={"user": f"nobody-{user}"[:60]})
    assert answer.status_code == 200
    assert answer.json()["matched"] == 0 and answer.json()["jobs"] == []


@pytest.mark.parametrize("body, field", [
    ({}, "ids"), ({"ids": ["x"]}, "ids[0]"), ({"ids": "x"}, "ids"), ({"ids": [UNKNOWN] * 10_001}, "ids"),
    ({"group": "flow"}, "group"), ({"group": "flow/*"}, "group"), ({"group": 7}, "group"),
    ({"filter": {}}, "filter"), ({"filter": "x"}, "filter"), ({"filter": {"colour": "red"}}, "filter.colour"),
    ({"filter": {"state": "lost"}}, "filter.state"), ({"filter": {"labels": "x"}}, "filter.labels"),
    ({"filter": {"user": ""}}, "filter.user"), ({"ids": [], "group": "a/b"}, "ids"), ({"ids": [], "more": 1}, "more"),
    ({"ids": [], "by": 1}, "by"),
])
def test_a_bad_wish_is_refused_and_cancels_nothing(rest, body, field):
    answer = rest.http.post("/v1/jobs/cancel", json=body)
    assert answer.status_code == 400, answer.text
    assert field in [e["field"] for e in answer.json()["errors"]]


def test_more_than_ten_thousand_that_the_executor_never_saw(rest, stack, cancel, user):
    stack["executor"].stop()
    try:
        ids = []
        for n in range(0, MANY, 3500):
            ids += submit_many(rest, [{"creator": "bulk", "user": f"u{i % 50}", "engine": "noop", "code": "x"}
                                      for i in range(n, min(n + 3500, MANY))])
        assert len(ids) == MANY
        began = time.monotonic()
        answer = cancel(filter={"creator": "bulk"}, reason="all")
        took = time.monotonic() - began
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert body["matched"] == MANY and "jobs" not in body
        assert body["counts"]["pending"] == MANY
        assert stack.db["cancels"].count_documents({"kind": "cancel", "reason": "all"}) == MANY
        print(f"{MANY} cancelled in {took:.2f} s")
    finally:
        stack["executor"].start()
    wait_for(lambda: stack.db["jobs"].count_documents({"creator": "bulk", "state": "cancelled"}) == MANY, 150, "all are cancelled", 0.5)
    assert stack.db["job_events"].count_documents({"phase": "started", "group": {"$regex": "^bulk/"}}) == 0
