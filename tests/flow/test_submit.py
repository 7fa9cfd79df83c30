# SPDX-License-Identifier: Apache-2.0
"""What a client that submits and asks can rely on: idempotency keys, many at once, lists with filters and pages."""
import concurrent.futures
import json
import uuid

import pytest

from harness.wait import wait_for


def test_the_same_key_and_payload_are_the_same_job(rest, stack, make):
    effects = stack.folder / "once"
    job = make(f"echo ran >> {effects}")
    first = rest.post(job, key="k-1")
    again = rest.post(job, key="k-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["job_id"] == again.json()["job_id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    rest.end_of(first.json()["job_id"])
    assert rest.post(job, key="k-1").json()["state"] == "succeeded"
    assert effects.read_text() == "ran\n"


def test_the_same_key_with_another_payload_is_a_conflict(rest, make):
    first = rest.submit(make("echo one"), key="k-2")
    answer = rest.post(make("echo two"), key="k-2")
    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_conflict"
    assert answer.json()["job_id"] == first
    assert rest.end_of(first)["state"] == "succeeded"
    assert rest.log(first) == "one\n"


def test_the_same_key_of_another_user_is_another_job(rest, make):
    job = make("echo mine")
    assert rest.submit(job, key="k-3") != rest.submit({**job, "user": "someone-else"}, key="k-3")


def test_a_key_holds_after_ingest_was_killed_and_started_again(rest, stack, make):
    job = make("echo still the same")
    first = rest.submit(job, key="k-4")
    stack["ingest"].kill()
    stack["ingest"].start()
    assert rest.submit(job, key="k-4") == first
    assert rest.post(make("echo other"), key="k-4").status_code == 409
    assert rest.end_of(first)["state"] == "succeeded"


def test_many_clients_with_one_key_make_one_job(rest, stack, make):
    effects = stack.folder / "race"
    job = make(f"echo ran >> {effects}")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: rest.submit(job, key="k-5"), range(24)))
    assert len(ids) == 1
    rest.end_of(ids.pop())
    assert effects.read_text() == "ran\n"


def test_the_key_may_stand_in_the_body(rest, make):
    job = make("echo body", idempotency_key="k-6")
    assert rest.submit(job) == rest.submit(job)
    assert rest.post(job, key="another").status_code == 400


def test_a_repeat_by_kafka_with_a_key_is_one_job(rest, kafka, db, stack, make, user):
    effects = stack.folder / "kafka-once"
    job = make(f"echo ran >> {effects}", idempotency_key="k-7")
    kafka.submit_avro(job)
    kafka.submit_json(job)
    last = rest.submit(make("echo the last of the group"))
    rest.end_of(last)
    assert effects.read_text() == "ran\n"
    assert wait_for(lambda: db["jobs"].count_documents({"user": user, "final": True}) == 2, 20, "both have ended")
    # By REST the same key is the same job as well.
    assert rest.submit(job) in {d["_id"] for d in db["jobs"].find({"user": user})}


def test_the_answer_names_the_job_and_the_document_is_there_at_once(rest, make, user):
    answer = rest.post(make("echo at once"))
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{body['job_id']}"
    assert body["group"] == f"flow/{user}"
    assert rest.get(answer.headers["location"]).status_code == 200


def ndjson(rest, lines):
    return rest.http.post("/v1/jobs", content="\n".join(lines), headers={"content-type": "application/x-ndjson"})


def test_many_jobs_in_one_request(rest, make):
    answer = ndjson(rest, [json.dumps(make(f"echo {i}")) for i in range(50)])
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["refused"]) == (50, 0)
    assert [j["line"] for j in body["jobs"]] == list(range(1, 51))
    ids = [j["job_id"] for j in body["jobs"]]
    assert len(set(ids)) == 50
    done = [rest.end_of(i) for i in ids]
    assert {d["state"] for d in done} == {"succeeded"}
    started = [d["times"]["started"] for d in done]
    assert started == sorted(started), "the jobs of a group start in the order of the lines"


def test_bad_lines_among_many_are_told_and_harm_nobody(rest, make):
    good = json.dumps(make("echo good"))
    answer = ndjson(rest, [good, "{oops", "", json.dumps(make("echo x", engine="nope")), good])
    assert answer.status_code == 207
    jobs = answer.json()["jobs"]
    assert [(j["line"], j["status"]) for j in jobs] == [(1, 202), (2, 400), (4, 422), (5, 202)]
    assert jobs[1]["code"] == "bad_json"
    assert jobs[2]["errors"][0]["code"] == "unknown_engine"
    for i in (0, 3):
        assert rest.end_of(jobs[i]["job_id"])["state"] == "succeeded"


@pytest.fixture(scope="module")
def listed(stack):
    """Five jobs of a creator of their own: ids, oldest first."""
    ids = []
    for i, (engine, code) in enumerate([("noop", "x"), ("shell", "exit 1"), ("shell", "true"), ("noop", "x"), ("noop", "x")]):
        job = {"creator": "lister", "user": f"u{i % 2}", "name": f"n{i}", "engine": engine, "code": code}
        ids.append(stack.rest.submit(job))
        stack.rest.end_of(ids[-1])
    return ids


@pytest.mark.parametrize(("query", "expected"), [
    ({}, [4, 3, 2, 1, 0]),
    ({"user": "u1"}, [3, 1]),
    ({"group": "lister/u0"}, [4, 2, 0]),
    ({"engine": "noop"}, [4, 3, 0]),
    ({"state": "failed"}, [1]),
    ({"state": "failed,succeeded", "engine": "shell"}, [2, 1]),
    ({"state": "running"}, []),
    ({"name": "n2"}, [2]),
    ({"user": "nobody"}, []),
    ({"until": "2001-01-01T00:00:00Z"}, []),
    ({"since": "2001-01-01T00:00:00Z"}, [4, 3, 2, 1, 0]),
])
def test_jobs_are_listed_newest_first_and_filtered(rest, listed, query, expected):
    answer = rest.get("/v1/jobs", creator="lister", total="true", **query)
    assert answer.status_code == 200, answer.text
    assert [j["job_id"] for j in answer.json()["jobs"]] == [listed[i] for i in expected]
    assert answer.json()["total"] == len(expected)


def test_a_list_is_read_page_by_page(rest, listed):
    seen, cursor = [], {}
    while True:
        page = rest.get("/v1/jobs", creator="lister", limit=2, **cursor).json()
        seen += [j["job_id"] for j in page["jobs"]]
        assert len(page["jobs"]) <= 2
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == list(reversed(listed))


@pytest.mark.parametrize("query", [
    {"limit": "0"}, {"limit": "many"}, {"state": "asleep"}, {"cursor": "zz"}, {"since": "yesterday"}, {"colour": "red"},
    {"user": "x" * 300}])
def test_a_bad_query_is_told(rest, query):
    answer = rest.get("/v1/jobs", **query)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_query"
    assert next(iter(query)) in answer.text


def test_a_job_that_waits_says_for_what(rest, stack, make):
    gate = stack.folder / "gate-waits"
    first = rest.submit(make(f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    rest.wait_state(first, "running")
    second = rest.submit(make("echo second"))
    waiting = wait_for(lambda: rest.job(second).get("waiting_for", {}).get("job_id") and rest.job(second)["waiting_for"], 20,
                       "the second says what it waits for")
    assert waiting == {"kind": "job", "job_id": first, "state": "running", "position": 1}
    gate.touch()
    assert rest.end_of(second)["state"] == "succeeded"
    assert "waiting_for" not in rest.job(second)


def test_a_job_id_in_upper_case_is_the_same_job(rest, make):
    job_id = rest.submit(make("echo id"))
    assert rest.get(f"/v1/jobs/{job_id.upper()}").json()["job_id"] == job_id
    assert rest.get(f"/v1/jobs/{uuid.uuid4()}").status_code == 404
