# SPDX-License-Identifier: Apache-2.0
"""Strategies, parts and tries of nodes from the submission to the end, through all stages. Beside the engines that were built there are a
second sqlite, one that breaks at its start, and one that takes every run and never answers."""
import json
import random
import shutil
import uuid

import pytest

from harness import settings
from harness.stages import processes

NAP = f"sleep {random.randrange(10**7, 10**8)}"  # that no other process of the machine does
STUCK = """#!/bin/sh
read hello
echo '{"type":"ready","engine":"stuck","version":"1","concurrency":1,"capabilities":[]}'
read run || exit 0
%s
""" % NAP
# As engines were before results could tell their statement.
PLAIN = """#!/bin/bash
read hello
echo '{"type":"ready","engine":"plain","version":"1","concurrency":1,"capabilities":[]}'
while read -r run; do
    run=${run#*\\"run\\":\\"}; run=${run%%\\"*}
    echo "{\\"type\\":\\"columns\\",\\"run\\":\\"$run\\",\\"columns\\":[{\\"name\\":\\"a\\"}]}"
    echo "{\\"type\\":\\"rows\\",\\"run\\":\\"$run\\",\\"rows\\":[[1]],\\"last\\":true}"
    echo "{\\"type\\":\\"done\\",\\"run\\":\\"$run\\"}"
done
"""


@pytest.fixture(scope="module")
def engines_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines") / "engines"
    shutil.copytree(settings.BUILD / "engines", folder)
    sqlite = json.loads((folder / "sqlite" / "engine.json").read_text())
    commands = {"sqlite2": str(folder / "sqlite" / sqlite["command"][0]), "broken": "false", "stuck": "stuck", "plain": "plain"}
    for name, command in commands.items():
        (folder / name).mkdir()
        targets = ["one", "two"] if name == "sqlite2" else []
        (folder / name / "engine.json").write_text(json.dumps({**sqlite, "engine": name, "command": [command], "targets": targets}))
    for name, script in {"stuck": STUCK, "plain": PLAIN}.items():
        (folder / name / name).write_text(script)
        (folder / name / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def stack_options(engines_dir):
    return {"env": {"MILLRACE_ENGINES_DIR": str(engines_dir)}, "stage_env": {"executor": {"MILLRACE_GRACE": "1s"}}}


def strategy(kind, *targets):
    return {"kind": kind, "targets": list(targets)}


def makers(job):
    return [(r["node"], r["target"], r["statement"]) for r in job["results"]]


def rows(rest, job):
    return [rest.rows(job["job_id"], r["n"])["rows"] for r in job["results"]]


def test_of_a_race_the_one_that_never_answers_is_killed(rest, make):
    job = rest.run(make("select 'won'", engine="sqlite", strategy=strategy("race", "stuck@", "sqlite@")))
    assert job["state"] == "succeeded"
    assert rows(rest, job) == [[["won"]]]
    assert makers(job) == [("n3", "sqlite", 0)]
    assert not processes(NAP)


def test_all_targets_keep_their_results(rest, make):
    job = rest.run(make("select 1; select 2", engine="sqlite", strategy=strategy("all", "sqlite@", "sqlite2@")))
    assert job["state"] == "succeeded"
    assert rows(rest, job) == [[[1]], [[2]], [[1]], [[2]]]
    assert makers(job) == [("n2", "sqlite", 0), ("n2", "sqlite", 1), ("n3", "sqlite2", 0), ("n3", "sqlite2", 1)]
    assert rest.get(f"/v1/jobs/{job['job_id']}/results").json()["results"] == job["results"]


def test_results_name_the_target(rest, make):
    job = rest.run(make("select 1", engine="sqlite", strategy=strategy("all", "sqlite2@one", "sqlite2@two", "sqlite@")))
    assert job["state"] == "succeeded"
    assert makers(job) == [("n2", "sqlite2@one", 0), ("n3", "sqlite2@two", 0), ("n4", "sqlite", 0)]


def test_all_targets_must_succeed(rest, make):
    job = rest.run(make("select 1", engine="sqlite", strategy=strategy("all", "sqlite@", "broken@", "stuck@")))
    assert (job["state"], job["error"]["node"]) == ("failed", "n3")
    assert not processes(NAP)


def test_a_fallback_from_an_engine_that_breaks(rest, make):
    job = rest.run(make("select 'second'", engine="sqlite", strategy=strategy("fallback", "broken@", "sqlite@")))
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert rows(rest, job) == [[["second"]]]


def test_parts_run_in_their_order(rest, stack, user):
    effects = stack.folder / f"effects-{uuid.uuid4().hex}"
    parts = [{"id": "d", "engine": "shell", "code": f"echo d >> {effects}", "after": ["b", "c"]},
             {"id": "b", "engine": "shell", "code": f"echo b >> {effects}", "after": ["a"]},
             {"id": "c", "engine": "sqlite", "code": "select 'c'", "after": ["a"]},
             {"id": "a", "engine": "shell", "code": f"echo a >> {effects}"}]
    job = rest.run({"creator": "flow", "user": user, "parts": parts})
    assert job["state"] == "succeeded"
    assert effects.read_text().split() == ["a", "b", "d"]
    assert rows(rest, job) == [[["c"]]]


def test_the_lines_of_a_log_name_their_node(rest, stack, user):
    parts = [{"id": p, "engine": "shell", "code": f"echo {p} one; echo {p} two"} for p in "ab"]
    job = rest.run({"creator": "flow", "user": user, "parts": parts})
    log = f"/v1/jobs/{job['job_id']}/log"
    assert [n.get("part") for n in job["plan"]["nodes"]] == [None, "a", "b"]
    assert rest.get(log, node="n2").json()["text"] == "a one\na two\n"
    piece = rest.get(log, node="n3").json()
    assert (piece["text"], piece["complete"], piece["next_offset"]) == ("b one\nb two\n", True, job["log"]["bytes"])
    named = rest.get(log, nodes="true").json()["text"].splitlines()
    assert sorted(named) == ["n2 | a one", "n2 | a two", "n3 | b one", "n3 | b two"]
    assert stack.cli("log", job["job_id"], "--node", "n3").stdout == "b one\nb two\n"
    assert stack.cli("log", job["job_id"], "--nodes").stdout.splitlines() == named
    assert stack.cli("log", job["job_id"], "--nodes", "--node", "n2").stdout == "n2 | a one\nn2 | a two\n"


def test_a_node_without_a_log_is_told(rest, user, make):
    parts = [{"id": p, "engine": "shell", "code": f"echo {p}"} for p in "ab"]
    job = rest.run({"creator": "flow", "user": user, "parts": parts})
    for node, why in (("n1", "below it"), ("n9", "n9")):
        answer = rest.get(f"/v1/jobs/{job['job_id']}/log", node=node)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert why in answer.json()["detail"]
    alone = rest.run(make("echo alone"))
    assert rest.get(f"/v1/jobs/{alone['job_id']}/log", node="n1", nodes="true").json()["text"] == "alone\n"


def test_a_part_with_a_strategy_of_its_own(rest, user):
    parts = [{"id": "a", "engine": "sqlite", "code": "select 1", "strategy": strategy("fallback", "broken@", "sqlite2@")},
             {"id": "b", "engine": "sqlite", "code": "select 2", "after": ["a"]}]
    job = rest.run({"creator": "flow", "user": user, "parts": parts})
    assert job["state"] == "succeeded"
    assert rows(rest, job) == [[[1]], [[2]]]


def test_a_text_of_several_parts(rest, make):
    code = "--@part a\nselect 1;\n--@part b after=a\n--@engine sqlite2\nselect 2;\n"
    job = rest.run(make(code, engine="sqlite"))
    assert job["state"] == "succeeded"
    assert rows(rest, job) == [[[1]], [[2]]]
    assert [(r["part"], r["node"], r["statement"]) for r in job["results"]] == [("a", "n2", 0), ("b", "n3", 1)]


def test_results_of_merged_parts_name_their_own(rest, make):
    job = rest.run(make("--@part a\nselect 1; select 11;\n--@part b after=a\nselect 2;\n", engine="sqlite"))
    assert [n["part"] for n in job["plan"]["nodes"]] == ["a+b"]
    assert rows(rest, job) == [[[1]], [[11]], [[2]]]
    assert [(r["part"], r["statement"]) for r in job["results"]] == [("a", 0), ("a", 1), ("b", 2)]
    assert {(r["node"], r["target"]) for r in job["results"]} == {("n1", "sqlite")}


def test_an_engine_that_names_no_statement(rest, make):
    job = rest.run(make("select 1; select 2", engine="plain"))
    assert [(r["node"], r.get("statement")) for r in job["results"]] == [("n1", None)]
    job = rest.run(make("select 1", engine="plain"))
    assert makers(job) == [("n1", "plain", 0)]


def test_a_node_is_tried_again_by_itself(rest, stack, make):
    tries = stack.folder / f"tries-{uuid.uuid4().hex}"
    job = rest.run(make(f"echo try >> {tries}; [ $(wc -l < {tries}) = 3 ] || exit 7",
                        retry={"node_attempts": 3, "exit_codes": [7], "backoff_ms": 100, "max_backoff_ms": 100}))
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert len(tries.read_text().split()) == 3
