# SPDX-License-Identifier: Apache-2.0
"""Dry runs: what would come of a submission is told by the converter's and the planner's own code, nothing is written, and Kafka is not
needed."""
import concurrent.futures
import json
import shutil
import time

import httpx
import pytest

from harness import avro, settings
from harness.held_mongo import HeldMongo
from harness.wait import wait_for

SETTINGS = {"MILLRACE_LIMITS_RUN_TIMEOUT": "2h", "MILLRACE_MOST_RUN_TIMEOUT": "3h", "MILLRACE_RETRY_BACKOFF": "7s",
            "MILLRACE_TIMEZONE": "Pacific/Kiritimati", "MILLRACE_POOLS": "default,empty"}


@pytest.fixture(scope="module")
def relay(servers):
    r = HeldMongo(settings.MONGO_PORT, "instances")
    yield r
    r.close()


@pytest.fixture(scope="module")
def stack_options(tmp_path_factory, relay):
    """Engines as they are, but sqlite has targets. Ingest may be left without an answer about executors."""
    engines = tmp_path_factory.mktemp("engines")
    for manifest in (settings.BUILD / "engines").glob("*/engine.json"):
        shutil.copytree(manifest.parent, engines / manifest.parent.name, ignore=shutil.ignore_patterns("CMakeFiles"))
    told = json.loads((engines / "sqlite" / "engine.json").read_text())
    (engines / "sqlite" / "engine.json").write_text(json.dumps({**told, "targets": ["left", "right"]}))
    return {"env": {**SETTINGS, "MILLRACE_ENGINES_DIR": str(engines)}, "stage_env": {"ingest": {"MILLRACE_MONGO_URI": relay.uri}}}


@pytest.fixture
def try_out(rest):
    """(status, body) of a dry run."""
    def post(job, **headers):
        answer = rest.http.post("/v1/jobs", params={"dry_run": "true"}, json=job, headers=headers)
        return answer.status_code, answer.json()

    return post


@pytest.fixture
def nothing_written(stack, user):
    """At the end nothing of the test's group is in the documents or on a topic."""
    group = f"flow/{user}"
    reader = stack.kafka.reader("jobs.submitted", "jobs.converted", "jobs.planned", "jobs.events", "jobs.dead", from_end=True)
    yield
    assert group.encode() not in {m.key() for m in reader.read_to_end()}
    for name in ("jobs", "job_events", "runs"):
        assert stack.db[name].count_documents({"group": group}) == 0, name


def test_a_job_that_would_run(nothing_written, try_out, make):
    code = "select ${n};\nselect '${day}', '${nobody}'"
    status, body = try_out(make(code, engine="sqlite", variables={"n": 7, "day": "monday"}))
    assert status == 200, body
    assert (body["dry_run"], body["accepted"], body["errors"]) == (True, True, [])
    assert [s["text"] for s in body["code"]] == ["select 7", "select 'monday', '${nobody}'"]
    assert [(s["statement"], s["first_line"], s["part"]) for s in body["code"]] == [(0, 1, None), (1, 2, None)]
    assert body["variables"] == {"used": {"n": "7", "day": "monday"}, "left": ["nobody"]}
    assert body["warnings"] == ["${nobody} stays as it is: no variable is named nobody"]
    assert body["plan"]["pool"] == "default" and body["plan"]["nodes"][0]["id"] == "n1"
    leaves = [n["id"] for n in body["plan"]["nodes"] if n["kind"] == "exec"]
    assert [w["node"] for w in body["where"]] == leaves
    assert body["where"][0]["engine"] == "sqlite" and body["where"][0]["executors"] == 1
    assert "job_id" not in body["job"] and body["job"]["code"] == code


def planned_of(reader, job_id):
    message = reader.poll()
    record = avro.decode("JobPlanned", message.value()) if message is not None else None
    return record if record and record["job_id"] == job_id else None


JOBS = {
    "plain": {"code": "echo ${run_date_std-1} ${x}", "labels": {"tier": "gold"}, "retry": {"max_attempts": 2}},
    "statements": {"engine": "sqlite", "code": "select 1;\nselect '${x}'", "labels": {"cache": "10m"}},
    "parts": {"parts": [{"id": "load", "code": "echo ${x}", "engine": "shell"}, {"id": "look", "code": "select 2", "after": ["load"]},
                        {"id": "count", "code": "select 3", "after": ["load"]}], "engine": "sqlite", "code": ""},
    "sessions": {"engine": "sqlite", "code": "select 1;\nselect '${x}'", "conf": {"session": "statement"}},
    "a process of its own": {"code": "echo", "labels": {"executeOnce": "true"}},
    "race": {"code": "select '${x}'", "engine": "sqlite", "strategy": {"kind": "race", "targets": ["left", "sqlite@right"]}},
}


@pytest.mark.parametrize("what", JOBS)
def test_it_is_what_comes_of_it(stack, rest, try_out, make, what):
    """The converted job and the plan, field by field, with the settings of this stack."""
    job = {**make("x", variables={"x": "y"}), **JOBS[what]}
    reader = stack.kafka.reader("jobs.planned", from_end=True)
    status, body = try_out(job)
    assert status == 200, body
    job_id = rest.submit(job)
    record = wait_for(lambda: planned_of(reader, job_id), 30, "the job is planned", 0)
    for field in ("conf", "variables", "labels", "limits", "retry", "engine", "code_type", "code", "name"):
        expected = {k: v for k, v in record[field].items() if v not in (None, [])} if isinstance(record[field], dict) else record[field]
        assert body["job"].get(field, type(expected)()) == expected, field
    assert (body["job"]["limits"]["run_timeout_ms"], body["job"]["retry"]["backoff_ms"]) == (7_200_000, 7000)
    assert [(s["index"], s["part"], s["first_line"]) for s in record["statements"]] == [
        (s["statement"], s["part"], s["first_line"]) for s in body["code"]]
    for ran, told in zip(record["statements"], body["code"]):
        assert ran["text"] in (None, told["text"])
    shown = [{k: v for k, v in n.items() if k != "code" and v not in (None, [])} for n in record["nodes"]]
    assert body["plan"]["nodes"] == shown
    assert (body["plan"]["pool"], body["plan"].get("cache")) == (record["pool"], record["cache"])
    assert body["warnings"] == record["warnings"]


REFUSED = {
    "by ingest": ({"engine": "nope"}, {"field": "engine", "code": "unknown_engine"}),
    "by a setting that all have": ({"limits": {"run_timeout_ms": 3 * 3600_000 + 1}}, {"field": "limits.run_timeout_ms", "code": "bad_value"}),
    "by the converter": ({"timezone": "Nowhere/Here"}, {"field": "timezone", "code": "unknown_timezone"}),
    "by a variable": ({"code": "echo 1\necho ${n/0}", "variables": {"n": 5}}, {"code": "bad_variable", "line": 2, "column": 6}),
    "by a line that makes parts": ({"engine": "sqlite", "code": "select 1;\n--@part b after=c\nselect 2"},
                                   {"field": "code", "code": "bad_parts", "line": 2}),
    "by a setting that no engine has": ({"conf": {"color": "red"}}, {"field": "conf.color", "code": "unknown_field"}),
    "by the planner": ({"labels": {"pool": "nowhere"}}, {"code": "unknown_pool"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_job_that_would_be_refused(nothing_written, try_out, make, what):
    changes, expected = REFUSED[what]
    status, body = try_out({**make("echo hi"), **changes})
    assert (status, body["dry_run"], body["accepted"], body["plan"], body["where"]) == (422, True, False, None, [])
    (error,) = body["errors"]
    assert expected.items() <= error.items() and error["detail"], error


def test_what_is_no_submission_is_answered_as_always(rest, make):
    for content, status in [(b"{", 400), (json.dumps(make("x", color=1)).encode(), 400), (b" " * 2_000_000, 413)]:
        dry, wet = (rest.http.post("/v1/jobs" + query, content=content, headers={"content-type": "application/json"})
                    for query in ("?dry_run=true", ""))
        assert (dry.status_code, dry.json()["code"], dry.json().get("errors")) == (status, wet.json()["code"], wet.json().get("errors"))
    many = rest.http.post("/v1/jobs?dry_run=true", content=b"{}\n{}", headers={"content-type": "application/x-ndjson"})
    assert (many.status_code, many.json()["code"]) == (400, "bad_query") and "one job" in many.json()["detail"]
    assert rest.http.post("/v1/jobs?dry_run=perhaps", json={}).status_code == 400
    assert rest.http.post("/v1/jobs?dry_run=false", json=make("true")).status_code == 202


def test_an_idempotency_key_is_not_used_up(rest, try_out, make):
    status, body = try_out(make("echo one"), **{"Idempotency-Key": "the-key"})
    assert status == 200, body
    answer = rest.post(make("echo another"), key="the-key")
    assert answer.status_code == 202 and "idempotent-replayed" not in answer.headers


def test_limits_and_defaults_count_at_once(rest, try_out, make, user):
    group = f"flow/{user}"
    limit = {"forbidden_sql": ["drop"], "row_limit": 5}
    assert rest.http.put(f"/v1/limits/{group}", json=limit).status_code == 200
    assert rest.http.put(f"/v1/defaults/{group}", json={"variables": {"region": "north"}}).status_code == 200
    status, body = try_out(make("select '${region}' from t", engine="sqlite"))
    assert status == 200 and body["variables"]["used"] == {"region": "north"}, body
    assert "'north'" in body["code"][0]["text"] and "limit 5" in body["code"][0]["text"].lower()
    assert any("row limit" in w for w in body["warnings"])
    status, body = try_out(make("select 1;\n drop table a;\ndrop table b", engine="sqlite"))
    assert status == 422 and [(e["code"], e["rule"], e["line"], e["column"]) for e in body["errors"]] == [
        ("forbidden_code", "drop", 2, 2), ("forbidden_code", "drop", 3, 1)]
    assert rest.http.delete(f"/v1/limits/{group}").status_code == 200
    assert try_out(make("drop table a", engine="sqlite"))[0] == 200


def test_a_full_queue_is_told_and_refuses_nothing(rest, try_out, make, user):
    assert rest.http.put(f"/v1/limits/flow/{user}", json={"max_queued": 0}).status_code == 200
    status, body = try_out(make("echo hi"))
    assert status == 200 and len(body["warnings"]) == 1 and "max_queued of flow/" in body["warnings"][0], body
    assert rest.post(make("echo hi")).status_code == 429


def test_a_pool_where_nobody_lives(try_out, make):
    status, body = try_out(make("echo hi", labels={"pool": "empty"}))
    assert status == 200 and body["where"] == [
        {"node": "n1", "engine": "shell", "target": None, "pool": "empty", "executors": 0}], body


def test_the_command_line(nothing_written, stack, user):
    words = ["submit", "--dry-run", "-u", user, "-c", "flow", "-e", "sqlite", "--var", "n=7"]
    shown = stack.cli(*words, "select ${n};\nselect '${nobody}'")
    assert shown.returncode == 0, shown
    lines = [" ".join(x.split()) for x in shown.stdout.splitlines()]
    assert lines[0] == "it would run in pool default, where 1 executor lives"
    assert lines[1].startswith("n1 ") and "exec sqlite" in shown.stdout
    assert "1 select 7" in lines and "2 select '${nobody}'" in lines
    assert "${n} 7" in lines and "${nobody} (stays as it is)" in lines
    assert lines[-1] == "warning: ${nobody} stays as it is: no variable is named nobody"
    refused = stack.cli(*words, "select ${n/0}")
    assert (refused.returncode, refused.stdout) == (5, ""), refused
    assert refused.stderr.splitlines()[0] == "millrace: the job would be refused" and "(bad_variable)" in refused.stderr
    assert stack.cli.json(*words, "select 1")["accepted"] is True
    assert stack.cli(*words, "--wait", "select 1").returncode == 2
    assert stack.cli(*words, "--label", "a b=1", "select 1").returncode == 5


def test_the_command_line_names_strategies(nothing_written, stack, user):
    words = ["submit", "--dry-run", "-u", user, "-c", "flow", "-e", "sqlite", "select 1"]
    use = ["--strategy", "fallback", "--strategy-target", "left", "--strategy-target", "sqlite@right", "--node-attempts", "3"]
    told = stack.cli.json(*words, *use)
    assert told["job"]["strategy"] == {"kind": "fallback", "targets": ["left", "sqlite@right"]}, told
    assert told["job"]["retry"]["node_attempts"] == 3 and [n["kind"] for n in told["plan"]["nodes"]] == ["fallback", "exec", "exec"]
    lines = stack.cli(*words, *use).stdout.splitlines()
    assert [" ".join(x.split()) for x in lines[1:4]] == ["n1 fallback", "|- n2 exec sqlite@left", "`- n3 exec sqlite@right"]
    refused = stack.cli(*words, "--strategy-target", "left")
    assert refused.returncode == 2 and "--strategy" in refused.stderr


def test_the_command_line_tells_of_the_cache(nothing_written, stack, user):
    shown = stack.cli("submit", "--dry-run", "-u", user, "-c", "flow", "-e", "sqlite", "--label", "cache=10m", "select 1")
    assert shown.stdout.splitlines()[1] == "label cache: if the same ran within the last 10m, its results serve and nothing runs", shown


def test_the_command_line_tells_the_place(stack, rest, user):
    """As the error of the job would, had it been submitted."""
    rest.http.put(f"/v1/limits/flow/{user}", json={"forbidden_sql": ["drop"]})
    words = ["submit", "-u", user, "-c", "flow", "-e", "sqlite", "select 1;\n--@part b\nselect 2;\n drop table a"]
    where = "part b, line 4, column 2: rule drop: drop: "
    dry = stack.cli(*words, "--dry-run")
    assert dry.stderr.splitlines()[-1].startswith(f"millrace:   {where}"), dry
    # The converter reads limits anew every two seconds: until then the job fails by itself.
    wet = wait_for(lambda: (done := stack.cli(*words, "--wait")).returncode == 5 and done, 30, "the converter knows the rule")
    assert f"forbidden_code: {where}" in wet.stderr, wet
    rest.http.delete(f"/v1/limits/flow/{user}")


def test_many_at_once_share_one_wait_for_a_store_that_does_not_answer(stack, relay, make, user):
    """None waits until all before it have waited. Executors are not known then, and the count of what waits is not tried any more."""
    at_once = 24

    def post(_):
        with httpx.Client(trust_env=False, timeout=60) as http:
            answer = http.post(stack["ingest"].url + "/v1/jobs?dry_run=true", json=make("echo hi"))
            return answer.status_code, answer.json()

    assert stack.rest.http.put(f"/v1/limits/flow/{user}", json={"max_queued": 5}).status_code == 200
    relay.hold()
    try:
        wait_for(lambda: post(0)[1]["where"][0]["executors"] is None, 30, "what was known of executors is too old")
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(post, range(at_once)))
        took = time.monotonic() - began
    finally:
        relay.let_go()
    assert {status for status, _ in answers} == {200}
    assert {body["where"][0]["executors"] for _, body in answers} == {None}
    assert {w for _, body in answers for w in body["warnings"]} == {
        f"max_queued of flow/{user} was not looked at: the document store does not answer"}
    assert took < 15, f"{took:.1f} s"
    wait_for(lambda: post(0)[1]["where"][0]["executors"] == 1, 30, "they are known again", 0.2)


def test_it_works_while_kafka_is_away(stack, servers, try_out, make):
    servers.kill("kafka")
    try:
        wait_for(lambda: stack["ingest"].probe("/readyz") == 503, 60, "ingest knows")
        status, body = try_out(make("echo ${run_date}"))
        assert status == 200 and body["accepted"] and body["where"][0]["executors"] == 1, body
        assert httpx.post(stack["ingest"].url + "/v1/jobs", json=make("echo hi"), trust_env=False, timeout=30).status_code == 503
        assert stack.db["jobs"].count_documents({"user": make("")["user"]}) == 0
    finally:
        servers.start("kafka")
    stack.wait_ready()
