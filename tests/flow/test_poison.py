# SPDX-License-Identifier: Apache-2.0
"""A record at which executors died again and again: it goes to jobs.dead, its job ends, and the next job of its group runs. The deaths are
written where dead executors leave them: in the metadata of the committed offset (core/progress.h)."""
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from harness import settings
from harness.direct import converted, submit_planned
from harness.wait import wait_for

JOBS = 3


@pytest.fixture(scope="module")
def stack_options():
    lease = {"MILLRACE_LEASE_RENEW": "500ms", "MILLRACE_LEASE_HOLD": "4s", "MILLRACE_LEASE_WATCH": "6s"}
    return {"stage_env": {"executor": lease}}


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


def partition_ends(stack):
    """By partition of jobs.planned: where the next record will lie."""
    consumer = Consumer({"bootstrap.servers": settings.BROKERS, "group.id": "ends"})
    try:
        topic = stack.prefix + "jobs.planned"
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in partitions}
    finally:
        consumer.close()


def test_an_end_on_purpose_is_no_death(stack, servers, user):
    """Two deaths count, and the database goes away when the executor has begun with the record: it ends because its lease does. A third
    death would have been one too many."""
    for partition, end in partition_ends(stack).items():
        commit(stack, partition, end, "try=2")
    executor = stack["executor"]
    said = len(executor.text())
    executor.start()
    wait_for(lambda: "event=careful" in executor.text()[said:], 30, "it is careful")
    job = {**converted(user, "echo I was not it"), "statements": [],
           "nodes": [{"id": "n1", "kind": "exec", "engine": "shell", "code_type": "shell", "code": "echo I was not it", "statement": 0}]}
    servers.kill("ferretdb")
    try:
        executor.expected = False
        submit_planned(stack.kafka, job)
        assert executor.process.wait(60) == 1
        assert "event=lease_over" in executor.text()[said:]
    finally:
        servers.start("ferretdb")
    executor.start()
    assert stack.rest.end_of(job["job_id"], 60)["state"] == "succeeded"
    assert executor.stop() == 0
