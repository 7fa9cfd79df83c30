# SPDX-License-Identifier: Apache-2.0
"""Plans that are trees, on real engines: races, fallbacks, all at once, parts with dependencies, nodes that are tried again; and what is
left of them after a crash. The plans are written straight into jobs.planned."""
import random
import uuid

import pytest

from harness.direct import inner, leaf, planned_tree, submit_planned
from harness.stages import processes
from harness.wait import wait_for

AT_ONCE = 3
BROKEN = 7  # an exit code that may be tried again
AGAIN = {"exit_codes": [BROKEN], "backoff_ms": 100, "max_backoff_ms": 100}


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"executor": {"MILLRACE_GRACE": "1s", "MILLRACE_DRAIN": "500ms", "MILLRACE_NODES_AT_ONCE": str(AT_ONCE)}}}


@pytest.fixture
def nap():
    """A sleep that no other process of the machine does."""
    return f"sleep {random.randrange(10**7, 10**8)}"


@pytest.fixture
def file(stack):
    """Paths of this test alone."""
    made = {}

    def path(name):
        return made.setdefault(name, stack.folder / f"{name}-{uuid.uuid4().hex}")

    yield path
    for p in made.values():
        p.touch()


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def until(path):
    """Shell code that waits for a file."""
    return f"while [ ! -e {path} ]; do sleep 0.02; done"


def submit(stack, user, tree, **more):
    return submit_planned(stack.kafka, planned_tree(user, tree, **more))


def told(stack, job_id):
    """Events about nodes: {(attempt, node): [(state, try), ...]}."""
    found = {}
    for _, e in stack.kafka.events():
        if e["job_id"] == job_id and e["phase"] == "node":
            found.setdefault((e["attempt"], e["node"]), []).append((e["node_state"], e["node_try"]))
    return found


def last_states(stack, job_id, attempt=1):
    return {node: states[-1][0] for (a, node), states in told(stack, job_id).items() if a == attempt}


def on_record(stack, job_id, *nodes):
    def recorded():
        return set(nodes) <= set((stack.db["runs"].find_one({"_id": job_id}) or {}).get("nodes", {}))
    wait_for(recorded, 30, f"nodes {nodes} are in the ledger")


def crash(stack):
    stack["executor"].kill()
    stack["executor"].start()


# ---- race ----

# What a leaf leaves behind; NAP is a sleep of its test alone.
ESCAPES = {
    "a session of its own": "setsid NAP & NAP",
    "a double fork": "(setsid sh -c '(NAP &) &' &); NAP",
    "it heeds no signals": "trap '' TERM HUP INT; (trap '' TERM HUP; setsid NAP) & NAP; NAP",
    "a clean environment, no descriptors": "(env -i /bin/sh -c 'exec >/dev/null 2>&1 </dev/null; cd /; exec setsid NAP' &); NAP",
}


@pytest.mark.parametrize("slow", ESCAPES.values(), ids=ESCAPES)
def test_the_slow_one_of_a_race_is_killed(stack, user, nap, file, slow):
    job_id = submit(stack, user, inner("n1", "race", leaf("n2", f"touch {file('slow')}; {slow.replace('NAP', nap)}"),
                                       leaf("n3", f"{until(file('slow'))}; echo fast")))
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["exit_code"], job.get("error")) == ("succeeded", 0, None)
    assert not processes(nap)
    assert last_states(stack, job_id) == {"n1": "succeeded", "n2": "cancelled", "n3": "succeeded"}
    assert "fast\n" in stack.rest.log(job_id)


def test_a_losers_failure_does_not_count(stack, user, file):
    job_id = submit(stack, user, inner("n1", "race", leaf("n2", f"{until(file('gate'))}; echo late"), leaf("n3", "exit 3")))
    on_record(stack, job_id, "n3")
    file("gate").touch()
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    assert last_states(stack, job_id) == {"n1": "succeeded", "n2": "succeeded", "n3": "failed"}
    assert "node n3 failed (exit_code" in stack.rest.log(job_id)


def test_only_the_winners_results_are_the_jobs(stack, user, file):
    slow = inner("n2", "sequence", leaf("n3", "select 'slow'", "sqlite"), leaf("n4", f"{until(file('never'))}"))
    fast = inner("n5", "sequence", leaf("n6", until(file("gate"))), leaf("n7", "select 'fast'", "sqlite"))
    job_id = submit(stack, user, inner("n1", "race", slow, fast))
    on_record(stack, job_id, "n3")
    file("gate").touch()
    job = stack.rest.end_of(job_id)
    assert [r["n"] for r in job["results"]] == [0]
    assert stack.rest.rows(job_id, 0)["rows"] == [["fast"]]
    assert last_states(stack, job_id) == {"n1": "succeeded", "n2": "cancelled", "n3": "succeeded", "n4": "cancelled",
                                          "n5": "succeeded", "n6": "succeeded", "n7": "succeeded"}


# ---- all ----

def test_results_of_all_are_kept_in_the_order_of_nodes(stack, user, file):
    late = inner("n2", "sequence", leaf("n3", f"{until(file('gate'))}; echo out of n3"), leaf("n4", "select 'first'", "sqlite"))
    job_id = submit(stack, user, inner("n1", "all", late, leaf("n5", "select 'second'; select 'third'", "sqlite")))
    on_record(stack, job_id, "n5")
    file("gate").touch()
    job = stack.rest.end_of(job_id)
    assert job["state"] == "succeeded"
    assert [r["n"] for r in job["results"]] == [0, 1, 2]
    assert len({r["path"] for r in job["results"]}) == 3
    assert [stack.rest.rows(job_id, n)["rows"] for n in range(3)] == [[["first"]], [["second"]], [["third"]]]
    assert {(d["node"], d["text"]) for d in stack.db["job_logs"].find({"job_id": job_id})} == {("n3", "out of n3\n")}


def test_when_one_of_all_fails_the_others_are_killed(stack, user, nap, file):
    job_id = submit(stack, user, inner("n1", "all", leaf("n2", f"touch {file('begun')}; {nap}"),
                                       leaf("n3", f"{until(file('begun'))}; exit 5")))
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["exit_code"], job["error"]["node"]) == ("failed", 5, "n3")
    assert not processes(nap)
    assert last_states(stack, job_id) == {"n1": "failed", "n2": "cancelled", "n3": "failed"}


def test_parts_start_after_those_they_wait_for(stack, user, file):
    effects = file("effects")
    job_id = submit(stack, user, inner(
        "n1", "all", leaf("d", f"echo d >> {effects}", after=["b", "c"]), leaf("b", f"echo b >> {effects}", after=["a"]),
        leaf("c", f"echo c >> {effects}", after=["a"]), leaf("a", f"echo a >> {effects}")))
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    ran = lines(effects)
    assert (ran[0], sorted(ran[1:3]), ran[3:]) == ("a", ["b", "c"], ["d"])


def test_no_more_nodes_run_at_once_than_allowed(stack, user, file):
    effects = file("effects")
    job_id = submit(stack, user, inner("n1", "all", *(
        leaf(f"p{i}", f"echo + >> {effects}; {until(file('gate'))}; echo - >> {effects}") for i in range(2 * AT_ONCE + 1))))
    wait_for(lambda: len(lines(effects)) >= AT_ONCE, 30, "as many as may run do")
    file("gate").touch()
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    running, most = 0, 0
    for sign in lines(effects):
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert most == AT_ONCE


# ---- fallback ----

def test_a_fallback_goes_on_with_the_next_target(stack, user):
    job_id = submit(stack, user, inner("n1", "fallback", leaf("n2", f"echo broken; exit {BROKEN}"), leaf("n3", "echo works"),
                                       leaf("n4", "echo never")), retry=AGAIN)
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"], job["exit_code"]) == ("succeeded", 1, 0)
    assert last_states(stack, job_id) == {"n1": "succeeded", "n2": "failed", "n3": "succeeded"}
    text = stack.rest.log(job_id)
    assert "works\n" in text and "never" not in text


def test_a_fallback_from_an_engine_that_is_not_there(stack, user):
    job_id = submit(stack, user, inner("n1", "fallback", leaf("n2", "select 1", "nowhere"), leaf("n3", "select 2", "sqlite")),
                    retry={"errors": ["^engine_unavailable$"]})
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    assert stack.rest.rows(job_id, 0)["rows"] == [[2]]


def test_no_fallback_from_what_can_not_be_tried_again(stack, user, file):
    job_id = submit(stack, user, inner("n1", "fallback", leaf("n2", "exit 8"), leaf("n3", f"touch {file('ran')}")), retry=AGAIN)
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["exit_code"], job["error"]["node"]) == ("failed", 8, "n2")
    assert not file("ran").exists()


def test_the_next_attempt_begins_a_fallback_anew_but_not_what_succeeded(stack, user, file):
    effects = file("effects")
    job_id = submit(stack, user, inner("n1", "sequence", leaf("n2", f"echo n2 >> {effects}"), inner(
        "n3", "fallback", leaf("n4", f"echo n4 >> {effects}; [ $MILLRACE_ATTEMPT = 2 ] || exit {BROKEN}"),
        leaf("n5", f"echo n5 >> {effects}; exit {BROKEN}"))), retry={**AGAIN, "max_attempts": 2})
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert lines(effects) == ["n2", "n4", "n5", "n4"]


# ---- a node's own retries ----

def fails_twice(effects):
    return f"echo try >> {effects}; [ $(wc -l < {effects}) = 3 ] || exit {BROKEN}"


@pytest.mark.parametrize("name,tree", [("alone", lambda node: node), ("in a sequence", lambda node: inner("n0", "sequence", node))])
def test_a_node_is_tried_again_by_itself(stack, user, file, name, tree):
    job_id = submit(stack, user, tree(leaf("n1", fails_twice(file("effects")), retry=3)), retry=AGAIN)
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"], job["exit_code"]) == ("succeeded", 1, 0)
    assert len(lines(file("effects"))) == 3
    assert told(stack, job_id)[(1, "n1")] == [("running", 1), ("retrying", 1), ("running", 2), ("retrying", 2), ("running", 3),
                                              ("succeeded", 3)]
    again = [e for _, e in stack.kafka.events() if e["job_id"] == job_id and e["node_state"] == "retrying"]
    assert again[0]["error"]["code"] == "exit_code" and "try 1 of 3 failed" in again[0]["reason"]
    assert all(e["next_at"] >= e["at"] for e in again)
    assert "n1: try 2 of 3 failed" in stack.rest.log(job_id)


def test_a_node_that_keeps_failing_fails_the_job(stack, user, file):
    job_id = submit(stack, user, leaf("n1", f"echo try >> {file('effects')}; exit {BROKEN}", retry=2), retry=AGAIN)
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"], job["exit_code"]) == ("failed", 1, BROKEN)
    assert len(lines(file("effects"))) == 2


def test_the_next_attempt_has_all_tries_again(stack, user, file):
    job_id = submit(stack, user, leaf("n1", f"echo $MILLRACE_ATTEMPT >> {file('effects')}; exit {BROKEN}", retry=2),
                    retry={**AGAIN, "max_attempts": 2})
    assert stack.rest.end_of(job_id)["state"] == "failed"
    assert lines(file("effects")) == ["1", "1", "2", "2"]
    assert [t for state, t in told(stack, job_id)[(2, "n1")] if state == "running"] == [1, 2]


def test_the_run_timeout_covers_the_pause_before_a_retry(stack, user):
    job_id = submit(stack, user, leaf("n1", f"exit {BROKEN}", retry=2), limits={"run_timeout_ms": 1000},
                    retry={**AGAIN, "backoff_ms": 3_600_000, "max_backoff_ms": 3_600_000})
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["error"]["code"]) == ("timed_out", "run_timeout")


def test_a_node_that_ran_into_the_jobs_time_limit_names_that_limit(stack, user, nap):
    """Not what was left of it when the node began."""
    job_id = submit(stack, user, inner("n1", "sequence", leaf("n2", "sleep 0.3"), leaf("n3", nap)), limits={"run_timeout_ms": 900})
    assert stack.rest.end_of(job_id)["state"] == "timed_out"
    ended = [e for _, e in stack.kafka.events() if (e["job_id"], e["node"], e["node_state"]) == (job_id, "n3", "failed")]
    assert [(e["error"]["code"], e["error"]["message"]) for e in ended] == [
        ("run_timeout", "the job ran longer than run_timeout_ms (900)")]


# ---- cancel ----

def test_a_cancel_kills_all_leaves_that_run(stack, user, nap, file):
    job_id = submit(stack, user, inner("n1", "all", leaf("n2", f"touch {file('one')}; trap '' TERM; {nap}; {nap}"),
                                       leaf("n3", f"touch {file('two')}; setsid {nap} & {nap}"), leaf("n4", "echo never", after=["n2"])))
    wait_for(lambda: file("one").exists() and file("two").exists() and processes(nap), 30, "both run")
    stack.rest.cancel(job_id)
    assert stack.rest.end_of(job_id)["state"] == "cancelled"
    assert not processes(nap)
    states = last_states(stack, job_id)
    assert (states["n1"], states["n2"], states["n3"]) == ("cancelled", "cancelled", "cancelled")


def test_a_cancel_during_a_pause_ends_the_job_at_once(stack, user):
    job_id = submit(stack, user, leaf("n1", f"exit {BROKEN}", retry=2),
                    retry={**AGAIN, "backoff_ms": 3_600_000, "max_backoff_ms": 3_600_000})
    on_record(stack, job_id, "n1")
    stack.rest.cancel(job_id)
    assert stack.rest.end_of(job_id)["state"] == "cancelled"


# ---- crashes ----

def test_a_crash_in_the_second_target_of_a_fallback(stack, user, file):
    effects = file("effects")
    job_id = submit(stack, user, inner(
        "n1", "fallback", leaf("n2", f"echo n2 >> {effects}; exit {BROKEN}"),
        leaf("n3", f"echo n3 >> {effects}; {until(file('gate'))}")), retry=AGAIN)
    wait_for(lambda: lines(effects) == ["n2", "n3"], 30, "the second target runs")
    crash(stack)
    wait_for(lambda: lines(effects) == ["n2", "n3", "n3"], 60, "the second target runs again")
    file("gate").touch()
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert lines(effects) == ["n2", "n3", "n3"]
    assert told(stack, job_id)[(2, "n3")] == [("running", 1), ("succeeded", 1)]
    assert (2, "n2") not in told(stack, job_id)


@pytest.mark.parametrize("crashes", [False, True], ids=["at once", "after a crash"])
def test_a_node_that_took_too_long_is_still_known_as_such(stack, user, nap, file, crashes):
    job_id = submit(stack, user, inner("n1", "race", leaf("n2", nap, timeout_ms=300), leaf("n3", f"{until(file('gate'))}; exit 1")))
    on_record(stack, job_id, "n2")
    if crashes:
        crash(stack)
    file("gate").touch()
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["error"]["code"], job["error"]["node"]) == ("timed_out", "run_timeout", "n2")
    assert job["attempt"] == (2 if crashes else 1)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_pause_before_a_retry_outlives_its_executor(stack, user, file, how):
    effects = file("effects")
    job_id = submit(stack, user, leaf("n1", f"echo $MILLRACE_ATTEMPT >> {effects}; {until(file('gate'))}; "
                                            f"[ $MILLRACE_ATTEMPT = 2 ] || exit {BROKEN}", retry=2),
                    retry={**AGAIN, "backoff_ms": 8000, "max_backoff_ms": 8000})
    file("gate").touch()
    on_record(stack, job_id, "n1")
    if how == "killed":
        stack["executor"].kill()
    else:
        assert stack["executor"].stop() == 0
    stack["executor"].start()
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert lines(effects) == ["1", "2"]
    events = told(stack, job_id)
    assert set(events[(1, "n1")]) == {("running", 1), ("retrying", 1)}
    assert events[(2, "n1")] == [("running", 2), ("succeeded", 2)]
    at = {(e["node_state"], e["node_try"]): e for _, e in stack.kafka.events() if e["job_id"] == job_id and e["phase"] == "node"}
    assert at[("running", 2)]["at"] >= at[("retrying", 1)]["next_at"]


def test_a_crash_while_one_of_all_still_runs(stack, user, file):
    effects = file("effects")
    job_id = submit(stack, user, inner(
        "n1", "all", leaf("n2", f"echo n2 >> {effects}"), leaf("n3", f"{until(file('first'))}; echo n3 >> {effects}; {until(file('gate'))}"),
        leaf("n4", "select 4", "sqlite")))
    on_record(stack, job_id, "n2", "n4")
    file("first").touch()
    wait_for(lambda: lines(effects) == ["n2", "n3"], 30, "the last one runs")
    crash(stack)
    wait_for(lambda: lines(effects) == ["n2", "n3", "n3"], 60, "the last one runs again")
    file("gate").touch()
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert lines(effects) == ["n2", "n3", "n3"]
    assert stack.rest.rows(job_id, 0)["rows"] == [[4]]
    assert "goes on after nodes n2, n4" in stack.rest.log(job_id)


def test_a_crash_while_a_loser_dies_keeps_the_winner(stack, user, nap, file):
    effects = file("effects")
    job_id = submit(stack, user, inner(
        "n1", "sequence", inner("n2", "race", leaf("n3", f"echo n3 >> {effects}; trap '' TERM; {nap}; {nap}"),
                                leaf("n4", f"{until(effects)}; echo n4 >> {effects}")),
        leaf("n5", f"echo n5 >> {effects}; {until(file('gate'))}")))
    on_record(stack, job_id, "n4")
    crash(stack)
    wait_for(lambda: "n5" in lines(effects), 60, "it goes on after the race")
    file("gate").touch()
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    assert [line for line in lines(effects) if line != "n5"] == ["n3", "n4"]
    assert not processes(nap)


# ---- plans that are none ----

@pytest.mark.parametrize("name,tree,code", [
    ("a kind that is not known", inner("n1", "lottery", leaf("n2", "echo")), "unsupported"),
    ("nothing to run", inner("n1", "race"), "bad_plan"),
    ("waits for no sibling", inner("n1", "all", leaf("n2", "echo", after=["n9"])), "bad_plan"),
    ("waits in a circle", inner("n1", "all", leaf("n2", "echo", after=["n3"]), leaf("n3", "echo", after=["n2"])), "bad_plan"),
])
def test_what_is_no_plan_fails_and_says_which_node(stack, user, name, tree, code):
    job = stack.rest.end_of(submit(stack, user, tree))
    assert (job["state"], job["error"]["code"]) == ("failed", code)
    assert "n1" in job["error"]["message"] or "n2" in job["error"]["message"]
