# SPDX-License-Identifier: Apache-2.0
"""Plans as they travel: JobConverted in; JobPlanned on its pool's topic, the event, and the document out. The group is held, so that nothing of
it starts (but for one test): what is looked at is the planner's work alone. The planner has manifests of its own, with a group of equals."""
import collections
import json
import os
import subprocess

import pytest

from harness import avro, settings
from harness.direct import converted, order, submit_converted
from harness.wait import wait_for

ENGINES = {
    "shell": {"code_types": ["shell"], "targets": []},
    "postgres": {"code_types": ["sql"], "targets": {"lake": {}, "warehouse": {"any_of": {"w1": 3, "w2": 1}}}},
}
ROUTES = "team=finance pool/fast target/postgres@lake; tier=gold pool/fast"


@pytest.fixture(scope="module")
def engines_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    for name, more in ENGINES.items():
        (folder / name).mkdir()
        (folder / name / "engine.json").write_text(json.dumps({"engine": name, "command": ["true"], **more}))
    return folder


@pytest.fixture(scope="module")
def stack_options(engines_dir):
    return {"env": {"MILLRACE_POOLS": "default,fast"},
            "stage_env": {"planner": {"MILLRACE_ENGINES_DIR": str(engines_dir), "MILLRACE_ROUTES": ROUTES}}}


class Planned:
    """What the planner sends: jobs by id, with their topic."""

    def __init__(self, stack):
        self.stack = stack
        self.reader = stack.kafka.reader("jobs.planned", "jobs.planned.fast", "jobs.events")
        self.jobs, self.events = {}, {}

    def poll(self):
        message = self.reader.poll()
        if message is None:
            return
        topic = message.topic().removeprefix(self.stack.prefix)
        if topic == "jobs.events":
            event = avro.decode("JobEvent", message.value())
            if event["phase"] == "planned":
                self.events[event["job_id"]] = event
        else:
            job = avro.decode("JobPlanned", message.value())
            self.jobs[job["job_id"]] = (topic, job)

    def of(self, job_id):
        def both():
            self.poll()
            topic, job = self.jobs.get(job_id, (None, None))
            told = job is not None and (job["error"] is not None or job_id in self.events)
            return (topic, job) if told else None

        return wait_for(both, 30, f"{job_id} is planned", 0)


@pytest.fixture(scope="module")
def planned(stack):
    return Planned(stack)


@pytest.fixture
def plan(stack, planned, user):
    """Sends a job through the planner; its group is held. Returns topic and JobPlanned, and has compared the event with it."""
    order(stack.db, "hold", f"flow/{user}")

    def run(code="select 1", **more):
        job = {**converted(user, code), "engine": "postgres", "code_type": "sql", **more}
        topic, found = planned.of(submit_converted(stack.kafka, job))
        if found["error"] is None:
            event = planned.events[found["job_id"]]
            assert event["plan"] == {k: found[k] for k in ("pool", "nodes", "cache")}
            assert event["times"]["planned"] is not None and event["stage"] == "planner"
        return topic, found

    yield run
    stack.db["cancels"].delete_one({"_id": f"hold:flow/{user}"})


def parts(**after):
    """parts(a="", b="a"): parts of a text of three bytes each."""
    code = "".join(f"{name};\n" for name in after)
    statements = [{"index": n, "text": None, "offset": 3 * n, "length": 1, "first_line": n + 1, "part": name} for n, name in enumerate(after)]
    made = [{"id": name, "engine": "postgres", "target": None, "code_type": "sql", "code": "", "after": a.split(), "strategy": None}
            for name, a in after.items()]
    return {"code": code, "statements": statements, "parts": made}


def shown(job):
    """kind(child child), leaves as [part:]target, ids of those before as <n2>."""
    nodes = {n["id"]: n for n in job["nodes"]}

    def show(n):
        part = f"{n['part']}:" if n["part"] else ""
        text = f"{n['kind']}({' '.join(show(nodes[c]) for c in n['children'])})" if n["children"] else part + (n["target"] or "-")
        return text + (f"<{','.join(n['after'])}>" if n["after"] else "")

    return show(job["nodes"][0])


SHAPES = [
    ("one", {}, "-"),
    ("race", {"strategy": {"kind": "race", "targets": ["lake", "postgres@w1"]}}, "race(lake w1)"),
    ("all", {"strategy": {"kind": "all", "targets": ["lake", "w1", "w2"]}}, "all(lake w1 w2)"),
    ("fallback", {"strategy": {"kind": "fallback", "targets": ["w2", "w1"]}}, "fallback(w2 w1)"),
    ("single", {"strategy": {"kind": "single", "targets": ["lake"]}}, "lake"),
    ("one session", parts(a="", b="a", c="b"), "a+b+c:-"),
    ("a graph", parts(a="", b="a", c="a", d="b c"), "all(a:- b:-<n2> c:-<n2> d:-<n3,n4>)"),
    ("a chain", {**parts(a="", b="a"), "retry": {"max_attempts": 1, "backoff_ms": 1, "max_backoff_ms": 1, "on_lost": "retry", "node_attempts": 3}},
     "sequence(a:- b:-)"),
]


@pytest.mark.parametrize("more,wanted", [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_a_plan_is_in_record_event_and_document(stack, rest, plan, more, wanted):
    topic, job = plan(**more)
    assert (topic, shown(job)) == ("jobs.planned", wanted)
    doc = wait_for(lambda: (rest.job(job["job_id"]) or {}).get("plan"), 30, "the document has the plan")
    assert [(n["id"], n["kind"], n.get("children", []), n.get("after", []), n.get("part"), n.get("retry", 0)) for n in doc["nodes"]] == [
        (n["id"], n["kind"], n["children"], n["after"], n["part"], n["retry"]) for n in job["nodes"]]


GOALS = [
    ("a route to pool and target", {"team": "finance"}, "jobs.planned.fast", "lake"),
    ("a route to a pool", {"tier": "gold"}, "jobs.planned.fast", "-"),
    ("no route", {"team": "other"}, "jobs.planned", "-"),
    ("the label target", {"target": "w2"}, "jobs.planned", "w2"),
    ("the label pool", {"pool": "fast", "target": "lake"}, "jobs.planned.fast", "lake"),
]


@pytest.mark.parametrize("labels,topic,wanted", [g[1:] for g in GOALS], ids=[g[0] for g in GOALS])
def test_labels_send_a_job_to_pool_and_target(plan, labels, topic, wanted):
    found, job = plan(labels=labels)
    assert (found, job["pool"], shown(job)) == (topic, topic.removeprefix("jobs.planned").strip(".") or "default", wanted)


def test_a_target_that_there_is_not_is_refused_for_people_to_read(stack, rest, plan):
    _, job = plan(labels={"target": "sea"})
    assert job["error"]["code"] == "unknown_target" and job["nodes"] == []
    assert job["error"]["message"].startswith("labels.target: engine 'postgres' has no target 'sea'; known: lake, warehouse, w1, w2")
    doc = rest.wait_state(job["job_id"], "rejected")
    assert doc["error"]["code"] == "unknown_target"


def test_parts_in_a_circle_are_refused(rest, plan):
    _, job = plan(**parts(a="b", b="a"))
    assert job["error"]["code"] == "bad_parts"
    assert rest.wait_state(job["job_id"], "rejected")["error"]["message"].startswith("part 'a' waits for itself")


def test_equals_share_the_jobs_and_a_job_keeps_its_own(stack, planned, plan, user):
    jobs = [{**converted(user, "select 1"), "engine": "postgres", "code_type": "sql", "target": "warehouse"} for _ in range(200)]
    for job in jobs:
        submit_converted(stack.kafka, job)
    first = {job["job_id"]: shown(planned.of(job["job_id"])[1]) for job in jobs}
    counts = collections.Counter(first.values())
    assert set(counts) == {"w1", "w2"} and 110 < counts["w1"] < 190, counts
    # Planned again, as after a crash of the planner.
    planned.jobs.clear()
    for job in jobs:
        submit_converted(stack.kafka, job)
    assert {job["job_id"]: shown(planned.of(job["job_id"])[1]) for job in jobs} == first


def test_equal_jobs_have_one_key_for_cached_results(plan):
    cached = {"labels": {"cache": "10m"}}
    keys = [plan(**cached, target="warehouse")[1]["cache"] for _ in range(4)]
    assert len({k["key"] for k in keys}) == 1 and {k["ttl_ms"] for k in keys} == {600_000} and len(keys[0]["key"]) == 64
    others = [plan(**cached)[1], plan("select 2", **cached, target="warehouse")[1], plan(**cached, target="warehouse", variables={"a": "1"})[1]]
    assert len({k["cache"]["key"] for k in others} | {keys[0]["key"]}) == 4
    assert plan(target="warehouse")[1]["cache"] is None


def test_a_job_with_the_label_cache_runs_once(stack, rest, make, user):
    """By REST through all stages; the names of the two jobs differ, their work does not."""
    effects = stack.folder / f"effects-{user}"
    code = f"echo ran >> {effects}"
    first = rest.run(make(code, labels={"cache": "1h"}, name="first"))
    key = first["plan"]["cache"]["key"]
    wait_for(lambda: stack.db["cached"].find_one({"_id": key, "job": first["job_id"]}), 30, "the results are kept")
    second = rest.run(make(code, labels={"cache": "1h", "more": "labels"}, name="second"))
    assert (first["state"], second["state"]) == ("succeeded", "succeeded") and second["plan"]["cache"]["key"] == key
    assert effects.read_text() == "ran\n"
    told = [e["cached_from"] for _, e in stack.kafka.events() if e["job_id"] == second["job_id"] and e["phase"] == "succeeded"]
    assert told == [first["job_id"]]
    assert rest.run(make(code + " # changed", labels={"cache": "1h"}))["plan"]["cache"]["key"] != key
    assert effects.read_text() == "ran\n" * 2


WRONG = [
    ("team=x pool/slow", "'slow' is no pool"),
    ("team=x target/postgres@sea", "'postgres@sea' is no target"),
    ("team=x", "decides nothing"),
]


@pytest.mark.parametrize("routes,wanted", WRONG)
def test_a_wrong_route_ends_the_start(stack, engines_dir, routes, wanted):
    env = {**os.environ, **stack["planner"].env, "MILLRACE_ROUTES": routes, "MILLRACE_HTTP_PORT": "0"}
    done = subprocess.run([settings.BIN / "millrace-planner"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and wanted in done.stderr, done.stderr
