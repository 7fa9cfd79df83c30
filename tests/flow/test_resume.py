# SPDX-License-Identifier: Apache-2.0
"""A job of several nodes whose executor is killed (SIGKILL) in the middle: nodes that had finished never run again, their results stay."""
import uuid

import pytest

from harness.direct import planned, submit_planned
from harness.wait import wait_for


@pytest.fixture
def gate(stack):
    path = stack.folder / f"gate-{uuid.uuid4().hex}"
    yield path
    path.touch()


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def killed_in_the_third_node(stack, user, gate, **more):
    """Two nodes finished, the third runs: then the executor dies and comes back. The job's id and the file of what ran."""
    effects = stack.folder / f"effects-{uuid.uuid4().hex}"
    job = planned(user, [
        ("n2", "shell", f"echo n2 $MILLRACE_ATTEMPT >> {effects}; echo from n2"),
        ("n3", "sqlite", "select 1 as a union all select 2"),
        ("n4", "shell", f"echo n4 $MILLRACE_ATTEMPT >> {effects}; echo from n4; while [ ! -e {gate} ]; do sleep 0.05; done"),
        ("n5", "sqlite", "select 'last' as b"),
    ], **more)
    job_id = submit_planned(stack.kafka, job)
    wait_for(lambda: len(lines(effects)) == 2, 30, "the third node runs")
    assert set(stack.db["runs"].find_one({"_id": job_id})["nodes"]) == {"n2", "n3"}
    stack["executor"].kill()
    stack["executor"].start()
    return job_id, effects


def test_finished_nodes_do_not_run_again_and_their_results_stay(stack, user, gate):
    job_id, effects = killed_in_the_third_node(stack, user, gate)
    wait_for(lambda: lines(effects) == ["n2 1", "n4 1", "n4 2"], 60, "the third node runs again, and only that")
    gate.touch()
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert [(r["n"], r["statement"]) for r in job["results"]] == [(0, 1), (1, 3)]
    assert stack.rest.rows(job_id, 0)["rows"] == [[1], [2]]
    assert stack.rest.rows(job_id, 1)["rows"] == [["last"]]
    assert lines(effects) == ["n2 1", "n4 1", "n4 2"]
    assert "n3" in stack.rest.log(job_id).splitlines()[0], "the log says after which node it goes on"
    assert stack.rest.log(job_id).splitlines()[1:] == ["from n4"]
    first = stack.rest.get(f"/v1/jobs/{job_id}/log", attempt=1).json()["text"]
    assert first.splitlines()[0] == "from n2"


def test_with_on_lost_fail_nothing_runs_again(stack, user, gate):
    job_id, effects = killed_in_the_third_node(stack, user, gate, retry={"on_lost": "fail"})
    job = stack.rest.end_of(job_id, 60)
    assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 1, "lost")
    assert lines(effects) == ["n2 1", "n4 1"]


def test_a_retry_goes_on_at_the_node_that_failed(stack, user):
    effects = stack.folder / "again"
    job_id = submit_planned(stack.kafka, planned(user, [
        ("n2", "shell", f"echo n2 >> {effects}"),
        ("n3", "shell", f"echo n3 >> {effects}; [ $MILLRACE_ATTEMPT = 2 ] || exit 7"),
        ("n4", "shell", f"echo n4 >> {effects}"),
    ], retry={"max_attempts": 2, "backoff_ms": 100, "exit_codes": [7]}))
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    assert lines(effects) == ["n2", "n3", "n3", "n4"]


def test_a_cancel_between_nodes_ends_the_job(stack, user, gate):
    effects = stack.folder / "cancelled"
    job_id = submit_planned(stack.kafka, planned(user, [
        ("n2", "shell", f"echo n2 >> {effects}; while [ ! -e {gate} ]; do sleep 0.05; done"),
        ("n3", "shell", f"echo n3 >> {effects}"),
    ]))
    wait_for(lambda: lines(effects) == ["n2"], 30, "the first node runs")
    stack.rest.cancel(job_id)
    job = stack.rest.end_of(job_id)
    assert job["state"] == "cancelled"
    assert lines(effects) == ["n2"]
