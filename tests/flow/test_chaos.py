# SPDX-License-Identifier: Apache-2.0
"""Everything is killed, frozen and restarted while jobs flow, and every promise holds. Three minutes, or as long as
MILLRACE_CHAOS_MINUTES says (./run chaos --minutes N --seed S). A failure prints the seed, the schedule and what was done.

The checker itself is tested first: a table of bad histories, each of which one rule must find."""
import copy
import json
import os
import random
import shutil

import pytest

from chaos import check, figures, plans, schedule
from chaos.load import Cancel, Job, Load
from chaos.trouble import Trouble
from harness import avro, settings
from harness import servers as server_list
from harness.stages import NAMES as STAGES
from harness.wait import TooLate

MINUTES = float(os.environ.get("MILLRACE_CHAOS_MINUTES", "3"))
SEED = int(os.environ.get("MILLRACE_CHAOS_SEED") or random.randrange(10**6))
QUIET_S = 55  # of the time: start, the end of all jobs, the check
TROUBLE_S = max(30.0, MINUTES * 60 - QUIET_S)
GROUPS = 60
ROUNDS = max(10, round(TROUBLE_S * 50 / 125))  # 3,000 jobs in three minutes
FINAL_LIMIT_S = 600
LEASE = {"MILLRACE_LEASE_RENEW": "500ms", "MILLRACE_LEASE_HOLD": "4s", "MILLRACE_LEASE_WATCH": "6s", "MILLRACE_DRAIN": "1s",
         "MILLRACE_GRACE": "500ms"}


# ---- the checker ----

def good_history():
    """Two jobs of a group succeed; the second one's first attempt was killed. A third was cancelled before it started. In other groups
    are two with plans, whose first attempts were killed in the last node, and in the one before it."""
    jobs = [Job("a", "g", 0), Job("b", "g", 1), Job("c", "g", 2), Job("p", "s", 0, "strategies"), Job("q", "t", 0, "tries")]
    lines = [(0, 1, "start"), (0, 1, "end"), (1, 1, "start"), (1, 2, "start"), (1, 2, "end")]
    strategies = [(0, 1, w) for w in ("n2.start", "n2.end", "n4.start", "n5.start", "n7.start", "n7.end", "n8.start", "n5.end", "n8.end",
                                      "n9.start")] + [(0, 2, "n9.start"), (0, 2, "n9.end")]
    tries = [(0, 1, w) for w in ("n2.start", "n2.end", "n3.start", "n3.start")] + [
        (0, 2, w) for w in ("n3.start", "n3.end", "n4.start", "n4.end")]
    ends = [("a", "succeeded", 1), ("b", "succeeded", 2), ("c", "cancelled", 0), ("p", "succeeded", 2), ("q", "succeeded", 2)]
    events = [("b", "lost", 1), ("p", "lost", 1), ("q", "lost", 1), *ends]
    documents = {j: {"state": s, "attempt": n, "final": True, "instance": "x"} for j, s, n in ends}
    views = {"p": [{"id": "n1", "state": "succeeded"}, {"id": "n4", "state": "cancelled"}]}
    return {"jobs": jobs, "lines": {"g": lines, "s": strategies, "t": tries}, "views": views, "events": [check.Event(*e, 0, "x") for e in events], "documents": documents,
            "cancels": [Cancel("c", "queued", [])]}


def put_line(at, *line):
    return lambda h: h["lines"]["g"].insert(at, line)


def put_event(*event):
    return lambda h: h["events"].append(check.Event(*event, 0, "x"))


def drop_line(at):
    return lambda h: h["lines"]["g"].pop(at)


def put_node(group, at, *line):
    return lambda h: h["lines"][group].insert(at, line)


def drop_end(job):
    return lambda h: h.update(events=[e for e in h["events"] if e.job_id != job])


def end_as(job, **fields):
    def change(h):
        h["documents"][job].update(fields)
        h["events"] = [e for e in h["events"] if e.job_id != job or e.phase not in check.FINAL]
        h["events"].append(check.Event(job, h["documents"][job]["state"], h["documents"][job]["attempt"], 0, "x"))
    return change


BAD = {
    "a job without a document": (lambda h: h["documents"].pop("a"), "none_is_lost"),
    "a document that nobody asked for": (lambda h: h["documents"].update(z=h["documents"]["a"]), "none_is_lost"),
    "two ends of one job": (put_event("a", "failed", 1), "final_once"),
    "an end of each of two attempts": (put_event("b", "succeeded", 1), "final_once"),
    "no end": (drop_end("a"), "final_once"),
    "a document of another state": (lambda h: h["documents"]["a"].update(state="failed", error={"code": "lost"}), "final_once"),
    "a document of another attempt": (lambda h: h["documents"]["b"].update(attempt=3), "final_once"),
    "a document that is not final": (lambda h: h["documents"]["a"].update(final=False), "final_once"),
    "failed without a reason": (end_as("a", state="failed", error={"code": "exit_code"}), "ends_well"),
    "lost too early": (end_as("b", state="failed", error={"code": "lost"}), "ends_well"),
    "an engine that died by itself": (end_as("a", state="failed", error={"code": "engine_died"}), "ends_well"),
    "cancelled, and nobody asked": (end_as("a", state="cancelled"), "ends_well"),
    "an earlier job starts late": (put_line(5, 0, 2, "start"), "starts_in_order"),
    "a job from nowhere": (put_line(5, 7, 1, "start"), "starts_in_order"),
    "two live attempts of one job": (put_line(4, 1, 1, "end"), "one_at_a_time"),
    "two live jobs of one group": (put_line(1, 1, 1, "start"), "one_at_a_time"),
    "a killed attempt that nobody told": (lambda h: h["events"].pop(0), "one_at_a_time"),
    "a success that was killed": (drop_line(1), "one_at_a_time"),
    "a success without its lines": (lambda h: h["lines"].update(g=h["lines"]["g"][2:]), "success_was_real"),
    "the same attempt twice": (put_line(2, 0, 1, "start"), "attempts_rise"),
    "an attempt that falls": (lambda h: h["lines"]["g"].insert(3, (1, 3, "start")), "attempts_rise"),
    "a line of an unknown attempt": (put_line(5, 1, 3, "start"), "attempts_rise"),
    "a start after a cancel": (put_line(5, 2, 1, "start"), "cancels_hold"),
    "a cancelled job that succeeds": (end_as("c", state="succeeded"), "cancels_hold"),
    "a node before the one that it waits for": (put_node("s", 1, 0, 1, "n9.start"), "plans_are_kept"),
    "the second target before the first has failed": (put_node("s", 5, 0, 1, "n8.start"), "plans_are_kept"),
    "a node that had finished runs again": (put_node("s", 10, 0, 2, "n2.start"), "plans_are_kept"),
    "a loser that outlives its race": (put_node("s", 10, 0, 1, "n4.late"), "plans_are_kept"),
    "a node twice in one attempt": (put_node("s", 4, 0, 1, "n5.start"), "plans_are_kept"),
    "more tries than it has": (lambda h: [put_node("t", 3, 0, 1, "n3.start")(h) for _ in range(2)], "plans_are_kept"),
    "two live attempts of a plan": (put_node("t", 5, 0, 1, "n3.end"), "plans_are_kept"),
    "a success whose last node never ended": (lambda h: h["lines"]["t"].pop(), "plans_are_kept"),
    "a node that is running for ever": (lambda h: h["views"]["p"][1].update(state="running"), "plans_are_kept"),
    "a root that did not succeed": (lambda h: h["views"]["p"][0].update(state="waiting"), "plans_are_kept"),
    "a node after the next job has started": (lambda h: h["lines"]["s"].insert(11, (1, 1, "start")), "starts_in_order"),
    "a running job starts again twice": (lambda h: h["cancels"].append(Cancel("b", "running", [])), "cancels_hold"),
}


def test_a_good_history_passes():
    assert check.wrong(check.History(**good_history())) == []


@pytest.mark.parametrize("name", BAD)
def test_the_checker_finds(name):
    change, rule = BAD[name]
    history = copy.deepcopy(good_history())
    change(history)
    found = check.wrong(check.History(**history))
    assert any(x.startswith(rule + ":") for x in found), found


def test_a_seed_gives_the_same_schedule_again_and_every_kind_in_it():
    stage_of = {f"{name}{n}": name for name in STAGES for n in ("", "-2")}
    steps = schedule.make(7, 125, stage_of, ["kafka", "postgres", "ferretdb"])
    assert steps == schedule.make(7, 125, stage_of, ["kafka", "postgres", "ferretdb"])
    assert steps != schedule.make(8, 125, stage_of, ["kafka", "postgres", "ferretdb"])
    for hand, (_, actions) in schedule.HANDS.items():
        assert {s.action for s in steps if s.hand == hand} == {a for a, _ in actions}


# ---- the real thing ----

@pytest.fixture(scope="module")
def stack_options(tmp_path_factory):
    """The engines that were built, and a second shell, so that the same code has two targets."""
    folder = tmp_path_factory.mktemp("engines") / "engines"
    shutil.copytree(settings.BUILD / "engines", folder)
    shell = json.loads((folder / "shell" / "engine.json").read_text())
    (folder / plans.OTHER_SHELL).mkdir()
    (folder / plans.OTHER_SHELL / "engine.json").write_text(json.dumps(
        {**shell, "engine": plans.OTHER_SHELL, "command": [str(folder / "shell" / shell["command"][0])]}))
    return {"stage_env": {"executor": LEASE}, "each": 2, "executors": 3, "env": {"MILLRACE_ENGINES_DIR": str(folder)}}


def views(stack, load):
    """Of each job with a plan: its nodes as GET .../plan shows them."""
    found = {}
    for job in load.jobs:
        if job.plan:
            answer = stack.rest.get(f"/v1/jobs/{job.job_id}/plan")
            found[job.job_id] = answer.json()["nodes"] if answer.status_code == 200 else []
    return found


def seen(stack, load, trouble):
    """Read once all is final."""
    reader = stack.kafka.reader("jobs.events")
    events = []
    for m in reader.read_to_end(600):
        e = avro.decode("JobEvent", m.value())
        events.append(check.Event(e["job_id"], e["phase"], e["attempt"], e["at"].timestamp() * 1000, e["instance"]))
    documents = {d["_id"]: d for d in stack.db["jobs"].find({}, {"plan": 0, "code": 0})}
    without_guard = {f.pid for f in trouble.faults if f.kind == "guard"}
    guard_killed = {d["_id"] for d in stack.db["instances"].find({}) if d["pid"] in without_guard}
    return check.History(load.jobs, {g: load.lines(g) for g in load.groups}, events, documents, load.cancels, load.unanswered,
                         guard_killed, views(stack, load))


def still_open(stack, load):
    """Nothing is, or some of those that are."""
    try:
        load.wait_final(FINAL_LIMIT_S)
        return []
    except TooLate as e:
        runs = stack.db["runs"].find({"final": {"$ne": True}}, {"payload": 0}).limit(5)
        documents = stack.db["jobs"].find({"final": {"$ne": True}}, {"name": 1, "state": 1, "attempt": 1, "times": 1}).limit(5)
        return [str(e), *(f"open run: {r}" for r in runs), *(f"open document: {d}" for d in documents)]


@pytest.mark.timeout(MINUTES * 60 + 1500)
def test_every_promise_holds_whatever_breaks(unstarted, servers, capsys):
    stack = unstarted
    # Two executors on one "host", which bury each other by the lock files there; the third is elsewhere.
    stack["executor-2"].env["MILLRACE_STATE_DIR"] = stack["executor"].env["MILLRACE_STATE_DIR"]
    stack.start()
    steps = schedule.make(SEED, TROUBLE_S, {s.label: s.name for s in stack.stages}, server_list.NAMES)
    load = Load(stack, SEED, GROUPS, ROUNDS, TROUBLE_S * 0.9, GROUPS * ROUNDS // 50)
    trouble = Trouble(stack, servers, steps)
    again = f"./run chaos --minutes {MINUTES:g} --seed {SEED}"
    story = f"seed {SEED}, {MINUTES:g} minutes ({again})\nschedule:\n{schedule.text(steps)}"
    load.start()
    trouble.start()
    try:
        try:
            load.wait_submitted(TROUBLE_S + 300)
            trouble.join(TROUBLE_S + 300)
            open_ones = still_open(stack, load)
        finally:
            load.stop()
            trouble.stop()
        stack.wait_ready()
        history = seen(stack, load, trouble)
        with capsys.disabled():
            print(f"\nchaos, seed {SEED}, {MINUTES:g} minutes\n{figures.text(history, trouble)}")
        bad = open_ones + trouble.failures + check.wrong(history)
        bad += [f"dead letter: {m.key()} {m.headers()}" for m in stack.kafka.dead()]
        assert not bad, f"{len(bad)} promises broken:\n" + "\n".join(bad[:50])
    except BaseException as e:
        e.add_note(story + "\ndone:\n" + "\n".join(trouble.history + trouble.failures))
        raise
