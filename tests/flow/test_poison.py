# SPDX-License-Identifier: Apache-2.0
"""A record at which executors died again and again: it goes to jobs.dead, its job ends, and the next job of its group runs. The deaths are
written where dead executors leave them: in the metadata of the committed offset (core/progress.h)."""
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from harness import settings
from harness.wait import wait_for

JOBS = 3


@pytest.fixture(scope="module")
def stack(unstarted):
    for stage in unstarted.stages:
        if stage.name != "executor":
            stage.start(wait=False)
    for stage in unstarted.stages:
        if stage.name != "executor":
            stage.wait_ready()
    return unstarted


def commit_once(consumer, place):
    try:
        (done,) = consumer.commit(offsets=[place], asynchronous=False)
        return done.error is None
    except KafkaException:
        return False


def commit(stack, partition, offset, metadata):
    """Once the group is empty: an executor that was stopped has left it, or is about to."""
    consumer = Consumer({"bootstrap.servers": settings.BROKERS, "group.id": f"{stack.prefix}executor", "enable.auto.commit": False})
    try:
        place = TopicPartition(stack.prefix + "jobs.planned", partition, offset, metadata)
        wait_for(lambda: commit_once(consumer, place), 30, "the offset is committed", 0.2)
    finally:
        consumer.close()


def planned(stack, ids):
    """Where the jobs' records lie in jobs.planned, in their order."""
    found = {}
    reader = stack.kafka.reader("jobs.planned")

    def all_there():
        message = reader.poll(0.2)
        if message is not None:
            job = dict(message.headers())["job"].decode()
            if job in ids:
                found[job] = (message.partition(), message.offset())
        return len(found) == len(ids)

    wait_for(all_there, 40, "the jobs are planned", 0)
    return [found[i] for i in ids]


@pytest.mark.parametrize("tries,dies", [(2, False), (3, True)], ids=["two deaths are not enough", "three are"])
def test_a_poisoned_record_ends_its_job_and_stops_nothing(stack, make, tries, dies):
    ids = [stack.rest.submit(make(f"echo {n}")) for n in range(JOBS)]
    first = planned(stack, ids)[0]
    commit(stack, *first, f"try={tries}")
    stack["executor"].start()
    ends = [stack.rest.end_of(i) for i in ids]
    states = [e["state"] for e in ends]
    assert states == ["rejected" if dies else "succeeded"] + ["succeeded"] * (JOBS - 1), ends
    if dies:
        assert ends[0]["error"]["code"] == "poison", ends[0]["error"]
        dead = stack.kafka.reader("jobs.dead").read_to_end()
        assert ids[0] in [dict(m.headers()).get("job", b"").decode() for m in dead]
    assert stack["executor"].stop() == 0
