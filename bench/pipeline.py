# SPDX-License-Identifier: Apache-2.0
"""Millrace itself, as ./run bench started it: noop jobs by REST one after the other, a drain of jobs that lie in
jobs.submitted already, and the memory of each stage."""
import http.client
import json
import os
import signal
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pymongo

from harness import avro, settings
from harness.clients import FINAL
from harness.kafka import Kafka
from harness.wait import wait_for

RATE_PER_S = 50
LATENCY_JOBS = 1000
DRAIN_JOBS = 20_000
GROUPS = 200
LOOK_S = 0.5  # between two looks at the drain: each count reads all its documents in the store
STAGES = ["ingest", "converter", "planner", "executor", "collector"]
URL = urlsplit(os.environ.get("MILLRACE_URL", "http://127.0.0.1:8420"))


def pid_of(stage):
    return int((settings.VAR / "run" / f"{stage}.pid").read_text())


def memory_kb():
    """Resident memory of each stage: VmRSS, which counts shared libraries fully; RssAnon is what is the stage's own."""
    found = {}
    for stage in STAGES:
        with open(f"/proc/{pid_of(stage)}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        found[stage] = {"rss_kb": int(fields["VmRSS"].split()[0]), "own_kb": int(fields["RssAnon"].split()[0])}
    return found


class Api:
    """One kept connection, on the standard library: little of the client's own time in the figures."""

    def __init__(self):
        self.connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=30)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


class Watcher(threading.Thread):
    """Notes when each job's final state is readable. It hears of the end on jobs.events and then asks REST for the document,
    again and again, until that says so: the moment of that answer counts."""

    def __init__(self, kafka, creator, count):
        super().__init__(daemon=True)
        self.reader = kafka.reader("jobs.events", from_end=True)
        self.creator = creator
        self.count = count
        self.readable_at = {}
        self.states = set()
        self.failure = None

    def run(self):
        try:
            api = Api()
            end = time.monotonic() + 120
            while len(self.readable_at) < self.count and time.monotonic() < end:
                message = self.reader.poll(0.2)
                if message is not None and message.key().startswith(self.creator.encode() + b"/"):
                    event = avro.decode("JobEvent", message.value())
                    if event["phase"] in FINAL and event["job_id"] not in self.readable_at:
                        self.look(api, event["job_id"])
        except Exception as e:
            self.failure = e

    def look(self, api, job_id):
        def final():
            status, job = api.ask("GET", f"/v1/jobs/{job_id}")
            return status == 200 and job["state"] in FINAL and job

        job = wait_for(final, 20, f"the document of {job_id} is final", 0)
        self.readable_at[job_id] = time.perf_counter()
        self.states.add(job["state"])


def latency(kafka):
    """Submit (before the request is sent) to final state readable, at a steady rate; in milliseconds."""
    creator = f"bench-{uuid.uuid4().hex[:8]}"
    watcher = Watcher(kafka, creator, LATENCY_JOBS)
    watcher.start()
    api = Api()
    sent = {}
    accepted = []
    began = time.perf_counter()
    for n in range(LATENCY_JOBS):
        due = began + n / RATE_PER_S
        time.sleep(max(0, due - time.perf_counter()))
        job = {"creator": creator, "user": f"u{n % GROUPS}", "engine": "noop", "code": "noop"}
        at = time.perf_counter()
        status, answer = api.ask("POST", "/v1/jobs", json.dumps(job))
        assert status == 202, answer
        sent[answer["job_id"]] = at
        accepted.append((time.perf_counter() - at) * 1000)
    rate = LATENCY_JOBS / (time.perf_counter() - began)
    watcher.join(120)
    assert watcher.failure is None, watcher.failure
    assert watcher.readable_at.keys() == sent.keys(), f"{len(watcher.readable_at)} of {len(sent)} jobs ended"
    assert watcher.states == {"succeeded"}, watcher.states
    return {"accepted_ms": accepted, "final_ms": [(watcher.readable_at[i] - sent[i]) * 1000 for i in sent],
            "rate_per_s": rate}


def submit_all(kafka, creator):
    for n in range(DRAIN_JOBS):
        job = {"creator": creator, "user": f"u{n % GROUPS}", "engine": "noop", "code": "noop"}
        kafka.produce("jobs.submitted", avro.encode("JobSubmitted", job), f"{creator}/u{n % GROUPS}", wait=False)
    kafka.flush()


def cpu_seconds():
    """Processor time used so far by each stage and each server that is a process of this machine; PostgreSQL with its children."""
    tick = os.sysconf("SC_CLK_TCK")
    stats = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # state ppid ... utime is the 12th after the name, then stime, cutime, cstime
        stats[int(pid)] = (int(fields[1]), sum(map(int, fields[11:15])) / tick)
    used = {}
    for name in [*STAGES, "kafka", "ferretdb", "postgres"]:
        try:
            root = pid_of(name)
        except OSError:
            continue  # a container
        used[name] = sum(s for pid, (parent, s) in stats.items() if root in (pid, parent))
    return used


def ended_by_events(kafka, reader, creator):
    """When the last job had ended, by the broker's clock; asserts that all did. Read afterwards, so that it costs the drain
    nothing."""
    prefix = creator.encode() + b"/"
    last = {}
    for message in reader.read_to_end(120):
        if message.key().startswith(prefix):
            event = avro.decode("JobEvent", message.value())
            if event["phase"] in FINAL:
                assert event["phase"] == "succeeded", event
                last.setdefault(event["job_id"], message.timestamp()[1])
    assert len(last) == DRAIN_JOBS, f"{len(last)} of {DRAIN_JOBS} jobs ended"
    return max(last.values()) / 1000


def drain(kafka):
    """All jobs lie in jobs.submitted while the converter is held (SIGSTOP); the clock runs from the moment it goes on."""
    creator = f"drain-{uuid.uuid4().hex[:8]}"
    reader = kafka.reader("jobs.events", from_end=True)
    jobs = pymongo.MongoClient(settings.MONGO_URI)["millrace"]["jobs"]
    converter = pid_of("converter")
    os.kill(converter, signal.SIGSTOP)
    try:
        submit_all(kafka, creator)
        before = cpu_seconds()
    finally:
        began, began_utc = time.perf_counter(), time.time()
        os.kill(converter, signal.SIGCONT)
    wait_for(lambda: jobs.count_documents({"creator": creator, "final": True}) == DRAIN_JOBS, 200, "all documents are final", LOOK_S)
    documents_s = time.perf_counter() - began
    after = cpu_seconds()
    return {"events_per_s": DRAIN_JOBS / (ended_by_events(kafka, reader, creator) - began_utc),
            "documents_per_s": DRAIN_JOBS / documents_s,
            "cpu_us_per_job": {n: round((after[n] - before[n]) / DRAIN_JOBS * 1e6) for n in before}}


def measure():
    kafka = Kafka(os.environ.get("MILLRACE_TOPIC_PREFIX", ""))
    try:
        found = {"memory_idle": memory_kb()}
        found.update(latency(kafka))
        found["drain"] = drain(kafka)
        found["memory_after"] = memory_kb()
        return found
    finally:
        kafka.close()
