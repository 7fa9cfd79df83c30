# SPDX-License-Identifier: Apache-2.0
"""Earlier results instead of a run. Jobs come as planned records with `cache`; each writes a line to a file, so that a run is seen. The executor
reaches MongoDB through a relay that can hold back what is asked of the collection `cached`."""
import datetime
import uuid

import pytest

from harness import settings
from harness.direct import converted, submit_planned
from harness.held_mongo import HeldMongo
from harness.wait import wait_for

LIMIT_S = 40
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def relay(servers):
    r = HeldMongo(settings.MONGO_PORT, "cached")
    yield r
    r.close()


@pytest.fixture(scope="module")
def stack_options(relay):
    return {"stage_env": {"executor": {"MILLRACE_MONGO_URI": relay.uri, "MILLRACE_DRAIN": "1s"}}}


@pytest.fixture
def effects(stack):
    """A file that gets a line with each run."""
    return stack.folder / f"effects-{uuid.uuid4().hex}"


@pytest.fixture
def held(relay):
    """The collection does not answer, until the end of the test at the latest."""
    relay.hold()
    yield relay
    relay.let_go()


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def leaf(node, engine, code):
    return {"id": node, "kind": "exec", "engine": engine, "code_type": {"shell": "shell", "sqlite": "sql"}[engine], "code": code,
            "statement": 0}


def cached_job(user, key, code, ttl_ms=DAY_MS, engine="shell", **more):
    """A job of one node."""
    return {**converted(user, ""), "engine": engine, "statements": [], "nodes": [leaf("n1", engine, code)],
            "cache": {"key": key, "ttl_ms": ttl_ms}, **more}


def table_job(user, key, effects, **more):
    """A job of two nodes, the second of which makes a table of two rows."""
    nodes = [{"id": "n1", "kind": "sequence", "children": ["n2", "n3"]}, leaf("n2", "shell", f"echo ran >> {effects}"),
             leaf("n3", "sqlite", "select 7 as a union all select 8")]
    return cached_job(user, key, "", nodes=nodes, **more)


@pytest.fixture
def key():
    return uuid.uuid4().hex * 2


def ends(stack, job_id):
    finals = {"succeeded", "failed", "cancelled", "timed_out", "rejected"}
    return [e for _, e in stack.kafka.events() if e["job_id"] == job_id and e["phase"] in finals]


def end(stack, job):
    """Submits, waits, and returns (document, its one final event)."""
    job_id = submit_planned(stack.kafka, job)
    doc = stack.rest.end_of(job_id)
    told = ends(stack, job_id)
    assert len(told) == 1, told
    return doc, told[0]


def kept(stack, key, job_id=None):
    """Waits until the results (of this job) are kept."""
    return wait_for(lambda: stack.db["cached"].find_one({"_id": key, **({"job": job_id} if job_id else {})}), LIMIT_S,
                    "the results are kept")


def first_run(stack, job):
    """Submits, waits until it succeeded by running and its results are kept."""
    doc, event = end(stack, job)
    assert (event["phase"], event["cached_from"]) == ("succeeded", None)
    kept(stack, job["cache"]["key"], doc["job_id"])
    return doc


def lookups(stack, outcome):
    return stack["executor"].metrics()[f'millrace_executor_cache_lookups_total{{outcome="{outcome}"}}']


def test_the_second_job_does_not_run_and_has_the_results_of_the_first(stack, user, key, effects):
    hits, misses = lookups(stack, "hit"), lookups(stack, "miss")
    first = first_run(stack, table_job(user, key, effects))
    assert lines(effects) == ["ran"]
    second, event = end(stack, table_job(user, key, effects))
    third, again = end(stack, table_job(user, key, effects))
    assert lines(effects) == ["ran"]
    assert event["cached_from"] == again["cached_from"] == first["job_id"], "the one that made them, not the one that was served"
    assert second["state"] == third["state"] == "succeeded"
    assert (second["attempt"], event["attempt"]) == (1, 1)
    assert second["results"] == first["results"] and first["job_id"] in second["results"][0]["path"]
    assert stack.rest.rows(second["job_id"], 0)["rows"] == [[7], [8]]
    log = stack.rest.log(second["job_id"]).splitlines()
    assert len(log) == 1 and first["job_id"] in log[0] and "s ago" in log[0]
    assert stack.db["cached"].find_one({"_id": key})["job"] == first["job_id"], "who is served keeps nothing"
    assert (lookups(stack, "hit") - hits, lookups(stack, "miss") - misses) == (2, 1)


def test_its_end_goes_through_ledger_and_outcome_like_any_other(stack, user, key, effects):
    first_run(stack, table_job(user, key, effects))
    doc, event = end(stack, table_job(user, key, effects))
    run = stack.db["runs"].find_one({"_id": doc["job_id"]})
    assert (run["state"], run["attempt"], run["final"]) == ("ended", 1, True)
    outcome = stack.db["outcomes"].find_one({"_id": run["out"]})
    assert doc["job_id"] in [item["job"] for item in outcome["items"]]
    wait_for(lambda: "unsent" not in stack.db["outcomes"].find_one({"_id": run["out"]}), LIMIT_S, "it is told")
    assert event["times"]["started"] is not None and event["times"]["finished"] == event["at"]


def test_the_document_has_who_made_it_and_goes_by_itself(stack, user, key, effects):
    first = first_run(stack, table_job(user, key, effects, ttl_ms=600_000))
    entry = stack.db["cached"].find_one({"_id": key})
    assert entry["group"] == f"flow/{user}" and entry["job"] == first["job_id"]
    assert entry["expire_at"] - entry["at"] == datetime.timedelta(minutes=10)
    assert [r["path"] for r in entry["results"]] == [r["path"] for r in first["results"]]
    assert any(i.get("expireAfterSeconds") == 0 for i in stack.db["cached"].index_information().values())


def test_without_results_the_exit_code_is_what_it_has(stack, user, key, effects):
    first = first_run(stack, cached_job(user, key, f"echo ran >> {effects}; echo hello"))
    doc, event = end(stack, cached_job(user, key, f"echo ran >> {effects}; echo hello"))
    assert event["cached_from"] == first["job_id"] and lines(effects) == ["ran"]
    assert doc["exit_code"] == first["exit_code"] == 0 and doc.get("results", []) == []
    assert "hello" not in stack.rest.log(doc["job_id"]), "the log is not repeated"


def test_an_older_end_never_replaces_a_newer_one(stack, user, key):
    gate = stack.folder / f"gate-{uuid.uuid4().hex}"
    job_id = submit_planned(stack.kafka, cached_job(user, key, f"while [ ! -e {gate} ]; do sleep 0.05; done"))
    stack.rest.wait_state(job_id, "running")
    wait_for(lambda: stack.db["job_events"].find_one({"job_id": job_id, "phase": "started"}), LIMIT_S, "it runs, so it has looked")
    at = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(hours=1)
    newer = {"_id": key, "job": str(uuid.uuid4()), "group": f"flow/{user}", "at": at, "results": [],
             "expire_at": at + datetime.timedelta(days=1)}
    stack.db["cached"].insert_one(newer)
    gate.touch()
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    first_run(stack, cached_job(f"{user}.end", uuid.uuid4().hex, "true"))
    assert stack.db["cached"].find_one({"_id": key}) == newer


def test_jobs_of_a_group_keep_their_order(stack, user, key, effects):
    first_run(stack, cached_job(user, key, f"echo cached >> {effects}"))
    ids = [submit_planned(stack.kafka, job) for job in [
        cached_job(user, uuid.uuid4().hex, f"echo one >> {effects}"), cached_job(user, key, f"echo cached >> {effects}"),
        cached_job(user, uuid.uuid4().hex, f"echo two >> {effects}")]]
    docs = [stack.rest.end_of(job_id) for job_id in ids]
    assert lines(effects) == ["cached", "one", "two"]
    finished = [d["times"]["finished"] for d in docs]
    assert finished == sorted(finished)


def test_many_at_once_are_each_served_with_their_own(stack, user, effects):
    """More than one batch of look-ups and of writes."""
    groups, repeats = 100, 3
    keys = [uuid.uuid4().hex for _ in range(groups)]

    def submit_all(times):
        return [[submit_planned(stack.kafka, cached_job(f"{user}.{n}", key, f"echo {n} >> {effects}")) for _ in range(times)]
                for n, key in enumerate(keys)]

    firsts = [ids[0] for ids in submit_all(1)]
    wait_for(lambda: stack.db["cached"].count_documents({"_id": {"$in": keys}}) == groups, LIMIT_S, "all are kept")
    later = submit_all(repeats)
    for job_id in (j for ids in later for j in ids):
        assert stack.rest.end_of(job_id)["state"] == "succeeded"
    told = {}
    for _, e in stack.kafka.events():
        if e["phase"] == "succeeded":
            told.setdefault(e["job_id"], []).append(e["cached_from"])
    assert [[told[j] for j in ids] for ids in later] == [[[first]] * repeats for first in firsts]
    assert sorted(map(int, lines(effects))) == list(range(groups))


# ---- what is not served ----

def make_old(stack, key):
    stack.db["cached"].update_one({"_id": key}, {"$set": {"at": datetime.datetime.now(datetime.timezone.utc) -
                                                          datetime.timedelta(hours=1)}})


def lose_the_file(stack, key):
    path = stack.db["cached"].find_one({"_id": key})["results"][0]["path"]
    (stack.folder / "results" / path).unlink()


def cut_the_file(stack, key):
    path = stack.db["cached"].find_one({"_id": key})["results"][0]["path"]
    with open(stack.folder / "results" / path, "r+b") as f:
        f.truncate(10)


def damage(stack, key):
    stack.db["cached"].update_one({"_id": key}, {"$set": {"results": "nothing of the kind"}})


def give_away(stack, key):
    stack.db["cached"].update_one({"_id": key}, {"$set": {"group": "flow/somebody.else"}})


def clear(stack, key):
    stack.db["cached"].delete_many({})


@pytest.mark.parametrize("spoil, ttl_ms", [(make_old, 60_000), (lose_the_file, DAY_MS), (cut_the_file, DAY_MS), (damage, DAY_MS),
                                           (give_away, DAY_MS), (clear, DAY_MS)],
                         ids=["too old", "its file is gone", "its file was cut", "damaged", "of another group", "cleared"])
def test_it_runs_again_when_the_earlier_results_are(stack, user, key, effects, spoil, ttl_ms):
    first_run(stack, table_job(user, key, effects))
    spoil(stack, key)
    doc = first_run(stack, table_job(user, key, effects, ttl_ms=ttl_ms))
    assert lines(effects) == ["ran", "ran"]
    assert stack.rest.rows(doc["job_id"], 0)["rows"] == [[7], [8]]
    assert (spoil in (damage, give_away)) == (f"event=cached_damaged key={key}" in stack["executor"].text())
    assert end(stack, table_job(user, key, effects))[1]["cached_from"] == doc["job_id"], "its own results serve from now on"
    assert lines(effects) == ["ran", "ran"]


def test_another_user_does_not_get_it(stack, user, key, effects):
    """Even with the same key: the planner's has the user in it."""
    first_run(stack, table_job(user, key, effects))
    first_run(stack, table_job(f"{user}.b", key, effects))
    assert lines(effects) == ["ran", "ran"]


@pytest.mark.parametrize("code, state", [("exit 3", "failed"), ("kill -9 $$", "failed")])
def test_what_failed_is_not_kept(stack, user, key, effects, code, state):
    for n in (1, 2):
        doc, event = end(stack, cached_job(user, key, f"echo ran >> {effects}; {code}"))
        assert (doc["state"], event["cached_from"], len(lines(effects))) == (state, None, n)
    first_run(stack, cached_job(f"{user}.end", uuid.uuid4().hex, "true"))
    assert stack.db["cached"].count_documents({"_id": key}) == 0


def test_a_job_without_cache_is_neither_kept_nor_served(stack, user, key, effects):
    first_run(stack, table_job(user, key, effects))
    before = stack.db["cached"].count_documents({})
    doc, event = end(stack, {**table_job(user, key, effects), "cache": None})
    assert event["cached_from"] is None and lines(effects) == ["ran", "ran"]
    first_run(stack, cached_job(f"{user}.end", uuid.uuid4().hex, "true"))
    assert stack.db["cached"].count_documents({}) == before + 1


def test_results_that_make_too_large_a_document_are_not_kept(stack, user, key):
    unkept = stack["executor"].metrics()["millrace_executor_cache_unkept_total"]
    columns = ", ".join(f"{n} as {'c' * 200}{n}" for n in range(1200))
    doc, _ = end(stack, cached_job(user, key, f"select {columns}", engine="sqlite"))
    assert doc["state"] == "succeeded"
    wait_for(lambda: stack["executor"].metrics()["millrace_executor_cache_unkept_total"] == unkept + 1, LIMIT_S, "it is counted")
    assert f"event=cached_unkept job={doc['job_id']}" in stack["executor"].text()
    assert stack.db["cached"].count_documents({"_id": key}) == 0


# ---- the collection does not answer ----

def test_without_an_answer_it_runs(stack, user, key, effects, held):
    unanswered = lookups(stack, "unanswered")
    job_id = submit_planned(stack.kafka, cached_job(user, key, f"echo ran >> {effects}"))
    doc = stack.rest.end_of(job_id)
    assert (doc["state"], lines(effects)) == ("succeeded", ["ran"])
    assert lookups(stack, "unanswered") == unanswered + 1
    assert ends(stack, job_id)[0]["cached_from"] is None


def test_meanwhile_jobs_without_cache_go_on(stack, user, key, effects, held):
    waits = submit_planned(stack.kafka, cached_job(f"{user}.waits", key, f"echo cached >> {effects}"))
    wait_for(lambda: held.held == 1, LIMIT_S, "the job asks")
    assert end(stack, {**cached_job(user, key, f"echo plain >> {effects}"), "cache": None})[0]["state"] == "succeeded"
    held.let_go()
    assert stack.rest.end_of(waits)["state"] == "succeeded"
    assert sorted(lines(effects)) == ["cached", "plain"]


def test_a_cancel_ends_a_job_that_waits_for_the_answer(stack, user, key, effects, held):
    job_id = submit_planned(stack.kafka, cached_job(user, key, f"echo ran >> {effects}"))
    wait_for(lambda: held.held == 1, LIMIT_S, "the job asks")
    stack.rest.cancel(job_id)
    doc = stack.rest.end_of(job_id)
    assert held.held == 1, "it did not wait for the answer"
    assert doc["state"] == "cancelled" and lines(effects) == []
    assert [e["phase"] for e in ends(stack, job_id)] == ["cancelled"]
    held.let_go()
    assert end(stack, cached_job(user, key, f"echo ran >> {effects}"))[0]["state"] == "succeeded"


def test_an_executor_that_is_killed_while_a_job_waits_for_the_answer(stack, user, key, effects, held):
    held.let_go()
    first = first_run(stack, table_job(user, key, effects))
    held.hold()
    job_id = submit_planned(stack.kafka, table_job(user, key, effects))
    behind = submit_planned(stack.kafka, cached_job(user, uuid.uuid4().hex, f"echo behind >> {effects}"))
    wait_for(lambda: held.held == 1, LIMIT_S, "the job asks")
    stack["executor"].kill()
    held.let_go()
    stack["executor"].start()
    doc = stack.rest.end_of(job_id)
    told = ends(stack, job_id)
    assert [(e["phase"], e["attempt"], e["cached_from"]) for e in told] == [("succeeded", 2, first["job_id"])]
    assert doc["attempt"] == 2 and stack.rest.rows(job_id, 0)["rows"] == [[7], [8]]
    assert stack.rest.end_of(behind)["state"] == "succeeded"
    assert lines(effects) == ["ran", "behind"]


def test_a_job_that_ran_in_a_killed_executor_is_kept_once_it_succeeded(stack, user, key, effects):
    gate = stack.folder / f"gate-{uuid.uuid4().hex}"
    code = f"echo ran >> {effects}; while [ ! -e {gate} ]; do sleep 0.05; done"
    job_id = submit_planned(stack.kafka, cached_job(user, key, code))
    wait_for(lambda: lines(effects) == ["ran"], LIMIT_S, "it runs")
    stack["executor"].kill()
    stack["executor"].start()
    wait_for(lambda: lines(effects) == ["ran", "ran"], LIMIT_S, "it runs again")
    assert stack.db["cached"].count_documents({"_id": key}) == 0
    gate.touch()
    assert stack.rest.end_of(job_id)["attempt"] == 2
    assert len(ends(stack, job_id)) == 1
    kept(stack, key, job_id)
    assert end(stack, cached_job(user, key, code))[1]["cached_from"] == job_id
    assert lines(effects) == ["ran", "ran"]


def test_a_stopped_executor_gives_back_what_waits_and_keeps_what_ended(stack, user, key, effects, held):
    job_id = submit_planned(stack.kafka, cached_job(user, key, f"echo ran >> {effects}"))
    wait_for(lambda: held.held == 1, LIMIT_S, "the job asks")
    assert stack["executor"].stop() == 0
    stack["executor"].start()
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    assert lines(effects) == ["ran"]
    assert len(ends(stack, job_id)) == 1
