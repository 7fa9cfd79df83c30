# SPDX-License-Identifier: Apache-2.0
"""Failed tries that are repeated: whose word counts, how long the pause is, and that the group waits for the job meanwhile."""
import pytest

from harness.direct import converted, now_ms, submit_converted
from harness.wait import wait_for

QUICK = {"max_attempts": 3, "backoff_ms": 100, "max_backoff_ms": 200}
SLOW = {"max_attempts": 3, "backoff_ms": 4000, "max_backoff_ms": 4000}
# What a try does is told by its number; it leaves a line of its own.
TRY = "echo try $MILLRACE_ATTEMPT\n"
UNTIL_THIRD = TRY + "[ $MILLRACE_ATTEMPT -ge 3 ] || "


def phases(stack, job_id):
    return [(e["attempt"], e["phase"]) for e in stack.db["job_events"].find({"job_id": job_id}).sort("at", 1)
            if e["phase"] not in ("accepted", "converted", "planned", "queued")]


def run(stack, user, code, **retry):
    job_id = submit_converted(stack.kafka, converted(user, code, retry={**QUICK, **retry}))
    return job_id, stack.rest.end_of(job_id)


def log_of_attempt(rest, job_id, attempt):
    answer = rest.get(f"/v1/jobs/{job_id}/log", attempt=attempt)
    assert answer.status_code == 200, answer.text
    return answer.json()["text"]


@pytest.mark.parametrize("code, rule", [
    ("exit 7", {"exit_codes": [3, 7]}),
    ("exit 9", {"errors": ["^exit.status [89]$"]}),
    ("exit 9", {"errors": ["no such thing", "^exit_code$"]}),
    ("kill -9 $PPID", {}),
], ids=["an exit code", "a pattern of the message", "a pattern of the code", "the engine's word"])
def test_a_failed_try_is_repeated_when_a_rule_or_the_engine_says_so(stack, user, code, rule):
    job_id, job = run(stack, user, UNTIL_THIRD + code, **rule)
    assert job["state"] == "succeeded", job
    assert job["attempt"] == 3
    wait_for(lambda: phases(stack, job_id) == [(1, "started"), (1, "retrying"), (2, "started"), (2, "retrying"), (3, "started"),
                                               (3, "succeeded")], 20, "all of it is told")
    assert stack.db["runs"].find_one({"_id": job_id})["tries"] == 3


@pytest.mark.parametrize("code, rule", [
    ("exit 8", {"exit_codes": [7]}),
    ("exit 8", {"errors": ["status 9"]}),
    ("exit 8", {}),
], ids=["another exit code", "another message", "no rule"])
def test_what_no_rule_names_is_not_repeated(stack, user, code, rule):
    job_id, job = run(stack, user, TRY + code, **rule)
    assert (job["state"], job["attempt"], job["exit_code"], job["error"]["retryable"]) == ("failed", 1, 8, False)
    wait_for(lambda: phases(stack, job_id) == [(1, "started"), (1, "failed")], 20, "all of it is told")


def test_when_the_tries_are_used_up_the_last_one_counts(stack, user):
    job_id, job = run(stack, user, TRY + "exit $((MILLRACE_ATTEMPT + 10))", exit_codes=[11, 12, 13])
    assert (job["state"], job["attempt"], job["exit_code"]) == ("failed", 3, 13)
    assert (job["error"]["code"], job["error"]["retryable"]) == ("exit_code", True)


def test_a_run_over_its_time_is_repeated_only_by_a_rule(stack, user):
    limits = {"run_timeout_ms": 400}
    job = converted(user, "sleep 1000", limits=limits, retry={**QUICK, "max_attempts": 2})
    told = stack.rest.end_of(submit_converted(stack.kafka, job))
    assert (told["state"], told["attempt"], told["error"]["code"]) == ("timed_out", 1, "run_timeout")
    job = converted(user, "[ $MILLRACE_ATTEMPT = 2 ] || sleep 1000", limits=limits,
                    retry={**QUICK, "max_attempts": 2, "errors": ["^run_timeout$"]})
    told = stack.rest.end_of(submit_converted(stack.kafka, job))
    assert (told["state"], told["attempt"]) == ("succeeded", 2)


def test_the_log_of_each_try_can_be_read(stack, user):
    job_id, job = run(stack, user, UNTIL_THIRD + "exit 7", exit_codes=[7])
    assert [log_of_attempt(stack.rest, job_id, n) for n in (1, 2, 3)] == ["try 1\n", "try 2\n", "try 3\n"]
    assert stack.rest.log(job_id) == "try 3\n"
    attempts = stack.db["jobs"].find_one({"_id": job_id})["attempts"]
    assert [(a["n"], a["phase"], a["exit_code"], a["log"]["bytes"]) for a in attempts[:2]] == [
        (1, "retrying", 7, 6), (2, "retrying", 7, 6)]


def test_the_log_of_a_try_that_never_was_is_not_found(stack, user):
    job_id, _ = run(stack, user, UNTIL_THIRD + "exit 7", exit_codes=[7])
    answer = stack.rest.get(f"/v1/jobs/{job_id}/log", attempt=4)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.text
    assert "1 to 3" in answer.json()["detail"]


def test_a_piece_of_an_earlier_tries_log_is_not_all_of_it(stack, user):
    job_id, _ = run(stack, user, UNTIL_THIRD + "exit 7", exit_codes=[7])
    first = stack.rest.get(f"/v1/jobs/{job_id}/log", attempt=1, limit=4).json()
    assert (first["text"], first["complete"]) == ("try ", False)
    rest = stack.rest.get(f"/v1/jobs/{job_id}/log", attempt=1, offset=first["next_offset"]).json()
    assert (rest["text"], rest["complete"]) == ("1\n", True)


def backs_off(stack, job_id):
    return wait_for(lambda: stack.db["jobs"].find_one({"_id": job_id, "state": "queued", "attempt": 1}), 20, "it backs off")


def test_a_pause_is_shown_and_the_group_waits(stack, user):
    effects = stack.folder / "order"
    first = submit_converted(stack.kafka, converted(user, f"echo first $MILLRACE_ATTEMPT >> {effects}; [ $MILLRACE_ATTEMPT = 2 ] || exit 7",
                                                    retry={**SLOW, "exit_codes": [7]}))
    second = submit_converted(stack.kafka, converted(user, f"echo second >> {effects}"))
    shown = backs_off(stack, first)
    assert "exit status 7" in shown["reason"]
    ahead = int(shown["retry_at"].timestamp() * 1000) - now_ms()
    print(f"next try in {ahead} ms")
    assert ahead <= SLOW["backoff_ms"]
    run = stack.db["runs"].find_one({"_id": first})
    assert (run["state"], run["reason"], run["retry_at"]) == ("queued", "retry", shown["retry_at"])
    assert stack.rest.end_of(first)["state"] == "succeeded"
    assert stack.rest.end_of(second)["state"] == "succeeded"
    assert effects.read_text().splitlines() == ["first 1", "first 2", "second"]
    started = stack.db["job_events"].find_one({"_id": f"{first}/2/started"})
    assert started["at"] >= shown["retry_at"]


def test_a_pause_holds_across_a_crash_of_the_executor(stack, user):
    job_id = submit_converted(stack.kafka, converted(user, "[ $MILLRACE_ATTEMPT = 2 ] || exit 7", retry={**SLOW, "exit_codes": [7]}))
    shown = backs_off(stack, job_id)
    stack["executor"].kill()
    stack["executor"].start()
    assert stack.rest.end_of(job_id)["state"] == "succeeded"
    assert stack.db["job_events"].find_one({"_id": f"{job_id}/2/started"})["at"] >= shown["retry_at"]


def test_a_job_that_backs_off_can_be_cancelled(stack, user):
    job_id = submit_converted(stack.kafka, converted(user, TRY + "exit 7", retry={**SLOW, "backoff_ms": 60_000, "max_backoff_ms": 60_000,
                                                                            "exit_codes": [7]}))
    behind = submit_converted(stack.kafka, converted(user, "echo my turn"))
    backs_off(stack, job_id)
    # The try that may come next has a log that goes on; a later one has none.
    log = stack.rest.get(f"/v1/jobs/{job_id}/log", attempt=2)
    assert (log.status_code, log.json()["text"], log.json()["complete"]) == (200, "", False), log.text
    assert stack.rest.get(f"/v1/jobs/{job_id}/log", attempt=3).status_code == 404
    assert stack.rest.cancel(job_id).status_code == 202
    job = stack.rest.end_of(job_id)
    assert (job["state"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert "while it waited for its next attempt" in job["error"]["message"]
    # What did run stays readable.
    assert job["attempt"] == 1
    (attempt,) = job["attempts"]
    assert (attempt["n"], attempt["phase"], attempt["exit_code"]) == (1, "retrying", 7)
    assert log_of_attempt(stack.rest, job_id, 1) == "try 1\n"
    assert stack.rest.log(job_id) == "try 1\n"
    piece = stack.rest.get(f"/v1/jobs/{job_id}/log", limit=4).json()
    assert (piece["text"], piece["complete"]) == ("try ", False)
    assert stack.rest.end_of(behind)["state"] == "succeeded"
