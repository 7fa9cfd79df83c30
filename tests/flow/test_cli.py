# SPDX-License-Identifier: Apache-2.0
"""The command line: each subcommand, what it prints, and the exit code that a script relies on."""
import csv
import io
import json
import os
import pty
import re
import subprocess
import uuid

import pytest

from harness import settings
from harness.wait import wait_for

DONE, FAILED, USAGE, CANCELLED, TIMED_OUT, REJECTED, UNREACHABLE, REFUSED = range(8)
UUID_LINE = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\n$")


@pytest.fixture
def cli(stack):
    return stack.cli


@pytest.fixture
def submit(cli, user):
    """millrace submit ... of this test's user."""

    def run(*words, **more):
        return cli("submit", "--creator", "flow", "--user", user, *words, **more)

    return run


def test_submit_prints_the_id_alone(submit, rest):
    done = submit("echo hello")
    assert done.returncode == DONE, done
    assert UUID_LINE.match(done.stdout)
    assert rest.end_of(done.stdout.strip())["state"] == "succeeded"


@pytest.mark.parametrize(("words", "code", "state"), [
    (["true"], DONE, "succeeded"),
    (["exit 7"], FAILED, "failed"),
    (["--run-timeout", "400ms", "sleep 1000"], TIMED_OUT, "timed_out"),
])
def test_submit_wait_tells_the_outcome_by_its_exit_code(submit, words, code, state):
    done = submit("--wait", *words)
    assert done.returncode == code, done
    assert UUID_LINE.match(done.stdout)
    assert state in done.stderr


def test_wait_tells_of_a_cancel(submit, rest, stack, user):
    words = ["submit", "--creator", "flow", "--user", user, "--wait", "sleep 1000"]
    waiting = subprocess.Popen([settings.BIN / "millrace", *words], env=stack.env, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        job_id = waiting.stdout.readline().strip()
        rest.wait_state(job_id, "running")
        done = stack.cli("cancel", job_id, "--reason", "enough")
        assert done.returncode == DONE, done
        assert "was running" in done.stdout
        assert waiting.wait(20) == CANCELLED
    finally:
        waiting.kill()
        waiting.communicate()


def test_wait_tells_of_a_rejected_job(stack, user):
    job_id = str(uuid.uuid4())
    stack.kafka.submit_json({"job_id": job_id, "creator": "flow", "user": user, "engine": "no-such", "code": "x"})
    stack.rest.end_of(job_id)
    done = stack.cli("get", job_id, "--wait")
    assert done.returncode == REJECTED, done
    assert "unknown_engine" in done.stdout


def test_a_submission_that_is_refused_says_why(submit):
    done = submit("--engine", "no-such", "select 1")
    assert done.returncode == REJECTED
    assert done.stdout == ""
    assert "no-such" in done.stderr


def test_submit_takes_code_from_stdin_and_from_a_file(submit, rest, stack):
    script = stack.folder / "script.sh"
    script.write_text("echo from a file\n")
    by_stdin = submit("--wait", "-", stdin="echo from stdin\n")
    by_file = submit("--wait", "--file", str(script))
    assert (by_stdin.returncode, by_file.returncode) == (DONE, DONE)
    assert rest.log(by_stdin.stdout.strip()) == "from stdin\n"
    assert rest.log(by_file.stdout.strip()) == "from a file\n"


def test_submit_passes_variables_labels_and_the_key(submit, rest):
    words = ["--var", "who=you", "--label", "team=blue", "--name", "a name", "--key", "cli-1", "echo ${who}"]
    first, again = submit("--wait", *words), submit("--wait", *words)
    assert first.stdout == again.stdout
    job = rest.job(first.stdout.strip())
    assert (job["name"], job["labels"], job["variables"]) == ("a name", {"team": "blue"}, {"who": "you"})
    assert rest.log(job["job_id"]) == "you\n"
    other = submit("--key", "cli-1", "echo other")
    assert other.returncode == REJECTED
    assert "idempotency" in other.stderr


def test_json_output_is_the_document(submit, cli, rest):
    done = submit("--wait", "--output", "json", "echo hi")
    document = json.loads(done.stdout)
    assert document == rest.job(document["job_id"])
    assert cli.json("get", document["job_id"]) == document


def test_get_shows_state_error_and_times(submit, cli):
    job_id = submit("--wait", "exit 9").stdout.strip()
    done = cli("get", job_id)
    assert done.returncode == DONE
    for word in (job_id, "failed", "exit_code", "9", "finished"):
        assert word in done.stdout, done.stdout


def test_list_filters_and_limits(submit, cli, user):
    ids = [submit("--wait", "--name", f"n{i}", code).stdout.strip() for i, code in enumerate(["true", "false", "true"])]
    mine = ["--creator", "flow", "--user", user]
    done = cli("list", *mine)
    assert done.returncode == DONE
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and [line.split()[0] for line in lines[1:]] == ids[::-1]
    assert [j["job_id"] for j in cli.json("list", *mine, "--state", "failed")] == [ids[1]]
    assert [j["name"] for j in cli.json("list", *mine, "--limit", "2")] == ["n2", "n1"]
    assert "2 of 3 jobs" in cli("list", *mine, "--limit", "2", "--total").stderr
    bad = cli("list", "--state", "asleep")
    assert bad.returncode == REFUSED
    assert "asleep" in bad.stderr


def test_log_prints_the_log_as_it_is(submit, cli):
    job_id = submit("--wait", "echo eins; echo zwei >&2; echo drei").stdout.strip()
    done = cli("log", job_id)
    assert done.returncode == DONE
    assert sorted(done.stdout.splitlines()) == ["drei", "eins", "zwei"]
    assert cli("log", job_id, "--offset", str(len(done.stdout) - 5)).stdout == done.stdout[-5:]


def test_log_follow_ends_with_the_job(submit, stack):
    gate = stack.folder / "cli-gate"
    job_id = submit(f"echo early; while [ ! -e {gate} ]; do sleep 0.05; done; echo late").stdout.strip()
    follower = subprocess.Popen([settings.BIN / "millrace", "log", "--follow", job_id], env=stack.env, text=True,
                                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert follower.stdout.readline() == "early\n"
        gate.touch()
        assert follower.stdout.readline() == "late\n"
        assert follower.wait(20) == DONE
    finally:
        follower.kill()
        follower.communicate()


def test_results_are_shown_as_table_csv_and_json(submit, cli):
    job_id = submit("--wait", "-e", "sqlite", "select 1 as a, 'x,y' as b union all select 2, null").stdout.strip()
    table = cli("results", job_id)
    assert table.returncode == DONE
    assert "x,y" in table.stdout and table.stdout.splitlines()[0].split() == ["a", "b"]
    as_csv = cli("results", job_id, "0", "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(as_csv))) == [["a", "b"], ["1", "x,y"], ["2", ""]]
    assert cli.json("results", job_id, "0")["rows"] == [[1, "x,y"], [2, None]]
    assert cli.json("results", job_id, "0", "--offset", "1")["rows"] == [[2, None]]
    assert cli("results", job_id, "5").returncode == REFUSED


def test_results_tell_where_they_were_made(submit, cli):
    job_id = submit("--wait", "-e", "sqlite", "--conf", "session=statement", "select 1 as a; select 2 as b").stdout.strip()
    done = cli("results", job_id)
    assert [line for line in done.stderr.splitlines() if line] == [
        "0: result, 1 row, n2 sqlite, statement 0", "1: result, 1 row, n3 sqlite, statement 1"]
    assert re.search(r"0  table  result  1 row  \d+ bytes, n2 sqlite, statement 0", cli("get", job_id).stdout)


def test_results_of_many_rows_are_read_to_the_end(submit, cli):
    sql = "with recursive n(i) as (select 1 union all select i+1 from n where i < 25000) select i from n"
    job_id = submit("--wait", "-e", "sqlite", sql).stdout.strip()
    assert [r[0] for r in cli.json("results", job_id, "0", "--limit", "25000")["rows"]] == list(range(1, 25001))
    as_csv = cli("results", job_id, "0", "--format", "csv", "--limit", "25000").stdout.split()
    assert as_csv == ["i", *map(str, range(1, 25001))]


def test_cancel_of_several_jobs(submit, cli, rest):
    ids = [submit("sleep 1000").stdout.strip() for _ in range(2)]
    rest.wait_state(ids[0], "running")
    done = cli("cancel", *ids, "--by", "ann")
    assert done.returncode == DONE, done
    assert len(done.stdout.splitlines()) == 2
    assert {rest.end_of(i)["state"] for i in ids} == {"cancelled"}
    again = cli.json("cancel", ids[0])
    assert (again["was"], again["state"]) == ("final", "cancelled")
    assert "had ended already: cancelled" in cli("cancel", ids[1]).stdout


def test_get_tells_in_words_what_a_job_waits_for(submit, cli, rest):
    first, second = (submit("sleep 1000").stdout.strip() for _ in range(2))
    rest.wait_state(first, "running")
    rest.wait_state(second, "queued")
    assert f"job {first} before it in its group, which is running" in cli("get", second).stdout
    assert cli("cancel", first, second).returncode == DONE
    assert {rest.end_of(i)["state"] for i in (first, second)} == {"cancelled"}


def test_an_unknown_job_is_told(cli):
    for words in (["get"], ["log"], ["results"], ["cancel"]):
        done = cli(*words, str(uuid.uuid4()))
        assert done.returncode == REFUSED, done
        assert "no" in done.stderr and done.stdout == ""


def test_topics_are_created_once_and_listed(cli, stack):
    again = cli("topics", "create")
    assert again.returncode == DONE, again
    listed = cli("topics", "list")
    assert listed.returncode == DONE
    names = {line.split()[0] for line in listed.stdout.splitlines()[1:]}
    assert names == {stack.prefix + n for n in ("jobs.submitted", "jobs.converted", "jobs.planned", "jobs.events", "jobs.logs",
                                                "jobs.control", "jobs.dead")}
    assert "missing" not in listed.stdout


def test_topics_make_what_other_pools_need(cli, stack):
    done = cli("topics", "create", "--pools", "default,big", "--partitions", "3")
    assert stack.prefix + "jobs.planned.big" in done.stdout, done
    # The partition count of those that exist differs from 3: told, and not changed.
    assert "12" in done.stdout + done.stderr


def test_dead_letters_are_shown(cli, stack):
    stack.kafka.produce("jobs.submitted", b"\x01nonsense", "flow/x", [("mine", b"kept")])
    done = wait_for(lambda: (d := cli("dead")).stdout.count("nonsense") and d, 20, "the dead letter is shown", 0.3)
    assert done.returncode == DONE
    assert "garbage" in done.stdout
    letters = cli.json("dead", "--limit", "5")
    last = letters[-1]
    assert last["headers"]["mine"] == "kept"
    assert last["headers"]["dead_code"] == "garbage"
    assert last["headers"]["dead_stage"] == "converter"


def test_a_server_that_is_not_there_is_told(cli):
    nowhere = "http://127.0.0.1:1"
    for words in (["get", str(uuid.uuid4())], ["list"], ["submit", "true"], ["cancel", str(uuid.uuid4())], ["limits"], ["groups"]):
        done = cli(*words, "--url", nowhere)
        assert done.returncode == UNREACHABLE, done
        assert nowhere in done.stderr and "--url or MILLRACE_URL" in done.stderr
    for words in (["create"], ["list"]):
        done = cli("topics", *words, "--kafka.brokers", "127.0.0.1:1", "--patience", "1s")
        assert "127.0.0.1:1" in done.stderr and "--kafka.brokers" in done.stderr
    assert cli("topics", "list", "--kafka.brokers", "127.0.0.1:1", "--patience", "1s").returncode == UNREACHABLE


@pytest.mark.parametrize("words", [
    ["no-such-command"], [], ["get"], ["get", "a", "b"], ["submit"], ["submit", "--no-such-option", "x"], ["submit", "--wait"],
    ["list", "--limit", "many"], ["get", "x", "--output", "xml"], ["submit", "--var", "novalue", "x"], ["topics", "destroy"],
    ["dead", "--limit", "0"], ["help", "no-such-command"], ["get", ""],
    ["list", "--user", "a", "--user", "b"], ["topics", "list", "--kafka.brokers", "a", "--kafka.brokers", "b"],
    ["submit", "--run-timeout", "5min", "true"], ["submit", "--var", "a=1", "--var", "a=2", "true"]])
def test_wrong_words_are_usage_errors(cli, words):
    done = cli(*words)
    assert done.returncode == USAGE, done
    assert done.stderr or done.stdout


@pytest.mark.parametrize("name", ["submit", "get", "list", "log", "results", "cancel", "groups", "hold", "release", "limits",
                                  "instances", "drain", "topics", "dead"])
def test_every_command_has_help(cli, name):
    by_option, by_command = cli(name, "--help"), cli("help", name)
    assert by_option.returncode == by_command.returncode == DONE
    assert by_option.stdout == by_command.stdout
    assert f"usage: millrace {name}" in by_option.stdout
    assert "exit codes:" in by_option.stdout
    assert f"  {name} " in cli("help").stdout


def closed_stdout(stack, *words):
    return subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', settings.BIN / "millrace", *words], env=stack.env, text=True,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)


def test_output_that_can_not_be_written_is_told(stack, submit):
    with open("/dev/full", "w") as full:
        done = subprocess.run([settings.BIN / "millrace", "list"], env=stack.env, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == FAILED and "can't write the output" in done.stderr
    for words in (["list"], ["help"], ["--version"]):
        done = closed_stdout(stack, *words)
        assert done.returncode == FAILED and "can't write the output" in done.stderr, (words, done)


def test_the_id_of_a_job_is_not_lost_with_the_output(stack, user, rest):
    done = closed_stdout(stack, "submit", "--creator", "flow", "--user", user, "true")
    assert done.returncode == FAILED
    job_id = re.search(r"the job's id is (\S+)", done.stderr)[1]
    assert rest.end_of(job_id)["state"] == "succeeded"


@pytest.mark.parametrize("content", [b"", b"\x7fELF\xff\x00", b"a\x00b"])
def test_code_that_is_none_is_refused_with_a_reason(stack, submit, content):
    file = stack.folder / "code"
    file.write_bytes(content)
    done = submit("--file", str(file))
    assert done.returncode in (USAGE, REJECTED), done
    assert "code" in done.stderr


@pytest.mark.parametrize("bad", ["nonsense", "../../metrics", "%00", "x" * 3000])
def test_bad_ids_are_refused(cli, bad):
    for words in (["get"], ["get", "--wait"], ["log"], ["results"], ["cancel"]):
        done = cli(*words, bad)
        assert done.returncode == REFUSED and done.stderr.startswith("millrace: "), done


def test_progress_is_shown_on_a_terminal_only(stack, user):
    words = ["submit", "--creator", "flow", "--user", user, "--wait", "sleep 0.3"]
    assert "running" not in stack.cli(*words).stderr
    main, side = pty.openpty()
    with subprocess.Popen([settings.BIN / "millrace", *words], env=stack.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=side) as p:
        os.close(side)
        shown = b""
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert p.wait(20) == DONE
    os.close(main)
    assert b"running" in shown and b"\r" in shown
