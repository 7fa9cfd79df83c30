# SPDX-License-Identifier: Apache-2.0
"""Groups, holds, instances and drains by REST, and what a waiting job says it waits for. Documents that no executor reads (pool `ghost`)
stand for what is hard to bring about on purpose."""
import datetime
import itertools
import uuid

import pytest

from harness import avro
from harness.clients import in_ledger
from harness.wait import wait_for

UTC = datetime.timezone.utc
_seqs = itertools.count(1)


def now():
    return datetime.datetime.now(UTC)


@pytest.fixture
def ghosts(db):
    """Runs that no executor reads, and a lease that says that one could: ghost(group, state, ...) -> job id. They go with the test."""
    ids = []
    instance = f"ghost-{uuid.uuid4()}"
    db["instances"].insert_one({"_id": instance, "pool": "ghost", "host": "h", "pid": 1, "counter": 1, "started_at": now(), "at": now()})

    def make_ghost(group, state="queued", pool="ghost", **more):
        job_id = str(uuid.uuid4())
        ids.append(job_id)
        creator, user = group.split("/")
        db["runs"].insert_one({"_id": job_id, "pool": pool, "partition": 0, "seq": next(_seqs), "group": group, "state": state,
                               "final": False, "attempt": 0, "tries": 0, "lost": 0, "queued_at": now(), **more})
        db["jobs"].insert_one({"_id": job_id, "rev": 5, "state": "queued", "final": False, "creator": creator, "user": user,
                               "group": group, "engine": "shell", "code": "x", "times": {"accepted": now()}, "attempt": 0})
        return job_id

    yield make_ghost
    db["instances"].delete_one({"_id": instance})
    db["runs"].delete_many({"_id": {"$in": ids}})
    db["jobs"].delete_many({"_id": {"$in": ids}})


@pytest.fixture
def hold(rest):
    held = []

    def hold_it(group, **body):
        answer = rest.http.post(f"/v1/groups/{group}/hold", json=body)
        assert answer.status_code == 200, answer.text
        held.append(group)
        return answer.json()

    yield hold_it
    for group in held:
        rest.http.post(f"/v1/groups/{group}/release")


def group_of(rest, group):
    creator, user = group.split("/")
    return rest.get("/v1/groups", creator=creator, user=user).json()["groups"]


def all_groups(rest, **query):
    """Every page, as (group, pool)."""
    rows, cursor = [], None
    while True:
        answer = rest.get("/v1/groups", **query, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        rows += [(g["group"], g["pool"]) for g in answer.json()["groups"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return rows


# ---- groups ----


def test_a_group_tells_its_numbers(rest, db, make, user, blocker):
    ids = [rest.submit(make("true")) for _ in range(3)]
    in_ledger(db, ids)
    [group] = group_of(rest, f"flow/{user}")
    assert group["group"] == f"flow/{user}" and group["creator"] == "flow" and group["user"] == user
    assert group["pool"] == "default"
    assert (group["depth"], group["running"], group["delayed"]) == (3, 1, 0)
    assert group["held"] is None and group["max_running"] == 1
    first = min(d["queued_at"] for d in db["runs"].find({"_id": {"$in": ids}}))
    since = datetime.datetime.fromisoformat(group["waiting_since"].replace("Z", "+00:00"))
    assert abs((since - first).total_seconds()) < 0.002
    assert group["wait_ms"] >= 0
    rest.cancel(blocker)
    for job_id in ids:
        rest.end_of(job_id)
    wait_for(lambda: group_of(rest, f"flow/{user}") == [], 20, "a group without unfinished jobs is not listed")


def test_a_delayed_job_is_no_depth(rest, user, ghosts):
    ghosts(f"flow/{user}", "delayed", wake_at=now() + datetime.timedelta(hours=1))
    [group] = group_of(rest, f"flow/{user}")
    assert (group["depth"], group["running"], group["delayed"]) == (0, 0, 1)
    assert group["waiting_since"] is None and group["wait_ms"] is None


def test_the_limit_of_a_group_is_shown(rest, user, ghosts):
    ghosts(f"flow/{user}")
    rest.http.put(f"/v1/limits/flow/{user}", json={"max_running": 7})
    assert group_of(rest, f"flow/{user}")[0]["max_running"] == 7
    rest.http.delete(f"/v1/limits/flow/{user}")


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_hold_every_group_once_in_order(rest, ghosts, hold, limit):
    creator = f"page{limit}"
    expected = []
    for n in range(12):
        group = f"{creator}/u{n:02}"
        if n % 3 != 2:
            for pool in ["ghost", "ghost2"][:1 + n % 2]:
                ghosts(group, pool=pool)
                ghosts(group, pool=pool)
                expected.append((group, pool))
        if n % 2 == 0:
            hold(group)
            if n % 3 == 2:
                expected.append((group, None))
    # Neighbours by name that are not meant.
    ghosts(f"{creator}x/u01")
    hold(f"{creator}-/u01")
    assert all_groups(rest, creator=creator, limit=limit) == expected
    assert all_groups(rest, creator=creator, user="u01", limit=limit) == [x for x in expected if x[0].endswith("/u01")]
    assert [x for x in all_groups(rest, limit=limit) if x[0].startswith(f"{creator}/")] == expected


def test_groups_of_a_user_are_found_whatever_the_creator(rest, ghosts, user, hold):
    ghosts(f"a1/{user}")
    ghosts(f"a2/{user}")
    ghosts(f"a2/x{user}")
    ghosts(f"a2/{user.replace('.', 'x')}")
    hold(f"a3/{user}")
    assert all_groups(rest, user=user, limit=1) == [(f"a1/{user}", "ghost"), (f"a2/{user}", "ghost"), (f"a3/{user}", None)]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"user": "a/b"}, {"creator": ""}, {"colour": "red"}])
def test_a_bad_query_is_refused(rest, query):
    answer = rest.get("/v1/groups", **query)
    assert answer.status_code == 400 and answer.json()["code"] == "bad_query"


# ---- hold and release ----


def test_a_held_group_without_jobs_is_listed_until_it_is_released(rest, stack, db, user):
    group = f"flow/{user}"
    first = rest.http.post(f"/v1/groups/{group}/hold", json={"by": "ann", "reason": "looking"}).json()
    assert first["held"] is True and (first["by"], first["reason"]) == ("ann", "looking")
    assert rest.http.post(f"/v1/groups/{group}/hold", json={"by": "bob", "reason": "me too"}).json() == first
    document = db["cancels"].find_one({"_id": f"hold:{group}"})
    assert (document["kind"], document["group"], document["by"]) == ("hold", group, "ann")
    assert "expire_at" not in document
    # It outlives the ingest that wrote it.
    stack["ingest"].kill()
    stack["ingest"].start()
    [listed] = group_of(rest, group)
    assert listed["held"] == {"by": "ann", "reason": "looking", "at": first["at"]}
    assert listed["pool"] is None and listed["depth"] == 0
    released = rest.http.post(f"/v1/groups/{group}/release").json()
    assert released == {"group": group, "held": False, "was_held": True}
    assert rest.http.post(f"/v1/groups/{group}/release").json()["was_held"] is False
    assert group_of(rest, group) == []
    assert db["cancels"].find_one({"_id": f"hold:{group}"}) is None


def test_the_doorbells_of_hold_release_and_drain_ring(rest, stack, db, user):
    control = stack.kafka.reader("jobs.control", from_end=True)
    group = f"flow/{user}"
    db["instances"].insert_one({"_id": f"bell-{user}", "pool": "ghost", "host": "h", "pid": 1, "counter": 1, "started_at": now(), "at": now()})
    rest.http.post(f"/v1/groups/{group}/hold", json={"by": "ann"})
    rest.http.post(f"/v1/groups/{group}/release")
    rest.http.post(f"/v1/instances/bell-{user}/drain", json={"reason": "new version"})
    heard = []

    def all_heard():
        heard.extend(avro.decode("JobControl", m.value()) for m in control.read_to_end())
        kinds = {(r["kind"], r["group"], r["instance"]) for r in heard}
        return {("hold", group, None), ("release", group, None), ("drain", None, f"bell-{user}")} <= kinds

    wait_for(all_heard, 20, "the three bells")


@pytest.mark.parametrize("path", ["flow/..", "flow/a b", "flow/%2A", "flow/a%2Fb"])
def test_a_bad_group_can_not_be_held(rest, path):
    assert rest.http.post(f"/v1/groups/{path}/hold").status_code in (400, 404)


def test_a_bad_wish_is_refused(rest, user):
    for body in ({"by": 1}, {"why": "x"}, {"reason": "x" * 1025}):
        assert rest.http.post(f"/v1/groups/flow/{user}/hold", json=body).status_code == 400
    assert rest.http.post(f"/v1/groups/flow/{user}/hold", content="x", headers={"content-type": "text/plain"}).status_code == 415
    assert group_of(rest, f"flow/{user}") == []


# ---- instances ----


def test_the_instances_are_listed(rest, blocker):
    [instance] = [i for i in rest.get("/v1/instances").json()["instances"] if i["pool"] == "default"]
    assert instance["pool"] == "default" and instance["host"] and instance["pid"] > 0
    assert instance["over"] is False and instance["drain"] is None
    assert instance["running"] >= 1
    assert instance["started_at"].endswith("Z")
    print(f"renewed {instance['renewed_ms']} ms ago")


def test_a_drain_is_asked_for_once(rest, db, user):
    name = f"live-{user}"
    db["instances"].insert_one({"_id": name, "pool": "ghost", "host": "h", "pid": 1, "counter": 1, "started_at": now(), "at": now()})
    answer = rest.http.post(f"/v1/instances/{name}/drain", json={"by": "ops", "reason": "new version"})
    assert answer.status_code == 202, answer.text
    assert rest.http.post(f"/v1/instances/{name}/drain", json={"by": "other"}).json() == answer.json()
    document = db["cancels"].find_one({"_id": f"drain:{name}"})
    assert (document["kind"], document["instance"], document["by"]) == ("drain", name, "ops")
    assert document["expire_at"] > now()
    listed = {i["instance"]: i for i in rest.get("/v1/instances").json()["instances"]}
    assert listed[name]["drain"]["reason"] == "new version"


def test_what_does_not_run_can_not_be_drained(rest, db, user):
    name = f"over-{user}"
    db["instances"].insert_one({"_id": name, "pool": "ghost", "host": "h", "pid": 1, "counter": 1, "over": True, "started_at": now(), "at": now()})
    assert rest.http.post(f"/v1/instances/{name}/drain").status_code == 409
    assert rest.http.post("/v1/instances/nobody/drain").status_code == 404
    assert name not in {i["instance"] for i in rest.get("/v1/instances").json()["instances"]}
    assert name in {i["instance"] for i in rest.get("/v1/instances", all="true").json()["instances"]}


def test_one_that_died_unnoticed_is_told_as_dead(rest, db, user):
    """Nobody waited for a job of it, so nobody ended its lease."""
    ages = {"fresh": 5, "silent": 15, "gone": 3 * 3600}
    db["instances"].insert_many({"_id": f"{kind}-{user}", "pool": "ghost", "host": "h", "pid": 1, "counter": 9, "lease_ms": 10000,
                                 "started_at": now() - datetime.timedelta(days=1), "at": now() - datetime.timedelta(seconds=age)} for kind, age in ages.items())
    listed = {i["instance"]: i for i in rest.get("/v1/instances").json()["instances"]}
    assert {k: listed[f"{k}-{user}"]["state"] for k in ("fresh", "silent")} == {"fresh": "live", "silent": "dead"}
    assert listed[f"silent-{user}"]["over"] is False
    assert f"gone-{user}" not in listed
    everything = {i["instance"]: i for i in rest.get("/v1/instances", all="true").json()["instances"]}
    assert everything[f"gone-{user}"]["state"] == "dead"
    answer = rest.http.post(f"/v1/instances/silent-{user}/drain")
    assert answer.status_code == 409 and "does not run" in answer.text
    assert db["cancels"].find_one({"_id": f"drain:silent-{user}"}) is None
    assert rest.http.post(f"/v1/instances/fresh-{user}/drain").status_code == 202


def test_however_many_died_the_living_are_listed(rest, db, user):
    db["instances"].insert_many({"_id": f"!{n}-{user}", "pool": "ghost", "host": "h", "pid": 1, "counter": 1, "over": True, "started_at": now(),
                                 "at": now()} for n in range(10050))
    try:
        assert [i for i in rest.get("/v1/instances").json()["instances"] if i["pool"] == "default" and i["state"] == "live"]
    finally:
        db["instances"].delete_many({"_id": {"$regex": f"-{user}$"}, "over": True})


# ---- what a job waits for ----


def waits(rest, job_id):
    return rest.job(job_id).get("waiting_for")


def test_the_head_that_waits_is_named_and_the_position(rest, user, ghosts):
    group = f"flow/{user}"
    head, second, third = (ghosts(group) for _ in range(3))
    assert waits(rest, head) == {"kind": "slot", "position": 0}
    assert waits(rest, second) == {"kind": "job", "job_id": head, "state": "queued", "position": 1}
    assert waits(rest, third) == {"kind": "job", "job_id": head, "state": "queued", "position": 2}


def test_the_job_that_runs_is_named(rest, user, ghosts):
    group = f"flow/{user}"
    running, _, third = ghosts(group, "running"), ghosts(group), ghosts(group)
    assert waits(rest, third) == {"kind": "job", "job_id": running, "state": "running", "position": 2}


def test_where_two_may_run_only_the_second_that_runs_stands_in_the_way(rest, user, ghosts):
    group = f"flow/{user}"
    first = ghosts(group, "running")
    rest.http.put(f"/v1/limits/{group}", json={"max_running": 2})
    second = ghosts(group)
    assert waits(rest, second) == {"kind": "slot", "position": 1}
    third = ghosts(group)
    assert waits(rest, third) == {"kind": "job", "job_id": second, "state": "queued", "position": 2}
    rest.http.delete(f"/v1/limits/{group}")
    assert waits(rest, second) == {"kind": "job", "job_id": first, "state": "running", "position": 1}


def test_a_delayed_job_waits_for_its_time_and_stands_in_nobodys_way(rest, user, ghosts):
    group = f"flow/{user}"
    at = now().replace(microsecond=0) + datetime.timedelta(hours=1)
    delayed = ghosts(group, "delayed", wake_at=at)
    assert waits(rest, delayed) == {"kind": "not_before", "at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    assert waits(rest, ghosts(group)) == {"kind": "slot", "position": 0}


def test_a_retry_waits_for_its_time(rest, user, ghosts):
    at = now().replace(microsecond=0) + datetime.timedelta(hours=1)
    job_id = ghosts(f"flow/{user}", retry_at=at, reason="retry")
    assert waits(rest, job_id) == {"kind": "retry", "at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "position": 0}
    over = ghosts(f"flow/x{user}"[:60], retry_at=now() - datetime.timedelta(seconds=5))
    assert waits(rest, over) == {"kind": "slot", "position": 0}


def test_a_pool_without_an_executor_is_named(rest, db, user, ghosts, hold):
    group = f"flow/{user}"
    pool = f"p-{uuid.uuid4().hex[:8]}"
    first, second = ghosts(group, pool=pool), ghosts(group, pool=pool)
    late = ghosts(group, "delayed", pool=pool, wake_at=now() + datetime.timedelta(hours=1))

    def lease(**more):
        db["instances"].insert_one({"_id": f"{pool}-{len(more)}", "pool": pool, "host": "h", "pid": 1, "counter": 1, "started_at": now(), **more})

    assert waits(rest, first) == {"kind": "no_executor", "pool": pool, "position": 0}
    # Neither one that is over lives, nor one that was not renewed for long.
    lease(at=now(), over=True)
    lease(at=now() - datetime.timedelta(minutes=2))
    assert waits(rest, second) == {"kind": "no_executor", "pool": pool, "position": 1}
    assert waits(rest, late)["kind"] == "not_before"
    hold(group)
    assert waits(rest, first)["kind"] == "held"
    rest.http.post(f"/v1/groups/{group}/release")
    lease(at=now(), started=True, more=True)
    assert waits(rest, first) == {"kind": "slot", "position": 0}
    assert waits(rest, second)["kind"] == "job"
    db["instances"].delete_many({"pool": pool})


def test_a_held_job_says_who_and_why(rest, user, ghosts, hold):
    group = f"flow/{user}"
    first, second = ghosts(group), ghosts(group)
    at = hold(group, by="ann", reason="looking")["at"]
    assert waits(rest, first) == {"kind": "held", "by": "ann", "reason": "looking", "at": at, "position": 0}
    assert waits(rest, second)["kind"] == "held" and waits(rest, second)["position"] == 1


def test_a_job_whose_shared_limit_is_used_up_names_it(rest, db, user, ghosts):
    creator = "shared-" + user[-30:].strip(".-")
    job_id = ghosts(f"{creator}/a")
    rest.http.put(f"/v1/limits/{creator}/*", json={"max_running": 2})
    db["holders"].insert_one({"_id": f"{creator}/*", "rev": 1, "items": [{"job": "x", "attempt": 1, "instance": "i"}] * 2})
    assert waits(rest, job_id) == {"kind": "limit", "selector": f"{creator}/*", "max_running": 2, "position": 0}
    db["holders"].update_one({"_id": f"{creator}/*"}, {"$pop": {"items": 1}})
    assert waits(rest, job_id) == {"kind": "slot", "position": 0}
    rest.http.delete(f"/v1/limits/{creator}/*")


def test_the_position_is_counted_up_to_a_thousand(rest, db, user):
    group = f"flow/{user}"
    ids = [str(uuid.uuid4()) for _ in range(1200)]
    db["runs"].insert_many([{"_id": i, "pool": "ghost", "partition": 0, "seq": next(_seqs), "group": group, "state": "queued",
                             "final": False, "attempt": 0, "queued_at": now()} for i in ids])
    db["jobs"].insert_one({"_id": ids[-1], "rev": 5, "state": "queued", "final": False, "creator": "flow", "user": user, "group": group,
                           "times": {"accepted": now()}})
    assert waits(rest, ids[-1]) == {"kind": "job", "job_id": ids[0], "state": "queued", "position": 1000}
    db["runs"].delete_many({"_id": {"$in": ids}})
    db["jobs"].delete_one({"_id": ids[-1]})


def test_a_job_that_the_ledger_does_not_have_is_in_the_pipeline(rest, stack, make):
    stack["planner"].stop()
    try:
        job_id = rest.submit(make("true"))
        assert waits(rest, job_id) == {"kind": "pipeline"}
        stack["executor"].stop()
        stack["planner"].start()
        wait_for(lambda: waits(rest, job_id) == {"kind": "no_executor", "pool": "default"}, 20, "it is planned, and nobody runs it")
    finally:
        stack["executor"].start()
    assert "waiting_for" not in rest.end_of(job_id)
