# SPDX-License-Identifier: Apache-2.0
"""The README's first jobs are run as they stand there; only addresses, the topic's prefix and the paths of this stack are put in."""
import json
import re
import subprocess
import sys

import pytest

from harness import settings
from harness.wait import wait_for

README = (settings.ROOT / "README.md").read_text()
FIRST = README.split("## A first job", 1)[1].split("\n## ", 1)[0]
CONTROL = README.split("## Retries, later starts, limits, holds", 1)[1].split("\n## ", 1)[0]
READING = README.split("## Reading the documents", 1)[1].split("\n## ", 1)[0]


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def here(stack, text):
    ours = {"http://127.0.0.1:8420": stack["ingest"].url, "127.0.0.1:9092": settings.BROKERS}
    # In one go: a port of ours may be one of the README's.
    return (re.sub("|".join(map(re.escape, ours)), lambda m: ours[m[0]], text)
            .replace("mongodb://127.0.0.1:27017", settings.MONGO_URI)
            .replace(").millrace", f")['{stack.database}']")
            .replace("jobs.submitted", f"{stack.prefix}jobs.submitted"))


def shell(stack, text):
    done = subprocess.run(["bash", "-euc", text], cwd=settings.ROOT, env={**stack.env, "PATH": f"{settings.BIN}:{stack.env['PATH']}"},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


def newest(stack, **filters):
    return wait_for(lambda: stack.db["jobs"].find_one({"creator": "demo", "user": "ann", "final": True, **filters},
                                                      sort=[("times.accepted", -1)]), 40, f"a job {filters} ends")


@pytest.fixture(scope="module")
def parts():
    found = blocks(FIRST, "sh")
    assert len(found) == 4, "curl, the command line, dry run and plan, kcat"
    return dict(zip(["curl", "cli", "plan", "kcat"], found))


def test_curl(stack, parts):
    submit, get, log = [x for x in re.split(r"\n(?=curl )", here(stack, parts["curl"]).strip())]
    answer = json.loads(shell(stack, submit.split("\n#")[0]))
    job = stack.rest.end_of(answer["job_id"])
    assert job["state"] == "succeeded", job
    assert json.loads(shell(stack, get.replace("JOB_ID", answer["job_id"]).split("#")[0]))["state"] == "succeeded"
    assert shell(stack, log.replace("JOB_ID", answer["job_id"])) == "hello, world\n"


def test_the_command_line(stack, parts):
    lines = parts["cli"].strip().splitlines()
    job_id = shell(stack, lines[0]).split()[0]
    assert "42" in shell(stack, lines[1].replace("JOB_ID", job_id))
    shell(stack, lines[2])
    shell(stack, lines[3].replace("JOB_ID", job_id))


def test_dry_run_and_plan(stack, parts):
    before = stack.db["jobs"].count_documents({})
    dry, rest = here(stack, parts["plan"]).strip().split("\ncurl ")
    curl, plan = rest.split("\nmillrace ")
    shown = shell(stack, dry)
    assert "select 6 * 7 as answer" in shown and "exec sqlite" in shown, shown
    assert json.loads(shell(stack, "curl " + curl))["accepted"] is True
    assert stack.db["jobs"].count_documents({}) == before
    job = stack.rest.run({"creator": "demo", "user": "ann", "engine": "shell", "code": "true"})
    assert "n1 exec shell" in shell(stack, "millrace " + plan.replace("JOB_ID", job["job_id"]))


def test_kcat(stack, parts):
    before = stack.db["jobs"].count_documents({"code": "date"})
    shell(stack, here(stack, parts["kcat"]))
    wait_for(lambda: stack.db["jobs"].count_documents({"code": "date", "state": "succeeded"}) > before, 40, "the job ends")


def test_retries_limits_and_holds(stack):
    """All of it by one shell, as a reader would paste it; then the limits and the hold are there, and release lets go."""
    (block,) = blocks(CONTROL, "sh")
    shown = shell(stack, here(stack, block))
    assert "demo/ann" in shown, shown
    limits = {d["_id"]: d for d in stack.db["limits"].find()}
    assert limits["demo/*"]["max_queued"] == 1000 and limits["demo/*"]["weight"] == 3
    assert limits["demo/ann"]["max_running"] == 2 and limits["demo/ann"]["on_failure"] == "hold"
    assert stack.db["cancels"].find_one({"_id": "hold:demo/ann"})["reason"] == "warehouse is away"
    retried = stack.db["jobs"].find_one({"retry.max_attempts": 5}) or stack.db["jobs"].find_one({"code": "./load.sh"})
    assert retried, "the job with retries"
    shell(stack, "millrace release demo/ann")
    stack.rest.end_of(retried["_id"])
    stack.db["limits"].delete_many({})


def test_python(stack):
    before = stack.db["jobs"].count_documents({"code": "date"})
    (program,) = blocks(FIRST, "python")
    subprocess.run([sys.executable, "-c", here(stack, program)], cwd=settings.ROOT, check=True, timeout=60)
    wait_for(lambda: stack.db["jobs"].count_documents({"code": "date", "state": "succeeded"}) > before, 40, "the job ends")


def test_reading_the_documents(stack):
    job_id = stack.rest.submit({"creator": "demo", "user": "ann", "engine": "shell", "code": "echo read me; exit 1"})
    stack.rest.end_of(job_id)
    (program,) = blocks(READING, "python")
    names = {"JOB_ID": job_id, "__builtins__": __builtins__}
    results = [eval(line, names) if not re.match(r"import|db =", line) else exec(line, names)  # noqa: S307 (our own page)
               for line in here(stack, program).strip().splitlines()]
    newest_failed, by_engine, events, logs = results[2:]
    assert newest_failed["_id"] == job_id
    assert {"engine": "shell", "state": "failed"} in [row["_id"] for row in by_engine]
    assert [e["phase"] for e in events][-1] == "failed"
    assert "".join(x["text"] for x in logs) == "read me\n"
