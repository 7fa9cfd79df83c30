# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the flow tests. A module gets a stack of its own: the five programs on fresh topics and a fresh database; it
is closed with the module, and whatever went wrong inside (a stage that died, a sanitizer report) fails there."""
import itertools
import re

import pytest

from harness import settings
from harness.servers import Servers
from harness.stages import Stack

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def servers():
    s = Servers()
    s.ensure()
    yield s
    s.end()


@pytest.fixture(scope="module")
def stack_options():
    """A module that wants other settings defines its own: arguments of Stack."""
    return {}


@pytest.fixture(scope="module")
def stack_name(request):
    return request.module.__name__.removeprefix("test_").replace("_", "-")


@pytest.fixture(scope="module")
def unstarted(servers, stack_name, stack_options, request):
    """Topics are there, nothing runs."""
    s = Stack(stack_name, **stack_options)
    request.node.stack = s
    s.make_topics()
    yield s
    wrong = s.close()
    assert not wrong, "\n\n".join(wrong)


@pytest.fixture(scope="module")
def stack(unstarted):
    unstarted.start()
    return unstarted


@pytest.fixture
def rest(stack):
    return stack.rest


@pytest.fixture
def kafka(stack):
    return stack.kafka


@pytest.fixture
def db(stack):
    return stack.db


@pytest.fixture
def user(request):
    """A user of this test alone: its group waits for nobody else's jobs."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:48].strip("-")
    return f"{name}.{next(_numbers)}"


@pytest.fixture
def make(user):
    """A submission: make("echo hello"), make("select 1", engine="sqlite", name="x")."""

    def make_job(code, engine="shell", **more):
        return {"creator": "flow", "user": user, "engine": engine, "code": code, **more}

    return make_job


@pytest.fixture
def blocker(rest, user, make):
    """A running job: the others of its group wait. What the group still has is cancelled with the test."""
    job_id = rest.submit(make("sleep 3600"))
    rest.wait_state(job_id, "running")
    yield job_id
    answer = rest.http.post("/v1/jobs/cancel", json={"group": f"flow/{user}"})
    assert answer.status_code in (200, 202), answer.text
    rest.end_of(job_id)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the end of the stages' logs."""
    report = (yield).get_result()
    stack = getattr(item.getparent(pytest.Module), "stack", None)
    if report.failed and stack is not None:
        report.sections.append((f"stages (logs: {stack.logs})", stack.tails()))


def pytest_report_header():
    return f"millrace: programs {settings.BIN}, data {settings.VAR}, ports +{settings.OFFSET}"
