# SPDX-License-Identifier: Apache-2.0
"""Parts of ./run that only count when something goes wrong: which process counts as alive, and a wrong name."""
import subprocess

import pytest

from harness import settings


def lib(run_dir, command):
    """A command of compose/lib.sh with a folder of pid files."""
    return subprocess.run(["bash", "-euc", f". compose/lib.sh; RUN_DIR=$1; {command}", "lib", str(run_dir)], cwd=settings.ROOT,
                          capture_output=True, text=True, timeout=20)


@pytest.fixture
def dead_pid():
    done = subprocess.Popen(["true"])
    done.wait()
    return done.pid


def test_a_process_that_died_before_its_start_was_noted_is_dead(tmp_path, dead_pid):
    (tmp_path / "x.pid").write_text(f"{dead_pid}\n")
    (tmp_path / "x.started").write_text("")
    assert lib(tmp_path, "alive x").returncode == 1


def test_a_pid_that_was_given_away_again_is_not_ours(tmp_path):
    with subprocess.Popen(["sleep", "100"]) as other:
        try:
            (tmp_path / "x.pid").write_text(f"{other.pid}\n")
            start = lib(tmp_path, f"started_at {other.pid}").stdout.strip()
            (tmp_path / "x.started").write_text(f"{start}\n")
            assert lib(tmp_path, "alive x").returncode == 0
            (tmp_path / "x.started").write_text(f"{int(start) - 1}\n")
            assert lib(tmp_path, "alive x").returncode == 1
        finally:
            other.kill()


def test_an_unknown_log_is_told_with_the_names_that_there_are(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "ingest.log").write_text("a line\n")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MILLRACE_VAR": str(tmp_path), "MILLRACE_SERVERS": "native"}
    run = [settings.ROOT / "run", "logs"]
    known = subprocess.run([*run, "ingest"], env=env, capture_output=True, text=True, timeout=20)
    assert (known.returncode, known.stdout) == (0, "a line\n")
    unknown = subprocess.run([*run, "nothing"], env=env, capture_output=True, text=True, timeout=20)
    assert unknown.returncode == 1 and unknown.stderr.strip().endswith("there are: ingest")
