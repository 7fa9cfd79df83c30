# SPDX-License-Identifier: Apache-2.0
"""The plan of a job as people see it: GET /v1/jobs/{id}/plan and `millrace plan`. Trees that only the planner and the executor of several
strategies make are told by hand here: events as an executor sends them, in whatever order."""
import uuid

import pytest

from harness import direct
from harness.wait import wait_for

SECOND = 1000


def leaf(node_id, engine="shell", **more):
    return {"id": node_id, "kind": "exec", "engine": engine, "code_type": "sql" if engine == "sqlite" else "shell", "code": "x",
            "statement": 0, "retry": 1, **more}


def tree(kind, *leaves):
    return [{"id": "n1", "kind": kind, "children": [n["id"] for n in leaves]}, *leaves]


class Story:
    """A job that is told by hand, second by second."""

    def __init__(self, stack, user, nodes):
        self.stack = stack
        self.job = {**direct.converted(user, "x"), "nodes": nodes}
        self.job_id = self.job["job_id"]
        self.began = direct.now_ms() - 100 * SECOND

    def tell(self, second, phase, **more):
        direct.tell(self.stack.kafka, self.job, phase, self.began + second * SECOND, **more)

    def node(self, second, node, state, node_try=1, **more):
        self.tell(second, "node", node=node, node_state=state, node_try=node_try, **more)

    def plan(self):
        answer = self.stack.rest.get(f"/v1/jobs/{self.job_id}/plan")
        return answer.json() if answer.status_code == 200 else None

    def states(self):
        return {n["id"]: n["state"] for n in (self.plan() or {"nodes": []})["nodes"]}

    def wait_for(self, **states):
        expected = {k.replace("_retry", ".retry"): v for k, v in states.items()}
        wait_for(lambda: self.states() == expected or (_ for _ in ()).throw(AssertionError(self.states())), 30, f"nodes are {expected}")
        return {n["id"]: n for n in self.plan()["nodes"]}


def sql_error(node):
    return {"code": "engine_error", "class": "engine", "message": "no such table x", "node": node}


@pytest.fixture
def story(stack, user):
    def make(*nodes):
        s = Story(stack, user, list(nodes))
        s.tell(0, "accepted")
        s.tell(1, "planned")
        return s

    return make


def test_each_node_has_its_state_time_and_reason(stack, story):
    s = story(*tree("all", leaf("n2"), leaf("n3", "sqlite", target="main", retry=3, after=["n2"]), leaf("n4")))
    assert s.wait_for(n1="waiting", n2="waiting", n3="waiting", n4="waiting")["n3"]["after"] == ["n2"]
    # An end may be heard of before its beginning.
    s.node(12, "n2", "succeeded")
    s.tell(2, "started")
    for n in ["n1", "n2", "n4"]:
        s.node(10, n, "running")
    s.node(13, "n3", "running")
    s.wait_for(n1="running", n2="succeeded", n3="running", n4="running")
    s.node(14, "n3", "retrying", reason="1 of 3 tries failed", error=sql_error("n3"), next_at=s.began + 20 * SECOND)
    nodes = s.wait_for(n1="running", n2="succeeded", n3_retry="running", n3="retrying", n4="running")
    assert nodes["n1"]["children"] == ["n2", "n3.retry", "n4"]
    retry = nodes["n3.retry"]
    assert (retry["kind"], retry["children"], retry["try"], retry["retry"], retry["after"]) == ("retry", ["n3"], 1, 3, ["n2"])
    assert nodes["n3"]["error"]["message"] == "no such table x" and nodes["n3"]["reason"] == "1 of 3 tries failed"
    assert "code" not in nodes["n3"]
    s.node(20, "n3", "running", 2)
    s.node(21, "n3", "failed", 2, error=sql_error("n3"))
    s.node(21, "n4", "cancelled", reason="n3 failed")
    s.node(21, "n1", "failed")
    s.tell(22, "failed", error=sql_error("n3"))
    nodes = s.wait_for(n1="failed", n2="succeeded", n3_retry="failed", n3="failed", n4="cancelled")
    assert nodes["n3"]["started"] < nodes["n3"]["at"] and nodes["n3"]["try"] == 2
    shown = stack.cli("plan", s.job_id, LC_ALL="C.UTF-8")
    assert shown.returncode == 0, shown
    lines = [" ".join(x.split()) for x in shown.stdout.splitlines()]
    # The job may be heard of as failed a moment later: its own line is looked at below.
    assert lines[1:] == [
        "n1 all failed 11s",
        "|- n2 exec shell succeeded 2s",
        "|- n3.retry retry failed 2 of 3 tries; after n2",
        "| `- n3 exec sqlite@main failed 1s engine_error: no such table x",
        "`- n4 exec shell cancelled 11s n3 failed",
    ], shown.stdout
    assert stack.rest.job(s.job_id)["state"] == "failed"
    first = stack.cli("plan", s.job_id).stdout.splitlines()[0]
    assert first == f"{s.job_id} failed, pool default: engine_error: no such table x"
    assert stack.cli.json("plan", s.job_id) == s.plan()


def test_what_failed_is_told_once(stack, story):
    s = story(leaf("n1", retry=2))
    s.tell(2, "started")
    s.node(2, "n1", "running")
    s.node(3, "n1", "retrying", reason="try 1 of 2 failed: engine_error: no such table x", error=sql_error("n1"), next_at=s.began)
    s.wait_for(n1_retry="running", n1="retrying")
    line = stack.cli("plan", s.job_id).stdout.splitlines()[2]
    assert " ".join(line.split()).startswith("`- n1 exec shell retrying 1s try 1 of 2 failed: engine_error: no such table x; next try"), line


def test_why_it_was_cancelled_is_told_once(stack, rest, user):
    retry = {"max_attempts": 3, "backoff_ms": 60000, "max_backoff_ms": 60000, "exit_codes": [3]}
    job_id = direct.submit_converted(stack.kafka, direct.converted(user, "exit 3", retry=retry))
    wait_for(lambda: stack.db["jobs"].count_documents({"_id": job_id, "state": "queued", "attempt": 1}), 20, "it waits for its next attempt")
    assert stack.cli("cancel", job_id, "--reason", "wrong table").returncode == 0
    assert rest.end_of(job_id)["state"] == "cancelled"
    assert stack.cli("plan", job_id).stdout.splitlines()[1].count("wrong table") == 1


def test_what_ran_goes_on_in_the_next_attempt(story):
    s = story(*tree("sequence", leaf("n2"), leaf("n3", retry=5)))
    s.tell(2, "started")
    s.node(2, "n1", "running")
    s.node(2, "n2", "running")
    s.node(3, "n2", "succeeded")
    s.node(3, "n3", "running")
    s.wait_for(n1="running", n2="succeeded", n3="running")
    s.tell(5, "lost", reason="its executor is gone")
    s.wait_for(n1="waiting", n2="succeeded", n3="waiting")
    s.tell(6, "started", attempt=2)
    s.node(6, "n1", "running", attempt=2)
    s.node(6, "n3", "running", attempt=2)
    nodes = s.wait_for(n1="running", n2="succeeded", n3="running")
    assert (nodes["n2"]["attempt"], nodes["n3"]["attempt"], nodes["n3"]["try"]) == (1, 2, 1)


def test_each_try_keeps_its_events(stack, story):
    s = story(leaf("n1", retry=3))
    s.tell(2, "started")
    for n in range(1, 4):
        s.node(2 * n, "n1", "running", n)
        s.node(2 * n + 1, "n1", "retrying" if n < 3 else "succeeded", n, next_at=s.began if n < 3 else None)
    s.wait_for(n1_retry="succeeded", n1="succeeded")
    wait_for(lambda: stack.db["job_events"].count_documents({"job_id": s.job_id, "phase": "node"}) == 6, 30, "six events are kept")
    assert stack.db["job_events"].find_one({"_id": f"{s.job_id}/1/node/n1/2/retrying"})["node_try"] == 2
    document = stack.db["jobs"].find_one({"_id": s.job_id})
    assert document["plan"]["nodes"][0]["try"] == 3 and "next_at" not in document["plan"]["nodes"][0]


def test_a_job_that_another_one_ran_for(stack, story):
    other = str(uuid.uuid4())
    s = story(*tree("sequence", leaf("n2"), leaf("n3")))
    s.tell(2, "started")
    s.tell(3, "succeeded", cached_from=other)
    nodes = s.wait_for(n1="skipped", n2="skipped", n3="skipped")
    assert nodes["n1"]["reason"] == f"the results of job {other} serve"
    assert s.plan()["cached_from"] == stack.rest.job(s.job_id)["cached_from"] == other


def test_a_job_of_one_leaf(stack, rest, make):
    job = rest.run(make("echo hi"))
    (node,) = rest.get(f"/v1/jobs/{job['job_id']}/plan").json()["nodes"]
    assert node["state"] == "succeeded" and node["started"] <= node["at"]
    failed = rest.run(make("exit 3"))
    plan = rest.get(f"/v1/jobs/{failed['job_id']}/plan").json()
    assert plan["nodes"][0]["state"] == "failed" and plan["nodes"][0]["error"]["code"] == plan["error"]["code"]


def test_a_job_of_several_leaves(stack, rest, user):
    """The executor as it is; the plan is made by hand."""
    job = direct.planned(user, [("n2", "sqlite", "select 1"), ("n3", "sqlite", "select * from nothing"), ("n4", "shell", "true")])
    direct.tell(stack.kafka, job, "planned")
    direct.submit_planned(stack.kafka, job)

    def known():
        answer = rest.get(f"/v1/jobs/{job['job_id']}/plan")
        assert answer.status_code == 200
        nodes = answer.json()["nodes"]
        assert [n["state"] for n in nodes] == ["failed", "succeeded", "failed", "skipped"], nodes
        return nodes

    nodes = wait_for(known, 30, "all nodes are known")
    assert nodes[0]["kind"] == "sequence" and "nothing" in nodes[2]["error"]["message"]


def test_a_job_without_a_plan(stack, rest, make, user):
    accepted = direct.converted(user, "x")
    direct.tell(stack.kafka, accepted, "accepted")
    wait_for(lambda: rest.get(f"/v1/jobs/{accepted['job_id']}/plan").status_code == 200, 30, "it has a document")
    plan = rest.get(f"/v1/jobs/{accepted['job_id']}/plan").json()
    assert (plan["state"], plan["final"], plan["nodes"]) == ("accepted", False, [])
    assert stack.cli("plan", accepted["job_id"]).stdout == f"{accepted['job_id']} accepted: it has no plan yet\n"
    stack.kafka.submit_json(make("x", engine="nope", idempotency_key=uuid.uuid4().hex))
    rejected = wait_for(
        lambda: stack.db["jobs"].find_one({"user": user, "state": "rejected"}), 30, "it is rejected")["_id"]
    plan = rest.get(f"/v1/jobs/{rejected}/plan").json()
    assert (plan["nodes"], plan["final"], plan["error"]["code"]) == ([], True, "unknown_engine")
    assert "unknown_engine" in stack.cli("plan", rejected).stdout


@pytest.mark.parametrize("job_id", [str(uuid.uuid4()), "nothing"])
def test_no_such_job(stack, rest, job_id):
    answer = rest.get(f"/v1/jobs/{job_id}/plan")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert stack.cli("plan", job_id).returncode == 7


def test_a_wrong_query(rest):
    assert rest.get(f"/v1/jobs/{uuid.uuid4()}/plan", tree="yes").status_code == 400
