# SPDX-License-Identifier: Apache-2.0
"""The ledger's statements (core/ledger.h) on the real server: guards, counts, duplicates, and what a statement looks like that was
done twice because its answer was lost. The cases are those of tests/ledger."""
import datetime
import json
import subprocess
import uuid

import pytest

from harness import settings
from harness.clients import mongo_database
from harness.lossy_mongo import LossyMongo

TOOL = settings.BIN / "ledger-tool"
LIMIT_S = 300


@pytest.fixture
def database(servers):
    """A fresh one; what is in it goes with the test."""
    db = mongo_database(f"ledger-{uuid.uuid4().hex[:8]}")
    yield db
    db.client.drop_database(db.name)


def run_cases(uri, database, *more):
    done = subprocess.run([TOOL, uri, database.name, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "[  PASSED  ]" in done.stdout, done.stdout


def test_every_statement_does_what_its_contract_says(database):
    run_cases(settings.MONGO_URI, database)


def test_a_statement_whose_answer_was_lost_is_done_once_and_the_queries_use_their_indexes(database):
    relay = LossyMongo(settings.MONGO_PORT)
    try:
        run_cases(relay.uri, database, "lost")
        assert relay.lost == len(relay.commands) > 100
    finally:
        relay.close()
    # Enough strangers that an index is worth while.
    database.runs.insert_many({"_id": f"x{i}", "pool": "x", "partition": 1, "seq": i, "group": f"g/{i}", "instance": f"i{i}",
                               "final": False, "state": "queued" if i % 2 else "delayed"} for i in range(3000))
    database.cancels.insert_many({"_id": f"job:x{i}", "kind": "cancel", "job_id": f"x{i}",
                                  "at": datetime.datetime.fromtimestamp(i)} for i in range(3000))
    expected = {
        "partition": "pool_partition_seq",
        "group": "pool_group_seq",
        "instance": "instance",
        "wake_at": "pool_wake_at",
        "unsent": "unsent",
        "at": "at",
        "kind": "kind",
    }
    seen = set()
    for name, command in relay.commands:
        if name != "find":
            continue
        wanted = next((expected[f] for f in ("wake_at", *expected) if f in command["filter"]), "_id_")
        if wanted == "pool_group_seq" and "state" in command["filter"]:
            wanted = "pool_group_seq_ready"
        if wanted in seen:
            continue
        seen.add(wanted)
        question = {k: command[k] for k in ("find", "filter", "sort", "limit") if k in command}
        plan = json.dumps(database.command("explain", question), default=str)
        assert f'"{wanted}"' in plan, f"{question}: {plan}"
    assert seen == {*expected.values(), "pool_group_seq_ready", "_id_"}


def test_the_jobs_that_wait_are_counted_by_an_index_whatever_the_selector(database):
    """max_queued of a group, of a creator and of all, with the filters of ingest/admit.c."""
    made = subprocess.run([TOOL, settings.MONGO_URI, database.name, "bench", "1", "1"], capture_output=True, text=True, timeout=LIMIT_S)
    assert made.returncode == 0, made.stderr  # it makes the indexes
    database.jobs.insert_many({"_id": f"x{i}", "creator": f"c{i % 7}", "user": f"u{i % 11}", "state": "succeeded" if i % 100 else "queued",
                               "final": bool(i % 100)} for i in range(5000))
    waits = {"final": False, "state": {"$in": ["accepted", "converted", "planned", "queued"]}}
    for who in ({"creator": "c1", "user": "u1"}, {"creator": "c1"}, {"creator": {"$gte": ""}}):
        question = {"aggregate": "jobs", "pipeline": [{"$match": {**who, **waits}}, {"$limit": 1000}, {"$group": {"_id": 1, "n": {"$sum": 1}}}],
                    "cursor": {}}
        assert '"open_creator_user_state"' in json.dumps(database.command("explain", question), default=str), who
    assert database.jobs.count_documents({"creator": {"$gte": ""}, **waits}) == 50
