# SPDX-License-Identifier: Apache-2.0
"""HTTP manners of ingest and of every other program: methods, paths, media types, sizes, health."""
import json
import time
from pathlib import Path

import httpx
import pytest

from harness.stages import NAMES as STAGES
from harness.wait import wait_for

PROBLEM = "application/problem+json"


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith(PROBLEM)
    body = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["title"] and body["detail"]
    return body


def test_head_is_answered_like_get_without_a_body(rest, make):
    job_id = rest.submit(make("echo head"))
    rest.end_of(job_id)
    for path in (f"/v1/jobs/{job_id}", "/v1/jobs", "/healthz", "/metrics", "/version"):
        answer = rest.http.head(path)
        assert answer.status_code == 200, path
        assert answer.content == b""
        assert answer.headers["content-type"] == rest.get(path).headers["content-type"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/jobz", "/v2/jobs", "/v1/jobs/", "/v1/jobs/x/y/z", "/../etc/passwd",
                                  "/v1/jobs/%00", "/%2e%2e/%2e%2e/etc/passwd"])
def test_an_unknown_path_is_not_found(rest, path):
    assert rest.get(path).status_code in (400, 404), path


@pytest.mark.parametrize("job_id", ["00000000-0000-4000-8000-000000000000", "not-a-uuid", "%F0%9F%90%A2", "1" * 3000])
@pytest.mark.parametrize("rest_of_path", ["", "/log", "/results", "/results/0"])
def test_an_unknown_job_is_not_found(rest, job_id, rest_of_path):
    answer = rest.get(f"/v1/jobs/{job_id}{rest_of_path}")
    problem(answer, 404, "not_found")


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("DELETE", "/v1/jobs", {"GET", "HEAD", "POST"}), ("PUT", "/v1/jobs", {"GET", "HEAD", "POST"}),
    ("POST", "/v1/jobs/00000000-0000-4000-8000-000000000000", {"GET", "HEAD"}),
    ("GET", "/v1/jobs/00000000-0000-4000-8000-000000000000/cancel", {"POST"}),
    ("POST", "/healthz", {"GET", "HEAD"}), ("BREW", "/v1/jobs", {"GET", "HEAD", "POST"})])
def test_another_method_is_refused_and_the_right_ones_are_named(rest, method, path, allowed):
    answer = rest.http.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert allowed <= {m.strip() for m in answer.headers["allow"].split(",")}


def test_options_names_the_methods(rest):
    answer = rest.http.options("/v1/jobs")
    assert answer.status_code in (200, 204)
    assert {"GET", "POST"} <= {m.strip() for m in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_another_media_type_is_refused(rest, make, media_type):
    answer = rest.http.post("/v1/jobs", content=json.dumps(make("echo x")), headers={"content-type": media_type})
    detail = problem(answer, 415, "unsupported_media_type")["detail"]
    assert "content-type: application/json, or application/x-ndjson for many" in detail and media_type in detail
    answer = rest.http.post("/v1/jobs/cancel", content="{}", headers={"content-type": media_type})
    detail = problem(answer, 415, "unsupported_media_type")["detail"]
    assert "content-type: application/json;" in detail and media_type in detail


def test_the_driver_of_the_store_leaves_no_shared_memory(stack):
    """Its counters: nobody reads them, a program that is killed leaves them for ever, and where they can't be made it complains."""
    for stage in stack.stages:
        # Its own: an older process of the same number may have left a file.
        assert "/dev/shm/mongoc-" not in Path(f"/proc/{stage.pid}/maps").read_text(), stage.label


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_by_any_of_its_names_is_taken(rest, make, media_type):
    answer = rest.http.post("/v1/jobs", content=json.dumps(make("echo x")), headers={"content-type": media_type})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("size", [1_100_000, 10_000_000, 20_000_000])
def test_a_body_that_is_too_large_is_refused(rest, make, size):
    try:
        problem(rest.post(make("x" * size)), 413, "too_large")
    except httpx.WriteError:
        # The server may answer and close before it has read so much.
        assert size > 10_000_000
    assert rest.run(make("echo still here"))["state"] == "succeeded"


def test_a_body_where_none_belongs_is_refused(rest):
    answer = rest.http.request("GET", "/v1/jobs", content=b"x" * 100_000)
    assert answer.status_code in (400, 413)


def test_every_answer_has_a_request_id(rest):
    made = rest.get("/v1/jobs").headers["x-request-id"]
    assert made and made != rest.get("/v1/jobs").headers["x-request-id"]
    assert rest.http.get("/v1/jobs", headers={"X-Request-Id": "mine-7"}).headers["x-request-id"] == "mine-7"
    odd = rest.http.get("/v1/jobs", headers={"X-Request-Id": "<script>" * 100}).headers["x-request-id"]
    assert "<" not in odd


@pytest.mark.parametrize("name", STAGES)
def test_every_program_tells_its_health_and_its_figures(stack, name):
    stage = stack[name]
    assert stage.probe("/healthz") == 200
    assert stage.probe("/readyz") == 200
    version = httpx.get(stage.url + "/version", trust_env=False).json()
    assert version["version"]
    metrics = httpx.get(stage.url + "/metrics", trust_env=False)
    assert metrics.headers["content-type"].startswith("text/plain")
    names = {line.split("{")[0].split(" ")[0] for line in metrics.text.splitlines() if line and line[0] != "#"}
    assert any(n.startswith(f"millrace_{name}_") for n in names), names
    assert "flow" not in metrics.text, "no creator or user in labels"


@pytest.mark.parametrize(("server", "variable", "address", "setting"), [
    ("kafka", "MILLRACE_KAFKA_BROKERS", "127.0.0.1:1", "kafka.brokers"),
    ("mongodb", "MILLRACE_MONGO_URI", "mongodb://127.0.0.1:1/?directConnection=true", "mongo.uri")])
def test_a_program_that_starts_without_a_server_says_once_which_and_that_it_goes_on_asking(stack, server, variable, address, setting):
    stage = stack["collector"]
    assert stage.stop() == 0
    env, said = stage.env, len(stage.text())
    stage.env = {**env, variable: address}

    def lines():
        return [x for x in stage.text()[said:].splitlines() if f"waiting for {server}" in x]

    try:
        stage.start(wait=False)
        began = time.monotonic()
        [line] = wait_for(lines, 30, "it says that it waits")
        assert "127.0.0.1:1" in line and f"setting={setting}" in line and "asked again and again" in line, line
        answer = httpx.get(stage.url + "/readyz", timeout=5, trust_env=False)
        assert answer.status_code == 503 and server in answer.json()["detail"] and setting in answer.json()["detail"]
        assert stage.probe("/healthz") == 200
        wait_for(lambda: time.monotonic() > began + 8, 20, "it has asked several times")
        assert len(lines()) == 1
        assert stage.stop() == 0
    finally:
        stage.env = env
        stage.start()
