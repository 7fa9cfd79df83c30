# SPDX-License-Identifier: Apache-2.0
"""Who runs when: one at a time and in order inside a group, groups independent of each other, as many at once as there are
slots; and statements of a job one after the other."""
import itertools
import time
import uuid

import pytest

from harness import avro
from harness.wait import wait_for

SLOTS = 4


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"executor": {"MILLRACE_SLOTS": str(SLOTS)}}}


class Gate:
    """A file that jobs wait for."""

    def __init__(self, path):
        self.path = path
        self.code = f"while [ ! -e {path} ]; do sleep 0.05; done"

    def open(self):
        self.path.touch()


@pytest.fixture
def gate(stack):
    g = Gate(stack.folder / f"gate-{uuid.uuid4().hex}")
    yield g
    g.open()


def test_jobs_of_a_group_run_one_at_a_time_in_order(rest, stack, make):
    effects = stack.folder / "fifo"
    ids = [rest.submit(make(f"echo begin {i} >> {effects}; sleep 0.05; echo end {i} >> {effects}")) for i in range(12)]
    done = [rest.end_of(i) for i in ids]
    assert {d["state"] for d in done} == {"succeeded"}
    assert effects.read_text().splitlines() == [f"{what} {i}" for i in range(12) for what in ("begin", "end")]
    for a, b in itertools.pairwise(d["times"] for d in done):
        assert a["finished"] <= b["started"]


def test_jobs_by_rest_and_by_kafka_share_the_line(rest, kafka, stack, make):
    effects = stack.folder / "mixed"
    ids = []
    for i in range(9):
        job = make(f"echo {i} >> {effects}")
        if i % 3 == 0:
            ids.append(rest.submit(job))
        else:
            ids.append(str(uuid.uuid4()))
            submit = kafka.submit_json if i % 3 == 1 else kafka.submit_avro
            submit({"job_id": ids[-1], **job})
    for i in ids:
        assert rest.end_of(i)["state"] == "succeeded"
    assert effects.read_text().split() == [str(i) for i in range(9)]


def test_a_job_that_fails_does_not_stop_its_group(rest, make):
    ids = [rest.submit(make(code)) for code in ("exit 1", "kill -9 $$", "echo fine")]
    assert [rest.end_of(i)["state"] for i in ids] == ["failed", "failed", "succeeded"]


def test_a_group_does_not_wait_for_another(rest, gate, make, user):
    blocked = rest.submit(make(gate.code))
    rest.wait_state(blocked, "running")
    for i in range(3):
        other = {**make("echo free"), "user": f"{user}-{i}"}
        assert rest.run(other)["state"] == "succeeded"
    assert rest.job(blocked)["state"] == "running"
    gate.open()
    assert rest.end_of(blocked)["state"] == "succeeded"


def test_as_many_jobs_run_at_once_as_there_are_slots(rest, gate, make, user):
    ids = [rest.submit({**make(gate.code), "user": f"{user}-{i}"}) for i in range(SLOTS + 2)]

    def states():
        found = [rest.job(i)["state"] for i in ids]
        return found if found.count("running") == SLOTS and found.count("queued") == 2 else None

    wait_for(states, 30, f"{SLOTS} run and 2 wait")
    gate.open()
    done = [rest.end_of(i) for i in ids]
    assert {d["state"] for d in done} == {"succeeded"}
    moments = sorted([(d["times"]["started"], 1) for d in done] + [(d["times"]["finished"], -1) for d in done])
    assert max(itertools.accumulate(step for _, step in moments)) == SLOTS


def converted(user, **more):
    now = int(time.time() * 1000)
    return {"job_id": str(uuid.uuid4()), "creator": "flow", "user": user, "submitter": user,
            "origin": {"partition": 0, "offset": 0, "timestamp": now}, "times": {"accepted": now, "converted": now},
            "limits": {"queue_timeout_ms": 0, "run_timeout_ms": 60_000, "max_log_bytes": 1_000_000, "max_result_rows": 1000},
            "retry": {"max_attempts": 1, "backoff_ms": 1000, "max_backoff_ms": 1000, "on_lost": "retry"},
            "conf": {"session": "statement"}, **more}


def statements(*texts):
    return [{"index": i, "text": text, "offset": 0, "length": 0, "first_line": i + 1} for i, text in enumerate(texts)]


def submit_converted(kafka, job):
    kafka.produce("jobs.converted", avro.encode("JobConverted", job), f"{job['creator']}/{job['user']}",
                  [("job", job["job_id"].encode())])
    return job["job_id"]


def test_statements_of_a_job_run_one_after_the_other(rest, kafka, user):
    job_id = submit_converted(kafka, converted(user, engine="shell", code_type="shell", code="",
                                               statements=statements("echo one", "echo two", "echo three")))
    assert rest.end_of(job_id)["state"] == "succeeded"
    assert rest.log(job_id) == "one\ntwo\nthree\n"


def test_a_statement_that_fails_ends_the_sequence(rest, kafka, user):
    job_id = submit_converted(kafka, converted(user, engine="shell", code_type="shell", code="",
                                               statements=statements("echo one", "exit 4", "echo never")))
    job = rest.end_of(job_id)
    assert job["state"] == "failed"
    assert job["exit_code"] == 4
    assert job["error"]["statement"] == 1
    assert rest.log(job_id) == "one\n"


def test_each_statement_gives_its_results(rest, kafka, user):
    job_id = submit_converted(kafka, converted(user, engine="sqlite", code_type="sql", code="",
                                               statements=statements("select 1 as a", "select 2 as b")))
    job = rest.end_of(job_id)
    assert job["state"] == "succeeded"
    assert [(r["n"], r["statement"]) for r in job["results"]] == [(0, 0), (1, 1)]
    assert rest.rows(job_id, 0)["rows"] == [[1]]
    assert rest.rows(job_id, 1)["rows"] == [[2]]
