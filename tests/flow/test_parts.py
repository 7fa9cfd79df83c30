# SPDX-License-Identifier: Apache-2.0
"""Jobs of several parts and strategies, up to where they would run: what is refused by REST at once and by Kafka as a rejected job, and
what the converter makes of the others."""
import json
import re
import textwrap
import time

import pytest

from harness import avro, settings
from harness.wait import wait_for

FALLBACK = {"kind": "fallback", "targets": ["sqlite@", "noop@"]}


def part(id, code="select 1", **more):
    return {"id": id, "code": code, **more}


@pytest.fixture
def job(make):
    """A job of these parts; engine None: it has none of its own."""
    def make_job(*parts, engine="sqlite", code="", **more):
        return make(code, engine=engine or "", parts=list(parts), **more)

    return make_job


@pytest.fixture
def rejected(kafka, rest, db):
    """The error of a job that was submitted by Kafka."""
    def rejected_job(job):
        kafka.submit_json(job)
        document = wait_for(lambda: db["jobs"].find_one({"user": job["user"], "final": True}), 30, "the job is refused")
        assert document["state"] == "rejected", document
        return rest.job(document["_id"])["error"]

    return rejected_job


@pytest.fixture
def converted(kafka):
    """The JobConverted of a job that was submitted by Kafka; it is delayed, so that nothing of it runs."""
    def convert(job, key):
        reader = kafka.reader("jobs.converted", from_end=True)
        later = int(time.time() * 1000) + 300 * 86_400_000
        kafka.submit_json({**job, "idempotency_key": key, "not_before": later})

        def read():
            message = reader.poll()
            record = avro.decode("JobConverted", message.value()) if message is not None else None
            return record if record and record["idempotency_key"] == key else None

        try:
            return wait_for(read, 30, f"the converter sends {key}", 0)
        finally:
            reader.close()

    return convert


WRONG = [
    ("unknown part", [part("a"), part("b", after=["a", "x"])], "bad_parts", "parts[1].after[1]", "there is no part 'x'"),
    ("circle", [part("a", after=["c"]), part("b", after=["a"]), part("c", after=["b"])], "bad_parts", "parts[0].after",
     "parts wait for each other: a after c after b after a"),
    ("a name twice", [part("a"), part("a")], "bad_parts", "parts[1].id", "another part has the id 'a'"),
    ("a bad name", [part("a b")], "bad_name", "parts[0].id", "1 to 64 characters of A-Z a-z 0-9 . _ -"),
    ("unknown engine", [part("a", engine="cobol")], "unknown_engine", "parts[0].engine", "there is no engine 'cobol'; known: "),
    ("unknown target", [part("a", target="sea")], "unknown_target", "parts[0].target", "engine 'sqlite' has no target 'sea'"),
    ("other code", [part("a", code_type="shell")], "bad_code_type", "parts[0].code_type", "engine 'sqlite' does not run 'shell', but: sql"),
    ("blank code", [part("a", code=" \n")], "empty_code", "parts[0].code", "there is nothing to run"),
    ("a strategy without targets", [part("a", strategy={"kind": "race", "targets": []})], "bad_value", "parts[0].strategy.targets",
     "race takes 1 to 16 targets, not 0"),
    ("a strategy with other code", [part("a", code_type="sql", strategy={"kind": "race", "targets": ["sqlite@", "shell@"]})], "bad_code_type",
     "parts[0].strategy.targets[1]", "engine 'shell' does not run 'sql'"),
]


@pytest.mark.parametrize(("parts", "code", "field", "detail"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_parts_that_do_not_fit_are_refused_at_once_by_rest_and_rejected_by_kafka(rest, job, rejected, parts, code, field, detail):
    answer = rest.post(job(*parts))
    assert answer.status_code == 422, answer.text
    told = {e["field"]: e for e in answer.json()["errors"]}
    assert told[field]["code"] == code and told[field]["detail"].startswith(detail)
    error = rejected(job(*parts))
    assert error["code"] == code and error["message"].startswith(f"{field}: {detail}")


def test_strategies_and_labels_of_a_job_are_refused_the_same_way(rest, make, rejected):
    bad = make("select 1", engine="sqlite", strategy={"kind": "all", "targets": ["sqlite@", "sqlite@"]},
               retry={"node_attempts": 0}, labels={"cache": "soon"})
    answer = rest.post(bad)
    assert answer.status_code == 422
    fields = {e["field"] for e in answer.json()["errors"]}
    assert fields == {"strategy.targets[1]", "retry.node_attempts", "labels.cache"}
    error = rejected(bad)
    assert {line.split(": ")[0] for line in error["detail"].splitlines()} == fields


@pytest.mark.parametrize(("code", "line", "message"), [
    ("select 1;\n--@part a b\nselect 2", 2, "code: line 2: expected nothing behind the part's name but after=a,b"),
    ("--@part a after=b\nselect 2", 1, "code: part a, line 1: there is no part 'b'"),
    ("select 1;\n--@engine cobol\nselect 2", 2, "code: part p2, line 2: there is no engine 'cobol'"),
    ("select 1;\n--@engine shell\nselect 2", 2, "code: part p2, line 2: engine 'shell' does not run 'sql'"),
    ("select 1;\n--@part a\n\nselect ${run_date*2}", 4, "part a, line 4, column 8: ${run_date*2}: a date takes only + and -"),
    ("--@part a\n-- nothing\n--@part b\nselect 1", 1, "code: part a, line 1: there is nothing to run"),
])
def test_a_wrong_line_in_a_text_is_told_with_part_and_line(rest, make, code, line, message):
    document = rest.end_of(rest.submit(make(code, engine="sqlite")))
    assert document["state"] == "rejected"
    assert document["error"]["message"].startswith(message) and document["error"]["line"] == line


def test_parts_and_lines_together_are_refused(rest, job):
    document = rest.end_of(rest.submit(job(part("a"), code="--@part b\nselect 1")))
    assert document["state"] == "rejected" and document["error"]["code"] == "bad_parts"


def test_a_job_may_leave_out_what_all_its_parts_have(rest, user):
    job = {"creator": "flow", "user": user, "parts": [part("a", engine="sqlite"), part("b", code="select '")]}
    answer = rest.post(job)
    assert answer.status_code == 422
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [("parts[1].engine", "missing")]


def test_parts_are_completed_and_become_statements(converted, job):
    done = converted(job(part("a", "--@set t = x\nselect 1;\nselect '${t}${v}'"), part("b", "echo ${v}", engine="shell", after=["a"]),
                         part("c", strategy=FALLBACK | {"targets": ["sqlite@"]}), variables={"v": "w"}),
                     "parts")
    assert done["error"] is None
    assert [(p["id"], p["engine"], p["target"], p["code_type"], p["after"]) for p in done["parts"]] == [
        ("a", "sqlite", None, "sql", []), ("b", "shell", None, "shell", ["a"]), ("c", "sqlite", None, "sql", [])]
    assert [(s["part"], s["index"], s["first_line"], s["text"]) for s in done["statements"]] == [
        ("a", 0, 2, None), ("a", 1, 3, "select 'xw'"), ("b", 2, 1, "echo w"), ("c", 3, 1, None)]
    assert done["retry"]["node_attempts"] == 1


def examples_of(page):
    """The JSON and SQL of an indented block each."""
    text = (settings.ROOT / "docs" / page).read_text()
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", text, re.M)]


def test_the_examples_of_the_docs_are_taken(converted, make, user):
    blocks = examples_of("code.md")
    job = next(json.loads(b) for b in blocks if b.startswith("{") and '"parts"' in b)
    done = converted({"code": "", **job, "user": user}, "docs-parts")
    assert done["error"] is None
    assert [(s["part"], s["text"] or "") for s in done["statements"]] == [
        ("load", "echo the files of 2026-11-25 are here"), ("report", "select '2026-11-25' as day"), ("tell", "echo 2026-11-25 is done")]
    sql = next(b for b in blocks if "--@part report after=p2,other" in b)
    done = converted(make(sql, engine="sqlite"), "docs-lines")
    assert done["error"] is None
    assert [(p["id"], p["after"]) for p in done["parts"]] == [("main", []), ("p2", ["main"]), ("other", []), ("report", ["p2", "other"])]


def test_the_examples_of_the_docs_run(stack, rest, user):
    """As they stand there, and with the tree that is shown there."""
    blocks = examples_of("code.md")
    job = next(json.loads(b) for b in blocks if b.startswith("{") and '"parts"' in b)
    assert rest.run({**job, "creator": "flow", "user": user})["state"] == "succeeded"
    sql = next(b for b in blocks if "--@part report after=p2,other" in b)
    tree = next(b for b in blocks if b.startswith("n1 all"))
    words = ["submit", "--creator", "flow", "--user", user, "--engine", "sqlite"]
    assert "behind --" in stack.cli(*words, sql).stderr
    assert tree.strip() in stack.cli(*words, "--dry-run", "--", sql).stdout
    done = stack.cli(*words, "--wait", "--", sql)
    assert done.returncode == 0, done


def test_a_text_is_cut_by_its_lines(converted, make):
    code = "create table t (a);\n--@part load after=main\ninsert into t values (${n}); select 2;\n--@engine noop\n"
    refused = converted(make(code + "select 3", engine="sqlite"), "cut-refused")
    assert refused["error"]["message"].startswith("code: part p3, line 4: engine 'noop' does not run 'sql'")
    text = code.replace("noop", "sqlite") + "--@set n = 7\nselect ${n}\n--@part last after=load,p3\nselect 4"
    done = converted(make(text, engine="sqlite"), "cut")
    assert done["error"] is None and done["code"] == text
    assert [(p["id"], p["engine"], p["after"], p["code"]) for p in done["parts"]] == [
        ("main", "sqlite", [], ""), ("load", "sqlite", ["main"], ""), ("p3", "sqlite", ["load"], ""), ("last", "sqlite", ["load", "p3"], "")]
    texts = [s["text"] or text[s["offset"]:s["offset"] + s["length"]] for s in done["statements"]]
    assert texts == ["create table t (a)", "insert into t values (7)", "select 2", "select 7", "select 4"]
    assert [(s["part"], s["first_line"]) for s in done["statements"]] == [("main", 1), ("load", 3), ("load", 3), ("p3", 6), ("last", 8)]


def test_defaults_fill_in_the_tries_of_a_node_and_a_strategy(converted, db, make, user):
    db["defaults"].insert_one({"_id": f"flow/{user}", "retry": {"node_attempts": 4}, "strategy": {"kind": "fallback", "targets": ["sqlite@"]}})
    numbers = iter(range(100))

    def follows():
        done = converted(make("select 1", engine="sqlite"), f"defaults-{next(numbers)}")
        return done["retry"]["node_attempts"] == 4 and done["strategy"] == {"kind": "fallback", "targets": ["sqlite@"]}

    wait_for(follows, 30, "the converter follows the defaults", 0.2)
