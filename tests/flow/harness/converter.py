# SPDX-License-Identifier: Apache-2.0
"""A converter alone: records in, records out."""
import itertools
import time

from harness import avro
from harness.wait import wait_for

FOLLOW_AIM_S = 5  # a change of its documents is followed within so long
_keys = itertools.count(1)


class Converter:
    """Submits by Kafka and reads what comes out."""

    def __init__(self, stack):
        self.stack = stack
        self.stage = stack["converter"]
        self.reader = stack.kafka.reader("jobs.converted")
        self.got = {}

    def submit(self, job):
        key = f"k{next(_keys)}"
        self.stack.kafka.submit_json({**job, "idempotency_key": key})
        return key

    def result(self, key):
        """The JobConverted of a submission."""
        def read():
            message = self.reader.poll()
            if message is not None:
                record = avro.decode("JobConverted", message.value())
                self.got[record["idempotency_key"]] = record
            return self.got.get(key)

        return wait_for(read, 30, f"the converter sends {key}", 0)

    def convert(self, job):
        return self.result(self.submit(job))

    def follow(self, job, expected):
        """Submits until the converter follows a change that was just made."""
        began = time.monotonic()
        wait_for(lambda: expected(self.convert(job)), 10 * FOLLOW_AIM_S, "the converter follows the change", 0.1)
        took = time.monotonic() - began
        print(f"followed after {took:.1f} s, aim {FOLLOW_AIM_S} s")
        assert took < 5 * FOLLOW_AIM_S
