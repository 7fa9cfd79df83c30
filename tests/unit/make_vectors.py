# SPDX-License-Identifier: Apache-2.0
"""Makes tests/unit/vectors/*.json with fastavro, an implementation of Avro that is not ours.

Each file holds one record: its name, the framed bytes as hex, the JSON form that shape_to_json must give, and, where
it was not written with the present schema, the writer's schema. test_codec.c decodes the bytes, compares the
JSON, encodes again and compares the bytes. What an older, newer or foreign writer's record means is fastavro's
own schema resolution, not our reading of it.

    python3 tests/unit/make_vectors.py                    writes the files
    python3 tests/unit/make_vectors.py --check CODEC_TOOL  fastavro reads what codec-tool writes, and the reverse
"""
import copy
import datetime
import io
import json
import pathlib
import subprocess
import sys

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "unit" / "vectors"
CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "codec"  # first byte: see tests/fuzz/fuzz_codec.c
ID = "0190a6b2-7c5e-7b1a-8f00-3f2a9d1c4e5b"
AT = 1769848200123

NAMES = ["JobSubmitted", "JobConverted", "JobPlanned", "JobEvent", "JobLog", "JobControl"]
SCHEMAS = {name: json.loads((ROOT / "schemas" / f"{name}.avsc").read_text()) for name in NAMES}

MINIMAL = {"creator": "ide", "user": "alice", "engine": "shell", "code": "echo hello"}
SUBMITTED = {
    "job_id": ID, "creator": "scheduler", "user": "b.o-b_1@x", "submitter": "proxy", "name": "täglich ☂ 日次 🚀",
    "engine": "sqlite", "target": "warehouse", "code_type": "sql", "code": "select 1;\nselect '${day}'\n",
    "variables": {"day": "2026-01-31", "empty": "", "k.with$dots": "{{x}}"}, "conf": {"a.b": "1"},
    "labels": {"pool": "default", "team": "ä"}, "source": {"repo": "etl", "line": "12"},
    "parts": [
        {"id": "p1", "engine": "shell", "target": None, "code_type": "sh", "code": "true", "after": []},
        {"id": "p2", "engine": "sqlite", "target": "t", "code_type": "sql", "code": "select 2", "after": ["p1", "p0"],
         "strategy": {"kind": "fallback", "targets": ["t", "sqlite@u"]}},
    ],
    "strategy": {"kind": "race", "targets": ["a", "b"]},
    "limits": {"queue_timeout_ms": 0, "run_timeout_ms": 3600000, "max_log_bytes": 2**40, "max_result_rows": None},
    "retry": {"max_attempts": 3, "backoff_ms": 1000, "max_backoff_ms": 60000, "on_lost": "fail",
              "exit_codes": [75, 0, 255], "errors": ["^connection_", "deadlock detected"], "node_attempts": 2},
    "not_before": AT + 1000, "callback_url": "https://example.org/done?x=1", "idempotency_key": "key-1",
    "timezone": "Europe/Berlin", "submitted_at": AT,
    "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
ERROR = {"code": "sql_error", "class": "engine", "message": "no such table: x", "detail": "at \"x\"", "node": "n2",
         "statement": 1, "line": 2, "retryable": True}
TIMES = {"accepted": AT, "converted": AT + 1, "planned": AT + 2, "queued": None, "started": AT + 4, "finished": None}
CONVERTED = {
    **SUBMITTED,
    "statements": [{"index": 0, "text": None, "offset": 0, "length": 9, "first_line": 1, "part": "p1"},
                   {"index": 1, "text": "select '2026-01-31'", "offset": 10, "length": 15, "first_line": 2, "part": None}],
    "warnings": ["variable empty is not used"],
    "origin": {"partition": 11, "offset": 2**40 + 7, "timestamp": AT},
    "error": None, "times": TIMES,
}
PLANNED = {
    **CONVERTED, "pool": "default",
    "nodes": [
        {"id": "n1", "kind": "sequence", "children": ["n2", "n3"], "engine": None, "target": None, "code_type": None,
         "code": None, "statement": None, "reuse": None, "retry": 0, "timeout_ms": 0, "part": None, "after": []},
        {"id": "n2", "kind": "exec", "children": [], "engine": "sqlite", "target": "t", "code_type": "sql",
         "code": "select 1", "statement": 0, "reuse": "warm", "retry": 2, "timeout_ms": 5000, "part": "p1",
         "after": ["n4"]},
    ],
    "cache": {"key": "k", "ttl_ms": 1000},
}
EVENT = {
    "job_id": ID, "group": "scheduler/b.o-b_1@x", "origin": CONVERTED["origin"], "attempt": 2, "phase": "failed",
    "at": AT + 9, "stage": "executor", "instance": "host-1", "spec": None, "plan": None, "progress": None, "node": "n2",
    "node_state": "failed", "reason": "why", "next_at": AT + 10,
    "results": [{"n": 0, "name": "first", "kind": "table", "path": "2026-01-31/x/y/z/1/0-first.avro", "format": "avro",
                 "rows": 3, "bytes": 345, "statement": 0, "node": "n2", "target": "sqlite@t", "part": "p1",
                 "columns": [{"name": "a", "type": "INTEGER", "comment": None}, {"name": "b", "type": "", "comment": "c"}]}],
    "error": ERROR, "exit_code": -1, "times": TIMES, "log": {"bytes": 10, "lines": 2, "truncated": True},
    "node_try": 2, "cached_from": ID,
}


def older_submitted():
    """A first version of the record: without fields and records that came later."""
    schema = copy.deepcopy(SCHEMAS["JobSubmitted"])
    gone = {"trace", "submitted_at", "retry", "parts", "strategy", "name", "source"}
    schema["fields"] = [f for f in schema["fields"] if f["name"] not in gone]
    limits = next(f for f in schema["fields"] if f["name"] == "limits")
    limits["type"]["fields"] = limits["type"]["fields"][:1]
    return schema


def older_event():
    """From before a result told where it was made."""
    schema = copy.deepcopy(SCHEMAS["JobEvent"])
    result = next(f for f in schema["fields"] if f["name"] == "results")["type"]["items"]
    result["fields"] = [f for f in result["fields"] if f["name"] not in {"node", "target", "part"}]
    return schema


def newer_submitted():
    """A later version: fields of every type that this version does not know, in between."""
    schema = copy.deepcopy(SCHEMAS["JobSubmitted"])
    new = [
        {"name": "x_flag", "type": "boolean", "default": False},
        {"name": "x_fixed", "type": {"type": "fixed", "name": "Sixteen", "size": 16}},
        {"name": "x_enum", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}},
        {"name": "x_union", "type": ["null", "int", "string", {"type": "map", "values": "bytes"}]},
        {"name": "x_list", "type": {"type": "array", "items": {"type": "record", "name": "Later", "fields": [
            {"name": "n", "type": "int"}, {"name": "f", "type": "float"}, {"name": "d", "type": "double"}]}}},
        {"name": "x_again", "type": ["null", "Later"]},
    ]
    for i, field in enumerate(new):
        schema["fields"].insert(1 + 3 * i, field)
    next(f for f in schema["fields"] if f["name"] == "limits")["type"]["fields"].insert(
        0, {"name": "max_cost", "type": ["null", "double"], "default": None})
    return schema


def foreign_submitted():
    """The same record as another team would write it down: other order, ints, bytes, null last."""
    return {"type": "record", "name": "JobSubmitted", "namespace": "millrace.v1", "fields": [
        {"name": "code", "type": "bytes"},
        {"name": "engine", "type": ["string", "null"]},
        {"name": "user", "type": "string"}, {"name": "creator", "type": "string"},
        {"name": "target", "type": ["string", "null"]},
        {"name": "submitted_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "variables", "type": {"type": "map", "values": ["string", "null"]}},
        {"name": "limits", "type": {"type": "record", "name": "JobLimits", "fields": [
            {"name": "run_timeout_ms", "type": "int"}, {"name": "max_log_bytes", "type": ["int", "null"]}]}},
        {"name": "strategy", "type": [{"type": "record", "name": "JobStrategy", "fields": [
            {"name": "targets", "type": {"type": "array", "items": "string"}},
            {"name": "kind", "type": "string"}]}, "null"]},
    ]}


NEWER = {**SUBMITTED, "x_flag": True, "x_fixed": bytes(range(16)), "x_enum": "GREEN", "x_union": {"k": b"\x00\xff"},
         "x_list": [{"n": 1, "f": 0.5, "d": -1.5}, {"n": -2, "f": 0, "d": 0}], "x_again": {"n": 3, "f": 1, "d": 2}}
FOREIGN = {"code": "äöü".encode(), "engine": "shell", "user": "u", "creator": "c", "target": "t", "submitted_at": AT,
           "variables": {"a": "1"}, "limits": {"run_timeout_ms": -5, "max_log_bytes": 7},
           "strategy": {"kind": "all", "targets": ["x"]}}

CASES = [
    ("submitted_minimal", "JobSubmitted", MINIMAL, None),
    ("submitted_full", "JobSubmitted", SUBMITTED, None),
    ("submitted_nul", "JobSubmitted", {**MINIMAL, "code": "a\0b"}, None),
    ("submitted_older", "JobSubmitted", {k: v for k, v in SUBMITTED.items()}, older_submitted()),
    ("submitted_newer", "JobSubmitted", NEWER, newer_submitted()),
    ("submitted_foreign", "JobSubmitted", FOREIGN, foreign_submitted()),
    ("converted_full", "JobConverted", CONVERTED, None),
    ("converted_refused", "JobConverted", {**MINIMAL, "origin": CONVERTED["origin"], "error": ERROR}, None),
    ("planned_full", "JobPlanned", PLANNED, None),
    ("planned_refused", "JobPlanned", {**MINIMAL, "origin": CONVERTED["origin"], "pool": "default",
                                       "error": {"code": "unknown_engine", "class": "input"}}, None),
    ("event_accepted", "JobEvent", {**EVENT, "phase": "accepted", "attempt": 0, "spec": SUBMITTED, "error": None,
                                    "results": [], "exit_code": None, "log": None}, None),
    ("event_planned", "JobEvent", {**EVENT, "phase": "planned", "error": None,
                                   "plan": {k: PLANNED[k] for k in ("pool", "nodes", "cache")}}, None),
    ("event_progress", "JobEvent", {**EVENT, "phase": "progress", "progress": 0.25}, None),
    ("event_failed", "JobEvent", EVENT, None),
    ("event_older", "JobEvent", EVENT, older_event()),
    ("log", "JobLog", {"job_id": ID, "attempt": 1, "node": None, "seq": 3, "offset": 65536, "level": "stderr", "at": AT,
                       "text": "line 1\nline ✓\n"}, None),
    ("control_cancel", "JobControl", {"kind": "cancel", "job_id": ID, "by": "ops", "at": AT}, None),
]


def as_json(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    return value


def crc(schema):
    return int.from_bytes(bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")), "little")


def frame(schema, record):
    out = io.BytesIO()
    out.write(b"\xc3\x01" + crc(schema).to_bytes(8, "little"))
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), record)
    return out.getvalue()


def read(name, framed, writer):
    reader = fastavro.parse_schema(copy.deepcopy(SCHEMAS[name]))
    record = fastavro.schemaless_reader(io.BytesIO(framed[10:]), fastavro.parse_schema(copy.deepcopy(writer)), reader)
    for field in SCHEMAS[name]["fields"]:
        # fastavro leaves a record's default {} as it is; it means the defaults of the record's fields
        if record[field["name"]] == {} and field["type"].get("type") == "record":
            record[field["name"]] = {inner["name"]: inner["default"] for inner in field["type"]["fields"]}
    return record


def write_all():
    assert crc("int") == 0x7275D51A3F395C8F  # the specification's own example: bytes and number are the right way round
    for path in VECTORS.glob("*.json"):
        path.unlink()
    for name, record_name, record, schema in CASES:
        framed = frame(schema or SCHEMAS[record_name], record)
        vector = {"record": record_name, "framed": framed.hex(),
                  "json": as_json(read(record_name, framed, schema or SCHEMAS[record_name]))}
        if schema:
            vector["schema"] = schema
        (VECTORS / f"{name}.json").write_text(json.dumps(vector, indent=1, ensure_ascii=True) + "\n")
    write_corpus()
    table = {n: f"{crc(s):016x}" for n, s in SCHEMAS.items()}
    (VECTORS / "fingerprints.json").write_text(json.dumps(table, indent=1) + "\n")


def write_corpus():
    CORPUS.mkdir(parents=True, exist_ok=True)
    for path in CORPUS.glob("seed_*"):
        path.unlink()
    for name, record_name, record, schema in CASES:
        if not schema:
            body = frame(SCHEMAS[record_name], record)[10:]
            (CORPUS / f"seed_{name}").write_bytes(bytes([0x40 | NAMES.index(record_name)]) + body)
    framed = frame(SCHEMAS["JobSubmitted"], MINIMAL)
    (CORPUS / "seed_framed").write_bytes(b"\x00" + framed)
    (CORPUS / "seed_wrong_record").write_bytes(b"\x03" + framed)
    (CORPUS / "seed_cut").write_bytes(b"\x00" + framed[:-5])
    (CORPUS / "seed_confluent").write_bytes(b"\x00\x00\x00\x00\x00\x07" + framed[10:])
    (CORPUS / "seed_json").write_bytes(b"\x80" + json.dumps({**MINIMAL, "limits": {"run_timeout_ms": 5}}).encode())
    (CORPUS / "seed_json_bad").write_bytes(b"\x80" + b'{"parts": [{"id": 1}], "not_before": "x"}')
    # the foreign schema of fuzz_codec.c, by hand: code, enum, fixed, tree of two, three nulls, union, map, limits, parts
    (CORPUS / "seed_foreign").write_bytes(
        b"\x20" + b"\x04hi" + b"\x02" + b"abc" + b"\x02" + (b"\x00\x00" + bytes(12) + b"\x01") + b"\x00" + bytes(12)
        + b"\x00" + b"\x06\x00" + b"\x02\x02u" + b"\x02\x02k\x04\x02v\x00" + b"\x00\x0a" + b"\x02\x02\x02\x02\x02a\x00\x00")


def tool(path, verb, name, text):
    return subprocess.run([path, verb, name], input=text, capture_output=True, text=True, check=True).stdout.splitlines()


def check(path):
    for name, record_name, record, schema in CASES:
        if schema:
            continue
        framed = frame(SCHEMAS[record_name], record)
        expected = as_json(read(record_name, framed, SCHEMAS[record_name]))
        decoded = json.loads(tool(path, "decode", record_name, framed.hex() + "\n")[0])
        assert decoded == expected, f"{name}: codec-tool read {decoded}"
        encoded = bytes.fromhex(tool(path, "encode", record_name, json.dumps(expected) + "\n")[0])
        assert encoded[:10] == framed[:10], f"{name}: framing {encoded[:10].hex()}"
        again = as_json(read(record_name, encoded, SCHEMAS[record_name]))
        assert again == expected, f"{name}: fastavro read {again}"
    print(f"{sum(1 for c in CASES if not c[3])} records, both ways")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        check(sys.argv[2])
    else:
        write_all()
