# SPDX-License-Identifier: Apache-2.0
"""Kafka as other programs use it: confluent-kafka's producer and consumer, over the topics of one prefix."""
import json
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from . import avro, settings
from .wait import wait_for

JSON_HEADER = [("content-type", b"application/json")]
LIMIT_S = 30


class Kafka:
    def __init__(self, prefix, brokers=settings.BROKERS):
        self.prefix = prefix
        self.brokers = brokers
        self.admin = AdminClient({"bootstrap.servers": brokers})
        self._producer = None
        self._readers = []

    def topic(self, name):
        return self.prefix + name

    # ---- writing ----

    @property
    def producer(self):
        """Kept for the module: the order of its records is the order of produce()."""
        if self._producer is None:
            self._producer = Producer({
                "bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 0,
                "partitioner": "murmur2_random", "message.max.bytes": 12_000_000, "socket.nagle.disable": True,
                # Waits out an outage, however long the test makes it.
                "delivery.timeout.ms": 300_000})
        return self._producer

    def produce(self, name, value, key=None, headers=None, partition=None, wait=True):
        """One record; returns its (partition, offset) once Kafka has it. With wait=False: at once, None."""
        reports = []
        more = {} if partition is None else {"partition": partition}
        self.producer.produce(self.topic(name), value=value, key=key, headers=headers,
                              on_delivery=lambda error, m: reports.append((error, m)), **more)
        self.producer.poll(0)
        if not wait:
            return None
        wait_for(lambda: self.producer.poll(0.05) is not None and reports, LIMIT_S, f"Kafka takes a record to {name}", 0)
        error, message = reports[0]
        assert error is None, error
        return message.partition(), message.offset()

    def flush(self, limit=LIMIT_S):
        left = self.producer.flush(limit)
        assert left == 0, f"{left} records were not taken in {limit} s"

    def submit_json(self, job, key=None, wait=True):
        return self.produce("jobs.submitted", json.dumps(job).encode(), key or f"{job['creator']}/{job['user']}",
                            JSON_HEADER, wait=wait)

    def submit_avro(self, job, key=None, wait=True):
        return self.produce("jobs.submitted", avro.encode("JobSubmitted", job), key or f"{job['creator']}/{job['user']}",
                            wait=wait)

    # ---- reading ----

    def reader(self, *names, from_end=False):
        r = Reader(self, names, from_end)
        self._readers.append(r)
        return r

    def events(self):
        """All of jobs.events, as (message, record); what a test put there itself has no header `job`."""
        r = Reader(self, ["jobs.events"])
        try:
            return [(m, avro.decode("JobEvent", m.value())) for m in r.read_to_end() if "job" in dict(m.headers() or [])]
        finally:
            r.close()

    def dead(self):
        r = Reader(self, ["jobs.dead"])
        try:
            return r.read_to_end()
        finally:
            r.close()

    def offsets(self, topics, spec):
        """Of all partitions of these topics: {(topic, partition): offset}, asked at once."""
        def ask():
            found = self.admin.list_topics(timeout=10).topics
            parts = [TopicPartition(t, p) for t in topics for p in found[t].partitions]
            return {(p.topic, p.partition): f.result().offset
                    for p, f in self.admin.list_offsets({p: spec for p in parts}, request_timeout=10).items()}

        def answered():
            try:
                return ask()
            except KafkaException as e:
                raise AssertionError(e) from e

        return wait_for(answered, LIMIT_S, f"the offsets of {topics}", 0.2)

    def wait_committed(self, group, topic):
        """Until the group has committed all that lies in the topic: who takes it over from now on reads none of it again."""
        ends = {p: end for (_, p), end in self.offsets([self.topic(topic)], OffsetSpec.latest()).items() if end > 0}
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": self.prefix + group, "enable.auto.commit": False})

        def committed():
            try:
                found = consumer.committed([TopicPartition(self.topic(topic), p) for p in ends], 10)
            except KafkaException as e:
                raise AssertionError(e) from e
            return all(p.offset >= ends[p.partition] for p in found)

        try:
            wait_for(committed, LIMIT_S, f"{group} has committed {topic}", 0.1)
        finally:
            consumer.close()

    # ---- the end ----

    def close(self):
        for r in self._readers:
            r.close()
        self._readers = []
        if self._producer is not None:
            self._producer.flush(5)
            self._producer = None

    def delete_topics(self):
        ours = [t for t in self.admin.list_topics(timeout=10).topics if t.startswith(self.prefix)]
        if ours:
            for done in self.admin.delete_topics(ours, operation_timeout=20).values():
                done.result()


class Reader:
    """Reads all partitions of some topics, without a group: from the beginning, or from what is the end now."""

    def __init__(self, kafka, names, from_end=False):
        self.kafka = kafka
        self.topics = [kafka.topic(name) for name in names]
        self.next = self.kafka.offsets(self.topics, OffsetSpec.latest() if from_end else OffsetSpec.earliest())
        self.consumer = Consumer({
            "bootstrap.servers": kafka.brokers, "group.id": "flow-reader", "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.message.max.bytes": 12_000_000, "fetch.wait.max.ms": 50})
        self.consumer.assign([TopicPartition(t, p, offset) for (t, p), offset in self.next.items()])

    def poll(self, timeout=0.1):
        m = self.consumer.poll(timeout)
        if m is None or m.error():
            return None
        self.next[(m.topic(), m.partition())] = m.offset() + 1
        return m

    def read_to_end(self, limit=LIMIT_S):
        """Everything up to what is the end now."""
        ends = self.kafka.offsets(self.topics, OffsetSpec.latest())
        got = []
        end = time.monotonic() + limit
        while any(self.next[k] < high for k, high in ends.items()):
            m = self.poll()
            if m is not None:
                got.append(m)
            assert time.monotonic() < end, f"could not read {ends} in {limit} s: at {self.next}"
        return got

    def close(self):
        if self.consumer is not None:
            self.consumer.close()
            self.consumer = None
