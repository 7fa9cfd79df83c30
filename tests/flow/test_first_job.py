# SPDX-License-Identifier: Apache-2.0
"""A first job, end to end: submitted by REST and by plain Kafka producers, to a document, a log and a result."""
import csv
import io
import uuid

import fastavro

from harness import avro
from harness.wait import wait_for

ROWS = 2500
NUMBERS = f"""with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS})
select i as number, i * 0.5 as half, 'row ' || i as text, case when i % 2 then i end as odd from n"""


def test_a_shell_job_by_rest_succeeds_and_its_log_is_readable(rest, make):
    job = rest.run(make("echo hello; echo problem >&2; printf 'no newline'", name="first"))
    assert job["state"] == "succeeded"
    assert job["final"] is True
    assert job["exit_code"] == 0
    log = rest.log(job["job_id"])
    assert "hello\n" in log
    assert "problem\n" in log
    assert "no newline" in log


def test_an_sqlite_job_by_rest_gives_a_table(rest, make):
    job = rest.run(make("select 1 as a, 'x' as b, null as c", engine="sqlite"))
    assert job["state"] == "succeeded", job
    assert len(job["results"]) == 1
    result = job["results"][0]
    assert (result["n"], result["kind"], result["rows"]) == (0, "table", 1)
    assert [c["name"] for c in result["columns"]] == ["a", "b", "c"]
    assert (result["node"], result["target"], result["statement"], result.get("part")) == ("n1", "sqlite", 0, None)
    page = rest.rows(job["job_id"])
    assert page["rows"] == [[1, "x", None]]
    assert page["total"] == 1
    assert page["next_offset"] is None


def test_a_noop_job_succeeds(rest, make):
    job = rest.run(make("anything", engine="noop"))
    assert job["state"] == "succeeded"
    assert job.get("results", []) == []
    assert rest.get(f"/v1/jobs/{job['job_id']}/results").json()["results"] == []


def test_a_job_by_a_kafka_producer_as_json_succeeds(rest, kafka, make):
    job_id = str(uuid.uuid4())
    kafka.submit_json({"job_id": job_id, **make("echo from kafka")})
    assert rest.end_of(job_id)["state"] == "succeeded"
    assert rest.log(job_id) == "from kafka\n"


def test_a_job_by_a_kafka_producer_as_avro_succeeds(rest, kafka, make):
    job_id = str(uuid.uuid4())
    kafka.submit_avro({"job_id": job_id, **make("echo from avro", labels={"team": "blue"})})
    job = rest.end_of(job_id)
    assert job["state"] == "succeeded"
    assert job["labels"] == {"team": "blue"}
    assert rest.log(job_id) == "from avro\n"


def test_a_job_without_an_id_gets_one_from_where_its_record_lies(rest, kafka, db, make, user):
    kafka.submit_json(make("echo anonymous"))
    job = wait_for(lambda: db["jobs"].find_one({"user": user, "final": True}), 30, "the job has a document")
    assert str(uuid.UUID(job["_id"])) == job["_id"]
    assert uuid.UUID(job["_id"]).version == 5
    assert job["state"] == "succeeded"
    assert rest.log(job["_id"]) == "anonymous\n"


def test_a_job_that_fails_says_why(rest, make):
    job = rest.run(make("echo so far so good; exit 3"))
    assert job["state"] == "failed"
    assert job["exit_code"] == 3
    assert job["error"]["code"] == "exit_code"
    assert job["error"]["class"] == "engine"
    assert rest.log(job["job_id"]) == "so far so good\n"


def test_an_sql_error_names_the_reason(rest, make):
    job = rest.run(make("select * from no_such_table", engine="sqlite"))
    assert job["state"] == "failed"
    assert job["error"]["code"] == "sql_error"
    assert "no_such_table" in job["error"]["message"]


def test_a_job_that_a_check_refuses_is_rejected_and_says_why(rest, kafka, make):
    job_id = str(uuid.uuid4())
    kafka.submit_json({"job_id": job_id, **make("select 1", engine="no-such-engine")})
    job = rest.end_of(job_id)
    assert job["state"] == "rejected"
    assert job["error"]["code"] == "unknown_engine"
    assert job["attempt"] == 0
    assert "started" not in {k for k, v in job["times"].items() if v is not None}


def test_a_job_passes_through_its_states_in_order(rest, kafka, make):
    job_id = rest.submit(make("echo moving"))
    rest.end_of(job_id)
    ranks = ["accepted", "converted", "planned", "queued", "started", "succeeded"]
    mine = [e for _, e in kafka.events() if e["job_id"] == job_id]
    phases = {e["phase"] for e in mine}
    assert {"accepted", "converted", "planned", "started", "succeeded"} <= phases <= set(ranks)
    times = rest.job(job_id)["times"]
    known = [times[k] for k in ("accepted", "converted", "planned", "started", "finished")]
    assert all(known), times
    assert known == sorted(known), times


def test_every_record_of_a_job_lies_under_its_group_and_names_it(rest, kafka, make, user):
    job_id = rest.submit(make("echo keys"))
    rest.end_of(job_id)
    reader = kafka.reader("jobs.submitted", "jobs.converted", "jobs.planned", "jobs.events", "jobs.logs")
    of_job = [m for m in reader.read_to_end() if ("job", job_id.encode()) in (m.headers() or [])]
    topics = {m.topic().removeprefix(kafka.prefix) for m in of_job}
    assert topics == {"jobs.submitted", "jobs.converted", "jobs.planned", "jobs.events", "jobs.logs"}
    assert {m.key() for m in of_job} == {f"flow/{user}".encode()}


def test_the_records_are_what_the_published_schemas_say(rest, kafka, make):
    job_id = rest.submit(make("echo ${greeting}", variables={"greeting": "hello"}))
    rest.end_of(job_id)
    records = {"jobs.submitted": "JobSubmitted", "jobs.converted": "JobConverted", "jobs.planned": "JobPlanned",
               "jobs.events": "JobEvent", "jobs.logs": "JobLog"}
    for topic, name in records.items():
        mine = [avro.decode(name, m.value()) for m in kafka.reader(topic).read_to_end()
                if ("job", job_id.encode()) in (m.headers() or [])]
        assert mine, topic
        assert {r["job_id"] for r in mine} == {job_id}


def test_the_document_tells_the_whole_story(rest, db, make, user):
    job_id = rest.submit(make("echo ${greeting}", name="the name", variables={"greeting": "hello"},
                              labels={"team": "blue"}, source={"file": "a.sh"}))
    rest.end_of(job_id)
    d = db["jobs"].find_one({"_id": job_id})
    assert d["state"] == "succeeded" and d["final"] is True
    assert (d["creator"], d["user"], d["group"]) == ("flow", user, f"flow/{user}")
    assert (d["submitter"], d["name"], d["engine"]) == (user, "the name", "shell")
    assert d["code"] == "echo ${greeting}"
    assert d["variables"] == {"greeting": "hello"}
    assert d["labels"] == {"team": "blue"}
    assert d["source"] == {"file": "a.sh"}
    assert d["attempt"] == 1
    assert d["exit_code"] == 0
    assert d["log"]["bytes"] == len("hello\n") and d["log"]["lines"] == 1
    assert d["expire_at"] > d["times"]["finished"]
    assert "submission" not in d.get("stub", {})
    assert rest.log(job_id) == "hello\n"


def test_the_events_of_a_job_are_documents_too(rest, db, make):
    job_id = rest.submit(make("echo events"))
    rest.end_of(job_id)
    wanted = {f"{job_id}/0/accepted", f"{job_id}/0/converted", f"{job_id}/0/planned", f"{job_id}/1/started", f"{job_id}/1/succeeded"}
    # The job's document and its events are written side by side.
    wait_for(lambda: wanted <= {d["_id"] for d in db["job_events"].find({"job_id": job_id})}, 20, "all are there")


def test_a_long_log_is_read_piece_by_piece(rest, make):
    job = rest.run(make("i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done"))
    expected = "".join(f"line {i}\n" for i in range(30000))
    offset, text = 0, ""
    while True:
        piece = rest.get(f"/v1/jobs/{job['job_id']}/log", offset=offset, limit=50_000).json()
        assert piece["offset"] == offset
        text += piece["text"]
        offset = piece["next_offset"]
        if piece["complete"]:
            break
        assert piece["text"]
    assert text == expected
    assert job["log"]["bytes"] == len(expected)
    assert job["log"]["lines"] == 30000


def test_a_log_is_readable_while_the_job_runs(rest, stack, make):
    gate = stack.folder / "log-gate"
    job_id = rest.submit(make(f"echo early; while [ ! -e {gate} ]; do sleep 0.05; done; echo late"))

    def early():
        piece = rest.get(f"/v1/jobs/{job_id}/log")
        return piece.status_code == 200 and piece.json()["text"] == "early\n" and not piece.json()["complete"]

    wait_for(early, 20, "the first line is readable")
    assert rest.job(job_id)["state"] == "running"
    gate.touch()
    assert rest.end_of(job_id)["state"] == "succeeded"
    assert rest.log(job_id) == "early\nlate\n"


def test_text_in_any_script_comes_back_unchanged(rest, make):
    text = "żółw 龜 \U0001f422 ' \" \\ $ %s"
    job = rest.run(make("cat <<'END'\n" + text + "\nEND"))
    assert rest.log(job["job_id"]) == text + "\n"
    table = rest.run(make("select '" + text.replace("'", "''") + "' as \"sp alte ü\"", engine="sqlite"))
    assert rest.rows(table["job_id"])["rows"] == [[text]]
    assert table["results"][0]["columns"][0]["name"] == "sp alte ü"


def test_a_table_is_read_page_by_page(rest, make):
    job = rest.run(make(NUMBERS, engine="sqlite"))
    assert job["results"][0]["rows"] == ROWS
    offset, rows = 0, []
    while offset is not None:
        page = rest.rows(job["job_id"], offset=offset, limit=700)
        assert page["total"] == ROWS
        rows += page["rows"]
        offset = page["next_offset"]
    assert rows == [[i, i * 0.5, f"row {i}", i if i % 2 else None] for i in range(1, ROWS + 1)]
    assert rest.rows(job["job_id"], offset=ROWS - 1, limit=10)["rows"] == [rows[-1]]
    assert rest.rows(job["job_id"], offset=ROWS + 5)["rows"] == []


def test_a_table_is_read_as_csv(rest, make):
    job = rest.run(make("select 'a,b' as x, 'say \"hi\"' as y, null as z, 7 as n union all "
                        "select 'two\nlines', '', 'null', 8 order by n", engine="sqlite"))
    answer = rest.get(f"/v1/jobs/{job['job_id']}/results/0", format="csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(answer.text, newline=""))) == [
        ["x", "y", "z", "n"], ["a,b", 'say "hi"', "", "7"], ["two\nlines", "", "null", "8"]]


def test_a_result_file_is_an_avro_file_that_any_tool_reads(rest, stack, make):
    job = rest.run(make(NUMBERS, engine="sqlite"))
    path = stack.folder / "results" / job["results"][0]["path"]
    assert path.stat().st_size == job["results"][0]["bytes"]
    with open(path, "rb") as f:
        rows = list(fastavro.reader(f))
    assert len(rows) == ROWS
    assert rows[0] == {"number": 1, "half": 0.5, "text": "row 1", "odd": 1}


def test_the_results_of_a_job_are_listed(rest, make):
    job = rest.run(make("select 1 as one", engine="sqlite"))
    listed = rest.get(f"/v1/jobs/{job['job_id']}/results").json()
    assert listed["job_id"] == job["job_id"]
    assert listed["results"] == job["results"]
    assert rest.get(f"/v1/jobs/{job['job_id']}/results/1").status_code == 404


def test_variables_are_filled_in_and_unknown_names_stay(rest, make):
    job = rest.run(make("x=7; echo ${greeting} ${x} $x${greting}", variables={"greeting": "hello"}))
    assert job["state"] == "succeeded"
    log = rest.log(job["job_id"])
    assert "hello 7 7\n" in log
    assert log.startswith("warning: ${greting} stays as it is"), "the log begins with a warning about what looks like ours"
    assert "warning: ${x}" not in log, "the shell's own are no reason to warn"


def test_a_run_that_takes_too_long_is_timed_out(rest, make):
    job = rest.run(make("echo before; sleep 1000", limits={"run_timeout_ms": 700}))
    assert job["state"] == "timed_out"
    assert job["error"]["code"] == "run_timeout"
    assert job["error"]["class"] == "limit"
    assert rest.log(job["job_id"]).startswith("before\n")
