# SPDX-License-Identifier: Apache-2.0
"""The pages under docs/reference are what the programs say of themselves, and the commands that the README shows exist."""
import os
import re
import subprocess

import pytest

from harness import settings

PAGES = ["checks.md", "cli.md", "errors.md", "passes.md", "records.md", "routes.md", "variables.md", *(f"settings-{s}.md" for s in
                                                            ("ingest", "converter", "planner", "executor", "collector"))]
REFERENCE = settings.ROOT / "docs" / "reference"
README = (settings.ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("reference")
    # Settings that this session gives to the programs must not stand in their pages.
    env = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
    done = subprocess.run([settings.ROOT / "docs" / "make-reference.sh", out], capture_output=True, text=True, timeout=60,
                          env={**env, "MILLRACE_BUILD_DIR": str(settings.BUILD)})
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_the_programs_print(made, page):
    assert (REFERENCE / page).read_text() == (made / page).read_text(), "run docs/make-reference.sh and commit the pages"


def test_no_page_is_left_over(made):
    assert sorted(p.name for p in REFERENCE.iterdir()) == sorted(p.name for p in made.iterdir()) == sorted(PAGES)


def test_the_tables_on_the_pages_have_their_columns():
    for page in PAGES:
        columns = 0
        for line in (REFERENCE / page).read_text().splitlines():
            bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert bars == 0 or columns in (0, bars), f"{page}: {line}"
            columns = bars


def test_the_commands_of_the_readme_exist():
    run_help = subprocess.run([settings.ROOT / "run", "help"], capture_output=True, text=True, timeout=20).stdout
    millrace_help = subprocess.run([settings.BIN / "millrace", "help"], capture_output=True, text=True, timeout=20).stdout
    run_commands = set(re.findall(r"\./run ([a-z]+)", README))
    millrace_commands = set(re.findall(r"^(?:\S*/)?millrace ([a-z]+)", README, re.M))
    assert {"demo", "test", "up"} <= run_commands and {"submit", "results"} <= millrace_commands
    for command in run_commands:
        assert re.search(rf"^\s+(?:\S+\|)*{command}\b", run_help, re.M), f"./run {command}"
    for command in millrace_commands:
        assert re.search(rf"^  {command} ", millrace_help, re.M), f"millrace {command}"


def test_the_options_of_the_readme_exist():
    for line in re.findall(r"^millrace .*", README, re.M):
        command = line.split()[1]
        shown = subprocess.run([settings.BIN / "millrace", command, "--help"], capture_output=True, text=True, timeout=20).stdout
        for option in re.findall(r" (--[a-z-]+)", line):
            assert option in shown, f"{command} {option}"


def test_the_links_between_the_documents_lead_somewhere():
    for page in [settings.ROOT / "README.md", *(settings.ROOT / "docs").glob("*.md"), settings.ROOT / "schemas" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_files_of_the_tour_exist():
    tour = README.split("## A tour", 1)[1].split("\n## ", 1)[0]
    files = re.findall(r"`((?:[a-z]+/)+[a-z_.]*)`", tour)
    assert len(files) > 10
    for file in files:
        assert (settings.ROOT / file).exists(), file
