# SPDX-License-Identifier: Apache-2.0
"""The command line: cancels of many, groups, holds, limits, instances, drains, and the options of submit that make a job wait or try
again."""
import datetime
import uuid

import pytest

from harness.clients import FINAL, in_ledger
from harness.wait import wait_for

DONE, USAGE, REJECTED, REFUSED = 0, 2, 5, 7
UTC = datetime.timezone.utc


@pytest.fixture
def cli(stack):
    return stack.cli


def test_a_group_is_cancelled(cli, rest, db, make, user, blocker):
    ids = [rest.submit(make("true")) for _ in range(2)]
    in_ledger(db, ids)
    done = cli("cancel", "--group", f"flow/{user}", "--reason", "wrong table")
    assert done.returncode == DONE, done
    assert done.stdout == "3 will be cancelled: 1 running, 2 queued, 0 pending; 0 had ended\n"
    assert "wrong table" in str(rest.end_of(ids[0])["error"])


def test_a_filter_is_cancelled(cli, rest, db, make, user, blocker):
    meant = rest.submit(make("true", labels={"team": "blue"}))
    spared = rest.submit(make("true"))
    in_ledger(db, [meant, spared])
    answer = cli.json("cancel", "--creator", "flow", "--user", user, "--label", "team=blue")
    assert [j["job_id"] for j in answer["jobs"]] == [meant]
    none = cli("cancel", "--user", user, "--name", "nothing has this name")
    assert none.returncode == DONE and none.stdout == "0 will be cancelled; 0 had ended\n"


@pytest.mark.parametrize("words", [[], ["--group", "a/b", "--user", "x"], [str(uuid.uuid4()), "--group", "a/b"], ["--label", "x"],
                                   ["--user", "x", "--user", "y"], ["--user", "x", "-u", "y"], ["--label", "k=a", "--label", "k=b"], [""]])
def test_a_cancel_says_clearly_which_jobs(cli, words):
    done = cli("cancel", *words)
    assert done.returncode == USAGE and done.stderr


def test_a_bad_filter_is_told(cli):
    done = cli("cancel", "--state", "lost")
    assert done.returncode == REFUSED
    assert "filter.state" in done.stderr


def test_groups_hold_and_release(cli, rest, db, make, user, blocker):
    group = f"flow/{user}"
    job_id = rest.submit(make("true"))
    in_ledger(db, [job_id])
    held = cli("hold", group, "--reason", "looking", "--by", "ann")
    assert held.returncode == DONE and held.stdout.startswith(f"{group} is held by ann at ") and held.stdout.endswith(": looking\n")
    shown = cli("groups", "--user", user)
    assert shown.returncode == DONE, shown
    head, line = shown.stdout.splitlines()
    assert head.split() == ["GROUP", "POOL", "QUEUED", "RUNNING", "DELAYED", "MAX", "RUNNING", "OLDEST", "WAIT", "HELD"]
    assert line.split()[:6] == [group, "default", "1", "1", "0", "1"]
    assert "held by ann: looking" in line
    waits = cli("get", job_id)
    assert "its group to be released: held by ann at" in waits.stdout
    assert cli.json("groups", "--user", user)[0]["held"]["reason"] == "looking"
    assert cli("release", group).stdout == f"{group} is released\n"
    assert cli("release", group).stdout == f"{group} was not held\n"
    assert f"job {blocker} before it in its group, which is running" in cli("get", job_id).stdout
    assert cli("hold", "nonsense").returncode == USAGE


def test_groups_are_listed_over_many_pages(cli, db, user):
    now = datetime.datetime.now(UTC)
    ids = [str(uuid.uuid4()) for _ in range(1100)]
    db["runs"].insert_many([{"_id": i, "pool": "ghost", "partition": 0, "seq": n, "group": f"pages/u{n:04}", "state": "queued", "final": False,
                             "attempt": 0, "queued_at": now} for n, i in enumerate(ids)])
    listed = [g["group"] for g in cli.json("groups", "--creator", "pages")]
    assert listed == [f"pages/u{n:04}" for n in range(1100)]
    assert len(cli.json("groups", "--creator", "pages", "--limit", "7")) == 7
    db["runs"].delete_many({"_id": {"$in": ids}})


def test_limits_are_set_shown_and_deleted(cli, user):
    selector = f"flow/{user}"
    done = cli("limits", "set", selector, "--max-queued", "7", "--max-running", "2", "--engine", "shell", "--engine", "sqlite",
               "--run-timeout", "90m", "--by", "ops")
    assert done.returncode == DONE, done
    head, line = done.stdout.splitlines()
    assert head.split("  ")[0] == "SELECTOR" and "MAX QUEUED  MAX RUNNING  WEIGHT  QUEUE TIMEOUT  RUN TIMEOUT  ROW LIMIT" in head and "MS" not in head.split()
    assert line.split() == [selector, "7", "2", "1h30m", "shell,", "sqlite", "ops"]
    assert cli.json("limits", "get", selector)["run_timeout_ms"] == 5400000
    for words in ([], ["--by", "ann"]):
        refused = cli("limits", "set", selector, *words)
        assert refused.returncode == USAGE and f"millrace limits delete {selector}" in refused.stderr
    assert cli("limits", "delete", selector, "--weight", "3").returncode == USAGE
    assert cli.json("limits", "get", selector)["max_queued"] == 7
    assert cli.json("limits", "get", selector)["engines"] == ["shell", "sqlite"]
    assert selector in cli("limits").stdout
    assert cli("limits", "delete", selector).stdout == f"{selector}: deleted\n"
    assert cli("limits", "delete", selector).stdout == f"{selector}: there was no limit\n"
    missing = cli("limits", "get", selector)
    assert missing.returncode == REFUSED and "not_found" in missing.stderr


def test_rules_are_limits_too(cli, rest, user):
    """Who looks at a limit sees all of it, and who writes it anew can say all of it."""
    selector = f"flow/{user}"
    rules = {"required": ["name", "labels.project"], "allowed": ["name", "labels"], "forbidden_sql": ["drop table"],
             "forbidden_code": ["shell.rm", "python"], "row_limit": 500}
    assert rest.http.put(f"/v1/limits/{selector}", json={**rules, "by": "ops"}).status_code == 200
    head, line = cli("limits", "get", selector).stdout.splitlines()
    assert "ROW LIMIT" in head and "RULES" in head
    assert line.endswith("required name, labels.project; allowed name, labels; forbidden_sql drop table; forbidden_code shell.rm, python  ops")
    options = [w for field, items in rules.items() for item in ([items] if field == "row_limit" else items)
               for w in ("--" + field.replace("_", "-"), str(item))]
    assert cli("limits", "delete", selector).returncode == DONE
    assert cli("limits", "set", selector, *options, "--by", "ops").returncode == DONE
    assert rules.items() <= cli.json("limits", "get", selector).items()
    cli("limits", "delete", selector)


@pytest.mark.parametrize("selector", ["flow/*", "*"])
def test_wide_selectors_need_no_escapes(cli, selector):
    assert cli("limits", "set", selector, "--weight", "3").returncode == DONE
    assert cli.json("limits", "get", selector)["weight"] == 3
    assert cli("limits", "delete", selector).returncode == DONE


@pytest.mark.parametrize("words", [["set"], ["get"], ["list", "x"], ["frob", "a/b"], ["set", "a/b", "--max-queued", "x"]])
def test_limits_are_asked_for_clearly(cli, words):
    assert cli("limits", *words).returncode == USAGE


def test_a_bad_limit_is_told_field_by_field(cli):
    done = cli("limits", "set", "flow/x", "--max-running", "0", "--on-failure", "explode")
    assert done.returncode == REFUSED
    assert "max_running" in done.stderr and "on_failure" in done.stderr


def test_a_slip_of_the_pen_is_told_with_what_is_near(cli):
    done = cli("limits", "set", "flow/x", "--forbidden-sql", "dorp table", "--forbidden-code", "shell.rmm")
    assert done.returncode == REFUSED
    assert "near: drop" in done.stderr and "near: shell.rm" in done.stderr


def test_over_max_queued_a_submission_is_refused(cli, rest, user, blocker):
    cli("limits", "set", f"flow/{user}", "--max-queued", "0")
    done = cli("submit", "--creator", "flow", "--user", user, "true")
    assert done.returncode == REJECTED and "too_many_queued" in done.stderr
    cli("limits", "delete", f"flow/{user}")


def test_instances_and_drain(cli, db, user):
    now = datetime.datetime.now(UTC)
    db["instances"].insert_many([{"_id": f"{kind}-{user}", "pool": "ghost", "host": "somewhere", "pid": 7, "counter": 1, "started_at": now, "at": now,
                                  **({"over": True} if kind == "over" else {})} for kind in ("live", "over")])
    shown = cli("instances").stdout
    assert f"live-{user}" in shown and "somewhere" in shown and f"over-{user}" not in shown
    assert f"over-{user}" in cli("instances", "--all").stdout
    done = cli("drain", f"live-{user}", "--reason", "new version", "--by", "ops")
    assert done.returncode == DONE and done.stdout.startswith(f"live-{user} will end; asked for by ops at ")
    assert "draining by ops: new version" in cli("instances").stdout
    assert cli("drain", f"over-{user}").returncode == REFUSED
    assert cli("drain", "nobody").returncode == REFUSED


def test_submit_passes_what_makes_a_job_wait_and_try_again(cli, rest, user):
    words = ["--queue-timeout", "1m", "--run-timeout", "5s", "--max-attempts", "3", "--backoff", "10", "--max-backoff", "20ms",
             "--retry-on-exit", "75", "--retry-on-exit", "76", "--retry-on-error", "time.*out", "--on-lost", "fail",
             "--not-before", "2020-01-01T00:00:00Z"]
    done = cli("submit", "--creator", "flow", "--user", user, *words, "true")
    assert done.returncode == DONE, done
    job = rest.end_of(done.stdout.strip())
    assert job["limits"]["queue_timeout_ms"] == 60000 and job["limits"]["run_timeout_ms"] == 5000
    assert job["retry"] == {"max_attempts": 3, "backoff_ms": 10, "max_backoff_ms": 20, "on_lost": "fail", "exit_codes": [75, 76],
                            "errors": ["time.*out"], "node_attempts": 1}
    assert job["not_before"] == "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize("words, field", [
    (["--retry-on-exit", "256"], "retry.exit_codes[0]"), (["--retry-on-error", "("], "retry.errors[0]"),
    (["--not-before", "soon"], "not_before"), (["--on-lost", "cry"], "retry.on_lost"),
])
def test_bad_rules_are_told_at_once(cli, user, words, field):
    done = cli("submit", "--creator", "flow", "--user", user, *words, "true")
    assert done.returncode == REJECTED
    assert field in done.stderr


@pytest.fixture
def document(db, user):
    """document(state, **fields): a job as the collector writes it -> its id. It goes with the test."""
    ids = []

    def write(state, **fields):
        job_id = str(uuid.uuid4())
        ids.append(job_id)
        db["jobs"].insert_one({"_id": job_id, "rev": 9, "state": state, "final": state in FINAL, "creator": "flow", "user": user,
                               "group": f"flow/{user}", "engine": "shell", **fields})
        return job_id

    yield write
    db["jobs"].delete_many({"_id": {"$in": ids}})


def lines_of(done):
    return [" ".join(x.split()) for x in done.stdout.splitlines()]


START = datetime.datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def after(ms):
    return START + datetime.timedelta(milliseconds=ms)


FAILED_TRY = {"n": 1, "started": START, "ended": after(1204), "phase": "retrying", "reason": "retry", "exit_code": 75,
              "error": {"code": "exit_code", "class": "engine", "message": "it ended with 75"}}


def test_every_attempt_is_shown_once_with_its_end(cli, document):
    job_id = document("queued", times={"accepted": START, "started": START}, attempt=3, retry_at=after(9000),
                      attempts=[FAILED_TRY, {"n": 2, "started": after(2000), "ended": after(92000), "phase": "lost", "reason": "its executor is gone"},
                                {**FAILED_TRY, "n": 3, "exit_code": 9, "error": {"code": "killed", "class": "engine", "message": "by a signal"}}])
    lines = lines_of(cli("get", job_id))
    assert "attempts 1 failed after 1.204s: exit_code: it ended with 75" in lines
    assert "2 lost after 1m30s: its executor is gone" in lines
    assert "3 failed after 1.204s: killed: by a signal (exit code 9)" in lines
    assert any(x.startswith("next try 20") for x in lines)


def test_a_cancel_in_backoff_shows_its_one_attempt_and_no_backoff_in_what_it_took(cli, document):
    job_id = document("cancelled", times={"accepted": START, "started": START, "finished": after(60000)}, attempt=1, attempts=[FAILED_TRY])
    lines = lines_of(cli("get", job_id))
    assert "attempts 1 failed after 1.204s: exit_code: it ended with 75" in lines
    assert "took 1.204s" in lines


def test_took_is_the_last_attempt_and_of_several_the_whole_too(cli, document, user):
    job_id = document("succeeded", times={"accepted": START, "started": START, "finished": after(63500)}, attempt=2,
                      attempts=[FAILED_TRY, {"n": 2, "started": after(61000), "ended": after(63500), "phase": "succeeded"}])
    assert "took 2.5s (the last attempt); from the first start to the end 1m3.5s" in lines_of(cli("get", job_id))
    assert " 2.5s" in next(x for x in cli("list", "--user", user).stdout.splitlines() if x.startswith(job_id))


def test_a_real_job_that_is_cancelled_in_backoff_shows_its_attempt(cli, rest, make):
    job_id = rest.submit(make("exit 75", retry={"max_attempts": 2, "backoff_ms": 3600000, "exit_codes": [75]}))
    wait_for(lambda: rest.job(job_id).get("retry_at"), 20, "the first try failed")
    rest.cancel(job_id)
    rest.end_of(job_id)
    lines = lines_of(cli("get", job_id))
    assert any(x.startswith("attempts 1 failed after ") and x.count("75") == 1 for x in lines), lines


def test_labels_filter_a_list(cli, rest, make, user):
    blue, both = rest.submit(make("true", labels={"team": "blue"})), rest.submit(make("true", labels={"team": "blue", "x.y": "a=b"}))
    for job_id in (blue, both):
        rest.end_of(job_id)
    found = [j["job_id"] for j in cli.json("list", "--user", user, "--label", "team=blue")]
    assert found == [both, blue]
    assert [j["job_id"] for j in cli.json("list", "--user", user, "--label", "team=blue", "--label", "x.y=a=b")] == [both]
    assert cli("list", "--label", "team").returncode == USAGE
