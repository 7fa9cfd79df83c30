# SPDX-License-Identifier: Apache-2.0
"""The floor: four topics and three relays (relay.c) with nothing between, on the same Kafka, with the same client."""
import subprocess
import time

from confluent_kafka.admin import NewTopic, OffsetSpec

from harness import settings
from harness.kafka import Kafka
from harness.wait import wait_for

PARTITIONS = 12
TOPICS = ["floor.1", "floor.2", "floor.3", "floor.4"]
LATENCY_RECORDS = 300
DRAIN_RECORDS = 200_000
GROUPS = 200
# As large as a small JobSubmitted with its frame.
VALUE = b"x" * 350


def make_topics(kafka):
    for done in kafka.admin.create_topics([NewTopic(kafka.topic(t), PARTITIONS, 1) for t in TOPICS]).values():
        done.result()


class Relays:
    def __init__(self, kafka):
        self.processes = []
        for a, b in zip(TOPICS, TOPICS[1:]):
            p = subprocess.Popen([settings.BIN / "relay", kafka.brokers, kafka.topic(a), kafka.topic(b)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            self.processes.append(p)
        for p in self.processes:
            assert p.stdout.readline() == "ready\n", f"relay ended with {p.wait()}"

    def end(self):
        for p in self.processes:
            p.terminate()
        for p in self.processes:
            p.wait(20)


def count_of(kafka, name):
    """Records written to a topic so far."""
    return sum(kafka.offsets([kafka.topic(name)], OffsetSpec.latest()).values())


def latency(kafka):
    """One record at a time, from produce() until it is read from the last topic; in milliseconds."""
    relays = Relays(kafka)
    took = []
    try:
        reader = kafka.reader(TOPICS[-1], from_end=True)
        for n in range(LATENCY_RECORDS + 20):
            began = time.perf_counter()
            kafka.produce(TOPICS[0], VALUE, key=f"bench/u{n % GROUPS}", wait=False)
            wait_for(lambda: kafka.producer.poll(0) is not None and reader.poll(0.2), 10, "the record arrives", 0)
            # The first ones meet cold connections.
            if n >= 20:
                took.append((time.perf_counter() - began) * 1000)
    finally:
        relays.end()
    return took


def drain(kafka):
    """Records a second through all four topics, from the moment that the relays start to read what lies there."""
    for n in range(DRAIN_RECORDS):
        while True:
            try:
                kafka.produce(TOPICS[0], VALUE, key=f"bench/u{n % GROUPS}", wait=False)
                break
            except BufferError:
                kafka.producer.poll(0.1)
    kafka.flush()
    before = count_of(kafka, TOPICS[-1])
    relays = Relays(kafka)
    try:
        # Their start is not part of it: the clock runs from the first record that has come through.
        first = wait_for(lambda: count_of(kafka, TOPICS[-1]) - before, 30, "the first records arrive", 0.005)
        began = time.perf_counter()
        wait_for(lambda: count_of(kafka, TOPICS[-1]) - before >= DRAIN_RECORDS, 120, "all have arrived", 0.02)
        return (DRAIN_RECORDS - first) / (time.perf_counter() - began)
    finally:
        relays.end()


def measure():
    kafka = Kafka(f"bench{int(time.time())}.")
    try:
        make_topics(kafka)
        return {"latency_ms": latency(kafka), "drain_per_s": drain(kafka)}
    finally:
        kafka.close()
        kafka.delete_topics()
