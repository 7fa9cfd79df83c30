# SPDX-License-Identifier: Apache-2.0
"""A schema registry that goes away: the executor waits with the record that needs it, in place, and goes on when it is back."""
import http.server
import io
import json
import re
import struct
import threading

import fastavro
import pytest

from harness import avro
from harness.direct import order, planned, ring
from harness.wait import wait_for


class Registry:
    """As much of a Confluent-compatible registry as Millrace asks. `away`: it answers 503."""

    def __init__(self):
        self.texts = []
        self.away = False
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = re.fullmatch(r"/schemas/ids/(\d+)", self.path)
                n = int(found[1]) if found else 0
                self.answer({"schema": registry.texts[n - 1]} if 1 <= n <= len(registry.texts) else None)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer({"id": registry.add(body["schema"])})

            def answer(self, value):
                status = 503 if registry.away else 200 if value else 404
                body = json.dumps(value or {"message": "no"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, text):
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def registry():
    r = Registry()
    yield r
    r.close()


@pytest.fixture(scope="module")
def stack_options(registry):
    return {"env": {"MILLRACE_SCHEMA_REGISTRY_URL": registry.url}}


def foreign(registry, job, number):
    """A JobPlanned by another program, whose schema has a text of its own."""
    schema = {**avro.schemas["JobPlanned"].raw, "doc": f"number {number}"}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), job)
    return b"\0" + struct.pack(">I", registry.add(json.dumps(schema))) + out.getvalue()


def produce(stack, value, job):
    stack.kafka.produce("jobs.planned", value, f"{job['creator']}/{job['user']}", [("job", job["job_id"].encode())])


def test_all_of_it_works_with_a_registry(rest, make):
    job = rest.run(make("echo hello"))
    assert job["state"] == "succeeded"
    assert rest.log(job["job_id"]) == "hello\n"


def test_a_record_that_can_not_be_read_now_is_read_later(stack, registry, rest, user):
    executor = stack["executor"]
    effects = stack.folder / "registry"
    jobs = [planned(user, [("n2", "shell", f"echo {n} >> {effects}")]) for n in range(3)]
    said = len(executor.text())
    registry.away = True
    for n, job in enumerate(jobs):
        produce(stack, foreign(registry, job, n), job)
    wait_for(lambda: executor.text()[said:].count("event=registry_away") >= 2, 30, "it asks again and again")
    assert executor.alive() and executor.probe("/healthz") == 200
    assert stack.db["runs"].count_documents({"_id": {"$in": [j["job_id"] for j in jobs]}}) == 0
    registry.away = False
    assert [rest.end_of(j["job_id"])["state"] for j in jobs] == ["succeeded"] * 3
    assert effects.read_text().split() == ["0", "1", "2"]
    assert not stack.kafka.dead()


def test_a_started_job_waits_for_the_registry(stack, registry, rest, user):
    """Its payload comes from the ledger, and nobody in this process has read its schema yet."""
    executor = stack["executor"]
    job = planned(user, [("n2", "shell", "echo at last")], limits={"queue_timeout_ms": 600_000})
    hold = order(stack.db, "hold", f"flow/{user}")
    ring(stack.kafka, "hold", group=f"flow/{user}")
    produce(stack, foreign(registry, job, 9), job)
    wait_for(lambda: stack.db["runs"].find_one({"_id": job["job_id"]}), 30, "it is in the ledger")
    stack.kafka.wait_committed("executor", "jobs.planned")  # or the next one reads the record again, and learns its schema
    executor.kill()
    executor.start()  # it needs the registry for what it writes
    said = len(executor.text())
    registry.away = True
    stack.db["cancels"].delete_one({"_id": hold})
    ring(stack.kafka, "release", group=f"flow/{user}")
    wait_for(lambda: executor.text()[said:].count("event=registry_away") >= 2, 30, "it asks again and again")
    assert executor.alive() and executor.probe("/healthz") == 200
    assert stack.db["runs"].find_one({"_id": job["job_id"]})["state"] == "running"
    assert stack.db["job_events"].count_documents({"job_id": job["job_id"], "phase": "started"}) == 0
    registry.away = False
    assert rest.end_of(job["job_id"])["state"] == "succeeded"
    assert rest.log(job["job_id"]) == "at last\n"


def test_an_executor_that_starts_without_its_registry_waits(stack, registry, rest, make):
    executor = stack["executor"]
    assert executor.stop() == 0
    registry.away = True
    said = len(executor.text())
    executor.start(wait=False)
    wait_for(lambda: "waiting for the schema registry" in executor.text()[said:], 30, "it says that it waits")
    assert executor.probe("/readyz") == 503 and executor.probe("/healthz") == 200
    registry.away = False
    executor.wait_ready()
    assert rest.run(make("echo here"))["state"] == "succeeded"
