# SPDX-License-Identifier: Apache-2.0
"""Two processes of every stage share the work. One of each is stopped (SIGTERM) in the middle and started again: nothing is
lost, nothing runs twice, the order inside each group holds, and either ingest answers for all jobs."""
import pytest

from harness.clients import Rest
from harness.load import Load
from harness.stages import NAMES as STAGES
from harness.wait import wait_for

JOBS = 15


@pytest.fixture(scope="module")
def stack_options():
    return {"each": 2}


def test_one_of_each_stage_is_stopped_and_started_again(stack):
    urls = [stack["ingest"].url, stack["ingest-2"].url]
    load = Load(stack, "scale", jobs=JOBS, urls=urls)
    load.start()
    load.wait_ended(60, 60)
    assert len(load.ended) < load.total // 2
    for name in STAGES:
        assert stack[f"{name}-2"].stop() == 0, f"{name}-2"
    for name in STAGES:
        stack[f"{name}-2"].start()
    load.join()
    load.wait_all_final()
    # A drained executor lets its jobs end: no effect happens twice.
    load.check(repeats_allowed=False)


def test_both_executors_are_restarted_one_after_the_other_under_load(stack):
    """As a new version is rolled out: nothing is lost, nothing fails or runs twice, and the order holds."""
    load = Load(stack, "rolling", jobs=2 * JOBS)
    load.start()
    load.wait_ended(40, 60)
    for name in ("executor", "executor-2"):
        before = len(load.ended)
        assert before < load.total - 60, "there is work left for the rest of it"
        assert stack[name].stop() == 0, name
        stack[name].start()
        load.wait_ended(before + 20, 60)
    load.join()
    load.wait_all_final()
    load.check(repeats_allowed=False)
    states = stack.db["jobs"].distinct("state", {"creator": "rolling"})
    assert states == ["succeeded"], states
    assert stack.db["runs"].count_documents({"group": {"$regex": "^rolling/"}, "lost": {"$gt": 0}}) == 0


def test_both_executors_get_work(stack):
    """Partitions are shared: with 20 groups it can't be that one process ran them all. Who came last gets its share in two rounds of
    the consumer group."""
    wait_for(lambda: min(stack[name].partitions() for name in ("executor", "executor-2")) >= 3, 30, "both have partitions")
    load = Load(stack, "share", jobs=2)
    load.start()
    load.join()
    load.wait_all_final()
    load.check()
    instances = stack.db["runs"].distinct("instance", {"group": {"$regex": "^share/"}})
    assert len(instances) == 2, instances


def test_either_ingest_answers_for_a_job_of_the_other(stack, make):
    job_id = stack.rest.submit(make("echo one for all"))
    other = Rest(stack["ingest-2"].url)
    try:
        assert other.end_of(job_id)["state"] == "succeeded"
        assert other.log(job_id) == stack.rest.log(job_id)
    finally:
        other.close()
