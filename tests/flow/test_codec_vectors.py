# SPDX-License-Identifier: Apache-2.0
"""fastavro and Millrace's codec read each other's records: random ones of all six kinds, in both directions."""
import datetime
import json
import random
import subprocess

import pytest

from harness import avro, settings

TOOL = settings.BIN / "codec-tool"
COUNT = 200
SEED = 20260131
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
LETTERS = "abc XYZ 09 _-.@/\\\"'\n\t${}äöüß日本語\U0001f422\u202e"
# Fields that are text in Avro and one of a few words everywhere else.
WORDS = {
    "phase": ["accepted", "rejected", "converted", "planned", "queued", "started", "progress", "node", "retrying", "lost",
              "succeeded", "failed", "cancelled", "timed_out"],
    "class": ["input", "engine", "limit", "system", "user"],
    "on_lost": ["retry", "fail"],
    "kind": None,
}
CONTROL_KINDS = ["cancel", "hold", "release", "drain"]


class Maker:
    """Random values of an Avro schema."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        return "".join(self.random.choice(LETTERS) for _ in range(self.random.choice([0, 1, 5, 40, 300])))

    def long(self):
        return self.random.choice([0, 1, -1, 63, 64, -65, 2**31, -(2**31), 2**53, -(2**53), self.random.getrandbits(40)])

    def moment(self):
        return EPOCH + datetime.timedelta(milliseconds=self.random.randrange(0, 4_000_000_000_000))

    def value(self, schema, name="", record=""):
        if isinstance(schema, list):
            return self.value(self.random.choice(schema), name, record)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(schema, dict) and schema.get("logicalType") == "timestamp-millis":
            return self.moment()
        if kind == "string":
            words = CONTROL_KINDS if (name, record) == ("kind", "JobControl") else WORDS.get(name)
            return self.random.choice(words) if words else self.text()
        simple = {"null": lambda: None, "long": self.long, "boolean": lambda: self.random.random() < 0.5,
                  "double": lambda: self.random.choice([0.0, 0.25, 1.0])}
        if kind in simple:
            return simple[kind]()
        size = self.random.choice([0, 1, 3])
        if kind == "array":
            return [self.value(schema["items"], "", "") for _ in range(size)]
        if kind == "map":
            return {self.text(): self.value(schema["values"]) for _ in range(size)}
        if kind in self.named:
            return self.record(self.named[kind])
        assert kind == "record", schema
        return self.record(schema)

    def learn(self, schema):
        """Records by name: a schema tells one where it first stands, which the random values may leave out."""
        if isinstance(schema, list):
            for one in schema:
                self.learn(one)
        elif isinstance(schema, dict):
            if schema["type"] == "record":
                self.named[schema["name"]] = schema
            for inner in [schema.get("items"), schema.get("values"), *(f["type"] for f in schema.get("fields", []))]:
                self.learn(inner)

    def record(self, schema):
        return {f["name"]: self.value(f["type"], f["name"], schema["name"]) for f in schema["fields"]}

    def make(self, name):
        self.named = {}
        self.learn(avro.schemas[name].raw)
        return self.record(avro.schemas[name].raw)


def tool(verb, name, lines):
    done = subprocess.run([TOOL, verb, name], input="".join(line + "\n" for line in lines), text=True, capture_output=True,
                          timeout=120, encoding="utf-8")
    assert done.returncode == 0, done.stderr[:2000]
    # Not splitlines(): JSON text may hold characters that it takes for line ends.
    return done.stdout.rstrip("\n").split("\n")


def as_json(value):
    """What shape_to_json makes of it: times as RFC 3339 text."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    return value


@pytest.mark.parametrize("name", avro.NAMES)
def test_our_codec_reads_what_fastavro_writes(name):
    maker = Maker(SEED)
    records = [maker.make(name) for _ in range(COUNT)]
    decoded = tool("decode", name, [avro.encode(name, r).hex() for r in records])
    assert len(decoded) == COUNT
    for record, line in zip(records, decoded):
        assert json.loads(line) == as_json(record)


@pytest.mark.parametrize("name", avro.NAMES)
def test_fastavro_reads_what_our_codec_writes(name):
    maker = Maker(SEED + 1)
    records = [maker.make(name) for _ in range(COUNT)]
    encoded = tool("encode", name, [json.dumps(as_json(r), ensure_ascii=False) for r in records])
    assert len(encoded) == COUNT
    for record, line in zip(records, encoded):
        assert avro.decode(name, bytes.fromhex(line)) == record


@pytest.mark.parametrize("name", avro.NAMES)
def test_the_fingerprints_agree(name):
    text = (settings.ROOT / "schemas" / f"{name}.avsc").read_text()
    done = subprocess.run([TOOL, "fingerprint"], input=text, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert bytes.fromhex(done.stdout.strip())[::-1] == avro.schemas[name].fingerprint
