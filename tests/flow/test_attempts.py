# SPDX-License-Identifier: Apache-2.0
"""What a document says of a job that is tried several times. Only the collector runs here; the events are made by hand, in the order
of their happening and in others."""
import random
import uuid

import pytest

from harness import avro
from harness.wait import wait_for

GROUP = "flow/attempts"
T0 = 1_800_000_000_000
ORIGIN = {"partition": 0, "offset": 1, "timestamp": T0}


@pytest.fixture(scope="module")
def collector(unstarted):
    unstarted["collector"].start()
    return unstarted


def event(job_id, phase, attempt, at, instance="x1", **more):
    return {"job_id": job_id, "group": GROUP, "origin": ORIGIN, "attempt": attempt, "phase": phase, "at": T0 + at,
            "stage": "executor", "instance": instance, **more}


def error(message):
    return {"code": "sql_error", "class": "engine", "message": message}


def result(attempt):
    return {"n": 0, "name": "r", "kind": "text", "path": f"2027-01-15/{attempt}/0-r.txt", "format": "txt", "bytes": 3}


def history(job_id):
    """Failed and tried again, lost, then well."""
    return [
        event(job_id, "queued", 0, 0),
        event(job_id, "started", 1, 10),
        event(job_id, "retrying", 1, 20, reason="the error is retryable", next_at=T0 + 1020, error=error("deadlock"),
              exit_code=75, results=[result(1)], log={"bytes": 11, "lines": 1}),
        event(job_id, "started", 2, 1030),
        event(job_id, "lost", 2, 5000, instance="x2", reason="its executor was lost", error=error("lost")),
        event(job_id, "started", 3, 5010, instance="x2"),
        event(job_id, "succeeded", 3, 6000, instance="x2", exit_code=0, results=[result(3)],
              log={"bytes": 33, "lines": 3}),
    ]


def send(stack, events):
    for e in events:
        stack.kafka.produce("jobs.events", avro.encode("JobEvent", e), GROUP)


def document(stack, job_id, **wanted):
    """The document once its fields have these values (None: they are not there)."""
    def there():
        doc = stack.db["jobs"].find_one({"_id": job_id})
        assert doc and all(doc.get(k) == v for k, v in wanted.items()), doc
        return doc

    return wait_for(there, 30, f"the document of {job_id} has {wanted}")


def ms(date):
    return round(date.timestamp() * 1000) - T0


def test_a_document_tells_of_each_attempt(collector):
    job_id = str(uuid.uuid4())
    queued, started, retrying, *rest = history(job_id)
    send(collector, [queued, started])
    doc = document(collector, job_id, state="running")
    assert [(a["n"], ms(a["started"]), a["instance"]) for a in doc["attempts"]] == [(1, 10, "x1")]
    assert "ended" not in doc["attempts"][0]

    send(collector, [retrying])
    doc = document(collector, job_id, state="queued", reason="the error is retryable")
    assert ms(doc["retry_at"]) == 1020
    assert not {"error", "exit_code", "log"} & set(doc) and not doc.get("results")
    (first,) = doc["attempts"]
    assert (first["phase"], ms(first["ended"]), first["error"]["message"], first["exit_code"]) == ("retrying", 20, "deadlock", 75)
    assert first["results"][0]["path"] == result(1)["path"] and first["log"]["bytes"] == 11

    send(collector, rest[:1])
    doc = document(collector, job_id, state="running", retry_at=None, reason=None)
    assert doc["attempts"][0] == first and doc["attempt"] == 2

    send(collector, rest[1:2])
    doc = document(collector, job_id, state="queued", retry_at=None, reason="its executor was lost")
    assert (doc["attempts"][1]["instance"], doc["attempts"][1]["ended_by"]) == ("x1", "x2")

    send(collector, rest[2:])
    doc = document(collector, job_id, state="succeeded", reason=None, exit_code=0)
    assert doc["final"] and "error" not in doc
    assert doc["results"][0]["path"] == result(3)["path"] and doc["log"]["bytes"] == 33
    assert [a["phase"] for a in doc["attempts"]] == ["retrying", "lost", "succeeded"]
    assert doc["attempts"][0] == first
    assert doc["rev"] <= 7  # never more than one write for an event


def test_any_order_gives_the_same_document(collector):
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    shuffle = random.Random(seed).shuffle
    documents = []
    for _ in range(6):
        job_id = str(uuid.uuid4())
        events = history(job_id)
        shuffle(events)
        send(collector, events + events[:2])
        # The last event of the partition: when it shows, all before it are folded.
        send(collector, [event(job_id, "progress", 3, 5900, instance="x2", progress=0.5)])
        wait_for(lambda j=job_id: (collector.db["jobs"].find_one({"_id": j}) or {}).get("fold", {}).get("progress") == 0.5,
                 30, "all is folded")
        doc = document(collector, job_id, state="succeeded")
        del doc["_id"], doc["rev"]
        documents.append(doc)
    assert all(doc == documents[0] for doc in documents[1:])
    assert [a["n"] for a in documents[0]["attempts"]] == [1, 2, 3]
