# SPDX-License-Identifier: Apache-2.0
"""The engine of docs/engines.md, in Python: taken from the page as it stands there, put into a folder, and run. So whoever
copies it gets something that works."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import settings
from harness.stages import processes

PAGE = (settings.ROOT / "docs" / "engines.md").read_text()
MANIFEST = re.search(r"^```json\n(.*?)^```", PAGE, re.S | re.M).group(1)
PROGRAM = re.search(r"^```python\n(.*?)^```", PAGE, re.S | re.M).group(1)
NAME = json.loads(MANIFEST)["engine"]
COMMAND = json.loads(MANIFEST)["command"][0]


@pytest.fixture(scope="module")
def engines_dir(tmp_path_factory):
    """The engines that were built, and the one of the page."""
    folder = tmp_path_factory.mktemp("engines") / "engines"
    shutil.copytree(settings.BUILD / "engines", folder)
    (folder / NAME).mkdir(exist_ok=True)
    (folder / NAME / "engine.json").write_text(MANIFEST)
    (folder / NAME / COMMAND).write_text(PROGRAM)
    (folder / NAME / COMMAND).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def stack_options(engines_dir):
    return {"env": {"MILLRACE_ENGINES_DIR": str(engines_dir)}}


def test_the_files_in_the_repository_are_those_of_the_page():
    example = settings.ROOT / "engines" / "examples" / NAME
    assert json.loads((example / "engine.json").read_text()) == json.loads(MANIFEST)
    assert (example / COMMAND).read_text() == PROGRAM


def test_it_answers_by_hand(engines_dir):
    """As somebody tries it in a terminal."""
    lines = [{"type": "hello", "protocol": 1, "instance": "me"}, {"type": "unheard of"}, {"type": "ping"}]
    done = subprocess.run([engines_dir / NAME / COMMAND], input="".join(json.dumps(x) + "\n" for x in lines), text=True,
                          capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert [json.loads(x)["type"] for x in done.stdout.splitlines()] == ["ready", "pong"]


def test_a_job_on_it_gives_a_table_and_a_log(rest, make):
    job = rest.run(make("to be or not to be", engine=NAME))
    assert job["state"] == "succeeded", job
    page = rest.rows(job["job_id"])
    assert [c["name"] for c in page["columns"]] == ["word", "count"]
    assert page["rows"][:2] == [["to", 2], ["be", 2]]
    assert "4 different words" in rest.log(job["job_id"])


def test_its_error_is_the_jobs_error(rest, make):
    # A blank text does not get past ingest; the engine sees one when the job's variable is blank.
    job = rest.run(make("${text}", engine=NAME, variables={"text": "  "}))
    assert job["state"] == "failed"
    assert job["error"]["code"] == "code_error"
    assert job["error"]["message"] == "there are no words"
    assert job["error"]["line"] == 1


def test_its_process_is_kept_for_the_next_job(rest, make):
    path = f"{NAME}/{COMMAND}"
    before = None
    for _ in range(3):
        assert rest.run(make("again", engine=NAME))["state"] == "succeeded"
        now = set(processes(path))
        assert now
        assert before is None or now == before
        before = now


def test_when_an_idle_one_dies_the_next_job_gets_another(rest, make):
    assert rest.run(make("warm", engine=NAME))["state"] == "succeeded"
    for pid in processes(f"{NAME}/{COMMAND}"):
        os.kill(pid, signal.SIGKILL)
    assert rest.run(make("after", engine=NAME))["state"] == "succeeded"
