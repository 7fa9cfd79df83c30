# SPDX-License-Identifier: Apache-2.0
"""Limits by REST, and max_queued: never too many, whoever counts and whatever dies. Two ingest processes; the groups of the floods are
kept waiting by a job that runs until the test is over, so that what was let in stays queued."""
import concurrent.futures
import datetime
import itertools
import json
import threading
import time
import uuid

import httpx
import pytest

from harness.wait import wait_for

WAITING = ["accepted", "converted", "planned", "queued"]
FOLLOW_S = 5


@pytest.fixture(scope="module")
def stack_options():
    return {"each": 2, "executors": 1, "stage_env": {"ingest": {"MILLRACE_SWEEP_AFTER": "2s"}}}


@pytest.fixture
def limits(stack, rest):
    """put(selector, **fields); all that were put are taken away after the test, and both processes know it."""
    put = []

    def put_it(selector, **fields):
        answer = rest.http.put(f"/v1/limits/{selector}", json=fields)
        assert answer.status_code == 200, answer.text
        put.append(selector)
        return answer.json()

    yield put_it
    for selector in put:
        rest.http.delete(f"/v1/limits/{selector}")


def known_by_all(stack, limits):
    """Every limit written so far is known to both ingest processes: they know one that is written now. In seconds."""
    probe = f"probe-{uuid.uuid4().hex}"  # never one that a test before this had: they might know that still
    limits(f"flow/{probe}", max_queued=0)
    began = time.monotonic()
    for label in ("ingest", "ingest-2"):
        def refuses():
            answer = httpx.post(f"{stack[label].url}/v1/jobs", json={"creator": "flow", "user": probe, "engine": "noop", "code": "x"},
                                trust_env=False, timeout=20)
            return answer.status_code == 429
        wait_for(refuses, FOLLOW_S * 5, f"{label} knows the limits")
    return time.monotonic() - began


def waiting(db, **filters):
    """Accepted jobs that wait, by their documents. One that carries a claim is not accepted (yet)."""
    return db["jobs"].count_documents({**filters, "final": False, "state": {"$in": WAITING}, "stub.claim": {"$exists": False}})


# ---- the documents ----


def test_a_limit_is_written_read_and_taken_away(rest):
    answer = rest.http.put("/v1/limits/ide/ann", json={"max_queued": 10, "max_running": 2, "engines": ["shell"], "by": "ops"})
    assert answer.status_code == 200, answer.text
    written = answer.json()
    assert written["selector"] == "ide/ann" and written["max_queued"] == 10 and written["max_running"] == 2
    assert written["engines"] == ["shell"] and written["by"] == "ops" and written["at"].endswith("Z")
    assert rest.get("/v1/limits/ide/ann").json() == written
    assert written in rest.get("/v1/limits").json()["limits"]
    assert rest.http.delete("/v1/limits/ide/ann").json() == {"selector": "ide/ann", "deleted": True}
    assert rest.http.delete("/v1/limits/ide/ann").json() == {"selector": "ide/ann", "deleted": False}
    assert rest.get("/v1/limits/ide/ann").status_code == 404


def test_a_put_replaces_the_whole_document_and_takes_back_what_get_gave(rest):
    rest.http.put("/v1/limits/ide/bob", json={"max_queued": 10, "run_timeout_ms": 1000})
    second = rest.http.put("/v1/limits/ide/bob", json={"max_running": 3}).json()
    assert "max_queued" not in second and "run_timeout_ms" not in second
    again = rest.http.put("/v1/limits/ide/bob", json=rest.get("/v1/limits/ide/bob").json())
    assert again.status_code == 200 and again.json()["max_running"] == 3
    rest.http.delete("/v1/limits/ide/bob")


@pytest.mark.parametrize("path, selector", [
    ("ide/carl", "ide/carl"), ("ide%2Fcarl", "ide/carl"), ("ide/*", "ide/*"), ("ide/%2A", "ide/*"), ("ide%2F%2A", "ide/*"),
    ("*", "*"), ("%2A", "*"),
])
def test_a_selector_may_be_escaped_or_not(rest, stack, path, selector):
    # A raw request: clients normalise paths.
    answer = httpx.Client(trust_env=False).send(httpx.Request("PUT", f"{stack['ingest'].url}/v1/limits/{path}", json={"weight": 5} if "*" in selector else {"max_queued": 5}))
    assert answer.status_code == 200, answer.text
    assert answer.json()["selector"] == selector
    assert rest.http.delete(f"/v1/limits/{path}").json()["deleted"] is True


@pytest.mark.parametrize("path", ["ide", "ide/", "*/ann", "ide/a b", "ide/ann/x", "../x", "ide/%00"])
def test_a_bad_selector_is_refused(rest, path):
    assert rest.http.put(f"/v1/limits/{path}", json={}).status_code in (400, 404, 405)


@pytest.mark.parametrize("body, status, field", [
    ({"max_queued": -1}, 422, "max_queued"),
    ({"max_running": 0}, 422, "max_running"),
    ({"max_running": "many"}, 400, "max_running"),
    ({"engines": ["no such/name"]}, 422, "engines"),
    ({"on_failure": "explode"}, 422, "on_failure"),
    ({"weight": 2}, 422, "weight"),
    ({"colour": "red"}, 400, "colour"),
    ({"selector": "ide/other", "max_queued": 1}, 422, "selector"),
    ({"by": 7}, 400, "by"),
])
def test_a_bad_limit_is_refused_field_by_field(rest, body, status, field):
    answer = rest.http.put("/v1/limits/ide/dora", json=body)
    assert answer.status_code == status, answer.text
    assert [e["field"] for e in answer.json()["errors"]] == [field]
    assert rest.get("/v1/limits/ide/dora").status_code == 404


def test_all_problems_are_told_at_once(rest):
    answer = rest.http.put("/v1/limits/ide/dora", json={"max_queued": -1, "run_timeout_ms": -1, "on_failure": "x"})
    assert {e["field"] for e in answer.json()["errors"]} == {"max_queued", "run_timeout_ms", "on_failure"}


def test_a_body_that_is_no_object_is_refused(rest):
    for content in ("[]", "{", "7"):
        answer = rest.http.put("/v1/limits/ide/dora", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 400, answer.text


# ---- max_queued ----


def test_over_the_limit_a_submission_is_refused_and_leaves_nothing(rest, stack, db, make, user, blocker, limits):
    limits(f"flow/{user}", max_queued=2)
    ids = [rest.submit(make("true")) for _ in range(2)]
    began = time.monotonic()
    answer = rest.post(make("true"))
    assert answer.status_code == 429, answer.text
    assert answer.json()["code"] == "too_many_queued"
    assert int(answer.headers["retry-after"]) > 0
    assert "job_id" not in answer.json()
    listed = {j["job_id"] for j in rest.get("/v1/jobs", user=user).json()["jobs"]}
    assert listed == {blocker, *ids}
    assert db["jobs"].count_documents({"user": user}) == 3
    print(f"refused in {time.monotonic() - began:.3f} s")
    # A place that becomes free is given again.
    rest.cancel(ids[0])
    rest.end_of(ids[0])
    wait_for(lambda: rest.post(make("true")).status_code == 202, 20, "a place is free")


def test_a_repeat_of_a_job_that_is_in_is_not_refused(rest, make, user, blocker, limits):
    limits(f"flow/{user}", max_queued=1)
    job = make("true")
    first = rest.submit(job, key="limit-1")
    assert rest.post(make("false")).status_code == 429
    again = rest.post(job, key="limit-1")
    assert again.status_code == 202 and again.json()["job_id"] == first
    assert again.headers["idempotent-replayed"] == "true"
    assert rest.post(make("other"), key="limit-1").status_code == 409


def test_a_key_that_was_refused_may_come_again(rest, make, user, blocker, limits):
    limits(f"flow/{user}", max_queued=1)
    first = rest.submit(make("true"))
    job = make("echo later")
    assert rest.post(job, key="limit-2").status_code == 429
    rest.cancel(first)
    rest.end_of(first)
    wait_for(lambda: rest.post(job, key="limit-2").status_code == 202, 20, "the same key is accepted")


def test_each_line_of_many_is_judged_in_order(rest, db, make, user, blocker, limits):
    limits(f"flow/{user}", max_queued=3)
    lines = [make("true", name=f"n{i}") for i in range(6)]
    answer = rest.http.post("/v1/jobs", content="\n".join(map(json.dumps, lines)), headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 207, answer.text
    body = answer.json()
    assert [j["status"] for j in body["jobs"]] == [202] * 3 + [429] * 3
    assert {j["code"] for j in body["jobs"][3:]} == {"too_many_queued"}
    assert waiting(db, user=user) == 3


def test_one_key_twice_in_a_batch_is_one_job_and_one_place(rest, db, make, user, blocker, limits):
    limits(f"flow/{user}", max_queued=2)
    lines = [make("true", idempotency_key="twice")] * 2 + [make("true", name="second")]
    answer = rest.http.post("/v1/jobs", content="\n".join(map(json.dumps, lines)), headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 202, answer.text
    jobs = answer.json()["jobs"]
    assert jobs[0]["job_id"] == jobs[1]["job_id"] != jobs[2]["job_id"]
    assert waiting(db, user=user) == 2


def test_every_selector_that_matches_counts(rest, db, make, user, blocker, limits):
    creator = "many-" + user[-20:].strip("-.")
    limits(f"{creator}/*", max_queued=3)
    limits(f"{creator}/a", max_queued=2)
    for who in ("a", "b"):
        job_id = rest.submit({**make("sleep 3600"), "creator": creator, "user": who})
        rest.wait_state(job_id, "running")
    codes = [rest.post({**make("true"), "creator": creator, "user": who}).status_code for who in "aaabb"]
    assert codes == [202, 202, 429, 202, 429]
    assert waiting(db, creator=creator) == 3
    rest.http.post("/v1/jobs/cancel", json={"filter": {"creator": creator}})


def test_zero_lets_nothing_in(rest, make, user, limits):
    limits(f"flow/{user}", max_queued=0)
    assert rest.post(make("true")).status_code == 429


def test_a_change_is_followed_by_every_ingest(stack, limits):
    took = known_by_all(stack, limits)
    print(f"followed after {took:.2f} s (aim {FOLLOW_S} s)")
    assert took < 5 * FOLLOW_S


# ---- the race ----


class Flood:
    """Eight clients over two ingest processes submit until they are told to stop; keys, so that a client whose ingest died asks again."""

    def __init__(self, stack, group, keyed):
        self.stack = stack
        self.group = group
        self.keyed = keyed
        self.accepted = set()
        self.codes = []
        self.stop = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(8)
        self.clients = [self.pool.submit(self.client, n) for n in range(8)]

    def client(self, n):
        urls = itertools.cycle([self.stack["ingest"].url, self.stack["ingest-2"].url] if n % 2 else
                               [self.stack["ingest-2"].url, self.stack["ingest"].url])
        creator, user = self.group
        with httpx.Client(trust_env=False, timeout=20) as http:
            for i in itertools.count():
                if self.stop.is_set():
                    return
                job = {"creator": creator, "user": user, "engine": "noop", "code": "x", "name": f"{n}-{i}"}
                headers = {"Idempotency-Key": f"{n}-{i // 2}"} if self.keyed else {}
                if self.keyed:
                    job["name"] = f"{n}-{i // 2}"
                try:
                    answer = http.post(f"{next(urls)}/v1/jobs", json=job, headers=headers)
                except httpx.HTTPError:
                    self.codes.append(0)
                    continue
                self.codes.append(answer.status_code)
                assert answer.status_code in (202, 429, 503), answer.text
                if answer.status_code == 202:
                    self.accepted.add(answer.json()["job_id"])

    def end(self):
        self.stop.set()
        for c in self.clients:
            c.result(60)
        self.pool.shutdown()


@pytest.mark.parametrize("keyed", [False, True], ids=["without-keys", "with-keys"])
def test_a_flood_over_two_ingests_never_lets_too_many_in(stack, rest, db, user, blocker, limits, keyed):
    most = 20
    limits(f"flow/{user}", max_queued=most)
    known_by_all(stack, limits)
    flood = Flood(stack, ("flow", user), keyed)
    seen = 0
    end = time.monotonic() + 20
    # Until it is full, and for a while after that. The number is looked at all the time.
    full_since = None
    while time.monotonic() < end and (full_since is None or time.monotonic() < full_since + 3):
        now = waiting(db, user=user)
        seen = max(seen, now)
        assert now <= most, f"{now} wait, {most} may"
        assert db["runs"].count_documents({"group": f"flow/{user}", "final": False, "state": "queued"}) <= most
        if now == most and full_since is None:
            full_since = time.monotonic()
    flood.end()
    assert seen == most, f"it was never full: {seen}; answers {collections_of(flood.codes)}"
    assert len(flood.accepted) == most
    wait_for(lambda: db["jobs"].count_documents({"user": user}) == most + 1, 20, "no stub is left of what was refused")
    print(f"{len(flood.codes)} submissions, {most} let in, answers {collections_of(flood.codes)}")


def collections_of(codes):
    return {c: codes.count(c) for c in sorted(set(codes))}


def test_a_flood_while_an_ingest_is_killed_again_and_again(stack, rest, db, user, blocker, limits):
    most = 20
    limits(f"flow/{user}", max_queued=most)
    known_by_all(stack, limits)
    flood = Flood(stack, ("flow", user), keyed=True)
    seen, kills = 0, 0
    end = time.monotonic() + 20
    next_kill = time.monotonic() + 0.3
    while time.monotonic() < end and kills < 8:
        now = waiting(db, user=user)
        seen = max(seen, now)
        assert now <= most, f"{now} wait, {most} may"
        if time.monotonic() >= next_kill:
            stack["ingest-2"].kill()
            stack["ingest-2"].start()
            kills += 1
            next_kill = time.monotonic() + 0.3
    flood.end()
    assert kills > 0
    wait_for(lambda: db["jobs"].count_documents({"user": user, "stub.claim": {"$exists": True}, "rev": 0}) == 0, 30,
             "no stub that nobody let in is left")
    assert waiting(db, user=user) <= most
    # Whatever a client was told is in, is in.
    for job_id in flood.accepted:
        assert db["jobs"].find_one({"_id": job_id}), job_id
    ledger = wait_for(lambda: db["runs"].count_documents({"group": f"flow/{user}", "state": "queued"}) >= len(flood.accepted), 40,
                      "all that were let in are in the ledger")
    assert ledger and db["runs"].count_documents({"group": f"flow/{user}", "state": "queued"}) <= most
    print(f"{kills} kills, {len(flood.codes)} submissions, {seen} at most, answers {collections_of(flood.codes)}")


def test_a_repeat_takes_the_place_of_a_stub_whose_ingest_died(rest, db, user, make, limits):
    limits(f"flow/{user}", max_queued=5)
    job = make("true")
    job_id = rest.submit(job, key="dead-1")
    rest.end_of(job_id)
    # As it was left before it was decided; the sweep is far.
    stub = db["jobs"].find_one({"_id": job_id})["stub"]
    far = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    db["jobs"].update_one({"_id": job_id}, {"$set": {
        "rev": 0, "state": "accepted", "final": False, "stub": {**stub, "submission": b"of the dead", "next_at": far, "tries": 0,
                                                               "claim": "somebody who died"}}})
    assert rest.get(f"/v1/jobs/{job_id}").status_code == 404
    answer = rest.post(job, key="dead-1")
    assert answer.status_code == 202 and answer.json()["job_id"] == job_id, answer.text
    assert "idempotent-replayed" not in answer.headers
    own = db["jobs"].find_one({"_id": job_id})["stub"]
    assert "claim" not in own and own.get("submission") != b"of the dead"
    db["jobs"].delete_one({"_id": job_id})


def test_a_stub_that_nobody_let_in_is_not_shown_and_goes(rest, db, user, make):
    """As an ingest leaves it that died between the stub and the decision."""
    job_id = rest.submit(make("true", name="model"))
    rest.end_of(job_id)
    model = db["jobs"].find_one({"_id": job_id})
    lost = "00000000-0000-4000-8000-00000000abcd"
    now = model["times"]["accepted"]
    db["jobs"].insert_one({"_id": lost, "rev": 0, "state": "accepted", "final": False, "creator": "flow", "user": user,
                           "group": f"flow/{user}", "name": "lost", "engine": "shell", "code": "x", "times": {"accepted": now},
                           "attempt": 0, "stub": {"submission": b"x", "hash": b"y", "next_at": now, "tries": 0, "claim": "somebody"}})
    assert lost not in {j["job_id"] for j in rest.get("/v1/jobs", user=user).json()["jobs"]}
    for below in ["", "/plan", "/log", "/results", "/results/0"]:
        answer = rest.get(f"/v1/jobs/{lost}{below}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no job {lost}"), below
    wait_for(lambda: db["jobs"].find_one({"_id": lost}) is None, 30, "the sweep took it away")
    assert rest.get(f"/v1/jobs/{lost}").status_code == 404
