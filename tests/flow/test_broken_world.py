# SPDX-License-Identifier: Apache-2.0
"""The world breaks while 500 jobs of 20 groups are on their way: each stage and each server is killed (SIGKILL) in the
middle and started again. Every accepted job reaches exactly one final state, the order inside each group holds, nothing is
lost, and effects in the outside world are repeated only where the executor itself was killed."""
import random

import pytest

from harness import servers as server_list
from harness.load import Load
from harness.stages import NAMES as STAGES
from harness.stages import processes
from harness.wait import wait_for

# Enough that everything is under way, few enough that most is still to come.
KILL_AT = 80


@pytest.fixture(scope="module", autouse=True)
def all_stay_dead_letter_free(stack):
    """Nobody's record is taken for garbage in all of this."""
    yield
    dead = stack.kafka.dead()
    assert not dead, [(m.key(), m.headers()) for m in dead]


def flow_until_the_middle(stack, creator):
    load = Load(stack, creator)
    load.start()
    load.wait_ended(KILL_AT, 60)
    assert len(load.ended) < load.total // 2, "it was over before the world broke"
    return load


def all_of_it_arrives(load, **more):
    load.join()
    load.wait_all_final()
    wait_for(lambda: load.stack.db["outcomes"].count_documents({"unsent": True}) == 0, 30, "all outcomes are told")
    return load.check(**more)


@pytest.mark.parametrize("victim", STAGES)
def test_a_killed_stage_goes_on_where_it_was(stack, victim):
    load = flow_until_the_middle(stack, f"kill-{victim}")
    stack[victim].kill()
    stack[victim].start()
    all_of_it_arrives(load, repeats_allowed=victim == "executor")


@pytest.mark.parametrize("victim", server_list.NAMES)
def test_a_killed_server_loses_nothing(stack, servers, victim):
    load = flow_until_the_middle(stack, f"kill-{victim}")
    servers.kill(victim)
    wait_for(lambda: stack["ingest"].probe("/readyz") == 503, 30, f"ingest says that {victim} is away", 0.1)
    servers.start(victim)
    all_of_it_arrives(load)
    for stage in stack.stages:
        stage.wait_ready()


def test_kafka_killed_again_and_again_ends_no_stage(stack, servers):
    """A broker's death is an outage, for the clients' own state too: nobody gives up, nothing runs twice."""
    pids = {stage.label: stage.pid for stage in stack.stages}
    load = Load(stack, "kill-kafka-often", jobs=40)
    load.start()
    for kills in range(1, 5):
        load.wait_ended(kills * KILL_AT, 90)
        servers.kill("kafka")
        servers.start("kafka")
    all_of_it_arrives(load)
    assert {stage.label: stage.pid for stage in stack.stages if stage.alive()} == pids


def test_killed_engine_processes_die_with_their_executor(stack, make):
    rest, executor = stack.rest, stack["executor"]
    nap = f"sleep {random.randrange(10**7, 10**8)}"
    job_id = rest.submit(make(f"{nap} & setsid {nap} & wait"))
    # Both, and the shell that has them in its own command line.
    wait_for(lambda: len(processes(nap)) == 3, 20, "the job and its children run")
    instance = stack.db["runs"].find_one({"_id": job_id})["instance"]
    executor.kill()
    wait_for(lambda: not processes(nap), 15, f"the guard of {instance} kills the job's tree")
    executor.start()
    # The next executor takes the job over: another attempt.
    again = wait_for(lambda: stack.db["runs"].find_one({"_id": job_id, "state": "running", "attempt": 2}), 30,
                     "the job runs again")
    assert again["instance"] != instance
    assert rest.cancel(job_id).status_code in (200, 202)
    assert rest.end_of(job_id)["state"] == "cancelled"


def test_stages_that_start_before_the_servers_wait_and_say_so(stack, servers, make):
    assert set(stack.stop().values()) == {0}
    for name in reversed(server_list.NAMES):
        servers.stop(name)
    try:
        said = {s.label: len(s.text()) for s in stack.stages}
        stack.start(wait=False)
        for stage in stack.stages:
            wait_for(lambda s=stage: "wait" in s.text()[said[s.label]:], 30, f"{stage.label} says that it waits")
            wait_for(lambda s=stage: s.probe("/healthz") == 200, 30, f"{stage.label} is healthy")
            assert stage.probe("/readyz") == 503
            assert stage.alive()
    finally:
        for name in server_list.NAMES:
            servers.start(name)
    stack.wait_ready()
    assert stack.rest.run(make("echo here we are"))["state"] == "succeeded"
