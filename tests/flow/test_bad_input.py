# SPDX-License-Identifier: Apache-2.0
"""Bad input gets a clear answer and harms nothing: by REST an answer and no document; on Kafka a rejected document where the
record is readable, else a dead letter with the original bytes and a reason. After each row a good record goes through."""
import json
import struct
import uuid

import pytest

from harness import avro
from harness.kafka import JSON_HEADER
from harness.wait import wait_for

# ---- by REST --------------------------------------------------------------------------------------------------------

GOOD = {"creator": "flow", "user": "ann", "engine": "noop", "code": "x"}


def changed(**more):
    return json.dumps({**GOOD, **more}).encode()


def without(name):
    return json.dumps({k: v for k, v in GOOD.items() if k != name}).encode()


# name: (body, status, code, code of the field or None)
REST_ROWS = {
    "no body": (b"", 400, "bad_json", None),
    "only blanks": (b"  \n ", 400, "bad_json", None),
    "no JSON": (b"hello", 400, "bad_json", None),
    "half a JSON": (b'{"creator": "flow", ', 400, "bad_json", None),
    "two JSONs": (changed() + b" " + changed(), 400, "bad_json", None),
    "a key twice": (b'{"creator":"a","creator":"b"}', 400, "bad_json", None),
    "nested without end": (b"[" * 100_000, 400, "bad_json", None),
    "a list": (b"[1,2]", 400, "bad_request", None),
    "a string": (b'"x"', 400, "bad_json", None),
    "null": (b"null", 400, "bad_json", None),
    "an unknown field": (changed(colour="red"), 400, "invalid", "unknown_field"),
    "a nested unknown field": (changed(limits={"colour": 1}), 400, "invalid", "unknown_field"),
    "a field of the server's": (changed(job_id=str(uuid.uuid4())), 400, "invalid", "unknown_field"),
    "no creator": (without("creator"), 400, "invalid", "missing"),
    "no user": (without("user"), 400, "invalid", "missing"),
    "no engine": (without("engine"), 400, "invalid", "missing"),
    "no code": (without("code"), 400, "invalid", "missing"),
    "a number for a text": (changed(code=7), 400, "invalid", "wrong_type"),
    "a text for a number": (changed(limits={"run_timeout_ms": "soon"}), 400, "invalid", "wrong_type"),
    "a list for a map": (changed(variables=["a"]), 400, "invalid", "wrong_type"),
    "a map in a map": (changed(variables={"a": {}}), 400, "invalid", "wrong_type"),
    "a fraction for a number": (changed(limits={"run_timeout_ms": 1.5}), 400, "invalid", "bad_value"),
    "invalid UTF-8": (changed(code="X").replace(b"X", b"\xff\xfe"), 400, "bad_utf8", None),
    "half a surrogate": (changed(code="X").replace(b"X", b"\\ud800"), 400, "bad_json", None),
    "a raw NUL byte": (changed(code="X").replace(b"X", b"a\0b"), 400, "bad_json", None),
    "an escaped NUL": (changed(code="a\0b"), 400, "invalid", "nul_byte"),
    "a NUL in a map's value": (changed(variables={"a": "\0"}), 400, "invalid", "nul_byte"),
    "a creator with a slash": (changed(creator="a/b"), 422, "invalid", "bad_name"),
    "a user with a control character": (changed(user="a\tb"), 422, "invalid", "bad_name"),
    "a user that is a folder": (changed(user=".."), 422, "invalid", "bad_name"),
    "an empty user": (changed(user=""), 422, "invalid", "bad_name"),
    "a user of 65 letters": (changed(user="u" * 65), 422, "invalid", "bad_name"),
    "a name of 300 letters": (changed(name="n" * 300), 422, "invalid", "too_long"),
    "an unknown engine": (changed(engine="no-such"), 422, "invalid", "unknown_engine"),
    "a target that the engine does not have": (changed(target="warehouse"), 422, "invalid", "unknown_target"),
    "a setting that the engine does not have": (changed(conf={"databse": "x.db"}), 422, "invalid", "unknown_field"),
    "an engine that is a path": (changed(engine="../shell"), 422, "invalid", "unknown_engine"),
    "a code type of another engine": (changed(engine="shell", code_type="sql"), 422, "invalid", "bad_code_type"),
    "blank code": (changed(code=" \n\t"), 422, "invalid", "empty_code"),
    "a negative limit": (changed(limits={"run_timeout_ms": -1}), 422, "invalid", "bad_value"),
    "too many attempts": (changed(retry={"max_attempts": 10**9}), 422, "invalid", "bad_value"),
    "a callback that is no address": (changed(callback_url="file:///etc/passwd"), 422, "invalid", "bad_value"),
    "a number beyond 64 bits": (changed(limits={"run_timeout_ms": 1}).replace(b'": 1}', b'": 99999999999999999999}'),
                                400, "bad_json", None),
    "ten megabytes": (changed(code="x" * 10_000_000), 413, "too_large", None),
    "twelve megabytes": (changed(code="x" * 12_000_000), 413, "too_large", None),
}


def good_goes_through(stack):
    """By the same ways as the bad ones: REST and Kafka."""
    job_id = str(uuid.uuid4())
    stack.kafka.submit_json({"job_id": job_id, **GOOD})
    assert stack.rest.run(GOOD)["state"] == "succeeded"
    assert stack.rest.end_of(job_id)["state"] == "succeeded"


@pytest.mark.parametrize("row", REST_ROWS)
def test_a_bad_request_is_answered_and_leaves_no_document(stack, row):
    body, status, code, field_code = REST_ROWS[row]
    before = stack.db["jobs"].count_documents({})
    answer = stack.rest.http.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["code"] == code, problem
    assert problem["detail"]
    if field_code:
        assert field_code in [e["code"] for e in problem["errors"]], problem
        assert all(e["field"] and e["detail"] for e in problem["errors"]), problem
    assert stack.db["jobs"].count_documents({}) == before
    good_goes_through(stack)


def test_all_mistakes_are_told_at_once(stack):
    answer = stack.rest.post({"creator": "a/b", "user": "", "engine": "no-such", "code": " "})
    assert answer.status_code == 422
    assert {e["field"] for e in answer.json()["errors"]} == {"creator", "user", "engine", "code"}


# ---- by Kafka: what can't be read -------------------------------------------------------------------------------------

SUBMITTED = avro.schemas["JobSubmitted"]
AVRO_GOOD = SUBMITTED.encode(GOOD)
HEAD = AVRO_GOOD[:10]


def varint(n):
    n = (n << 1) ^ (n >> 63)
    out = bytearray()
    while True:
        out.append((n & 0x7F) | (0x80 if n > 0x7F else 0))
        n >>= 7
        if n == 0:
            return bytes(out)


# After the head: job_id null, then creator.
ABSURD_LENGTH = HEAD + b"\0" + varint(2**40) + b"flow"
NEGATIVE_LENGTH = HEAD + b"\0" + varint(-5) + b"flow"
# creator, user, submitter null, name, engine, target null, code_type, code, then the map `variables`.
TO_THE_MAP = HEAD + b"\0" + b"\x08flow" + b"\x06ann" + b"\0" + b"\0" + b"\x08noop" + b"\0" + b"\0" + b"\x02x"
ABSURD_COUNT = TO_THE_MAP + varint(10**9)
ABSURD_BLOCK = TO_THE_MAP + varint(-(10**12)) + varint(2**50)

# name: (value, headers, codes that are right)
DEAD_ROWS = {
    "garbage": (b"\x17\x03\x01garbage", None, {"garbage"}),
    "one byte": (b"\xc3", None, {"garbage", "truncated"}),
    "an empty value": (b"", None, {"garbage", "truncated", "null_value"}),
    "a null value": (None, None, {"null_value"}),
    "text without a content-type": (json.dumps(GOOD).encode(), None, {"garbage"}),
    "malformed JSON": (b'{"creator": ', JSON_HEADER, {"bad_json"}),
    "a JSON list": (b"[]", JSON_HEADER, {"bad_json", "bad_value", "garbage"}),
    "JSON that is not UTF-8": (b'{"creator": "\xff"}', JSON_HEADER, {"bad_json", "bad_utf8"}),
    "an unknown fingerprint": (b"\xc3\x01" + b"\xde\xad\xbe\xef" * 2 + AVRO_GOOD[10:], None, {"unknown_schema"}),
    "only the head": (HEAD, None, {"truncated"}),
    "truncated Avro": (AVRO_GOOD[:-9], None, {"truncated"}),
    "bytes left over": (AVRO_GOOD + b"\0\0", None, {"trailing_bytes"}),
    "an absurd length": (ABSURD_LENGTH, None, {"truncated", "too_large"}),
    "a negative length": (NEGATIVE_LENGTH, None, {"garbage"}),
    "an absurd count": (ABSURD_COUNT, None, {"truncated", "too_large"}),
    "an absurd block": (ABSURD_BLOCK, None, {"truncated", "too_large"}),
    "a varint without end": (HEAD + b"\0" + b"\xff" * 40, None, {"garbage"}),
    "text that is not UTF-8": (AVRO_GOOD.replace(b"\x08flow", b"\x08fl\xff\xff"), None, {"bad_utf8"}),
    "a union branch that does not exist": (HEAD + b"\x08" + AVRO_GOOD[11:], None, {"garbage"}),
    "another record": (avro.encode("JobControl", {"kind": "cancel", "at": 0}), None, {"wrong_record"}),
    "a registry's framing without a registry": (b"\0" + struct.pack(">I", 7) + AVRO_GOOD[10:], None,
                                                {"unknown_schema", "garbage"}),
}


def the_dead_letter_of(stack, partition, offset, topic):
    """The dead letter whose headers name that record."""
    wanted = {"dead_topic": topic, "dead_partition": str(partition), "dead_offset": str(offset)}

    def found():
        for m in stack.kafka.dead():
            h = {k: v.decode() for k, v in m.headers() or [] if k.startswith("dead_")}
            if {k: h.get(k, "").removeprefix(stack.prefix) for k in wanted} == wanted:
                return m, h
        return None

    return wait_for(found, 20, f"a dead letter of {wanted}", 0.2)


@pytest.mark.parametrize("row", DEAD_ROWS)
def test_an_unreadable_record_becomes_a_dead_letter(stack, row):
    value, headers, codes = DEAD_ROWS[row]
    key = "flow/ann"
    sent = [*(headers or []), ("mine", b"kept")]
    partition, offset = stack.kafka.produce("jobs.submitted", value, key, sent)
    # The good ones of the same group come after the bad one: it did not stop them.
    good_goes_through(stack)
    letter, why = the_dead_letter_of(stack, partition, offset, "jobs.submitted")
    assert letter.value() == value
    assert letter.key() == key.encode()
    assert [h for h in letter.headers() if not h[0].startswith("dead_")] == sent
    assert why["dead_code"] in codes, why
    assert why["dead_stage"] == "converter"
    assert why["dead_reason"] and why["dead_at"]


INNER = {"jobs.converted": "planner", "jobs.planned": "executor", "jobs.events": "collector", "jobs.logs": "collector"}


@pytest.mark.parametrize("topic", INNER)
@pytest.mark.parametrize("value", [b"garbage", None, b"\xc3\x01" + bytes(8) + b"x"], ids=["garbage", "null", "unknown schema"])
def test_an_unreadable_record_in_an_inner_topic_becomes_a_dead_letter(stack, topic, value):
    partition, offset = stack.kafka.produce(topic, value, "flow/ann")
    good_goes_through(stack)
    letter, why = the_dead_letter_of(stack, partition, offset, topic)
    assert letter.value() == value
    assert why["dead_stage"] == INNER[topic]
    assert why["dead_code"] in {"garbage", "null_value", "unknown_schema"}


# ---- by Kafka: what can be read and is refused ------------------------------------------------------------------------

# name: (what differs from a good job, code)
REJECTED_ROWS = {
    "an unknown engine": ({"engine": "no-such"}, {"unknown_engine"}),
    "a code type of another engine": ({"engine": "shell", "code_type": "sql"}, {"bad_code_type"}),
    "no code": ({"code": ""}, {"empty_code", "missing"}),
    "blank code": ({"code": " \n"}, {"empty_code"}),
    "a pool that nobody serves": ({"labels": {"pool": "nowhere"}}, {"unknown_pool"}),
    "a negative limit": ({"limits": {"run_timeout_ms": -1}}, {"bad_value"}),
    "code of two megabytes": ({"code": "x" * 2_000_000}, {"too_large"}),
}


@pytest.mark.parametrize("row", REJECTED_ROWS)
@pytest.mark.parametrize("form", ["json", "avro"])
def test_a_readable_job_that_is_wrong_becomes_a_rejected_document(stack, row, form, user):
    difference, codes = REJECTED_ROWS[row]
    job = {"job_id": str(uuid.uuid4()), **GOOD, "user": user, **difference}
    if form == "json":
        stack.kafka.submit_json(job)
    else:
        stack.kafka.submit_avro({**job, "limits": {**dict.fromkeys(
            ["queue_timeout_ms", "run_timeout_ms", "max_log_bytes", "max_result_rows"]), **job.get("limits", {})}})
    document = stack.rest.end_of(job["job_id"])
    assert document["state"] == "rejected", document
    assert document["error"]["code"] in codes, document["error"]
    assert document["error"]["message"]
    good_goes_through(stack)


def test_a_record_whose_key_does_not_fit_runs_under_the_right_group(stack, user):
    job = {"job_id": str(uuid.uuid4()), **GOOD, "user": user}
    stack.kafka.submit_json(job, key="someone/else")
    keyless = {"job_id": str(uuid.uuid4()), **GOOD, "user": user}
    stack.kafka.produce("jobs.submitted", json.dumps(keyless).encode(), None, JSON_HEADER)
    for sent in (job, keyless):
        document = stack.rest.end_of(sent["job_id"])
        assert document["state"] == "succeeded"
        assert document["group"] == f"flow/{user}"
    keys = {m.key() for m, e in stack.kafka.events() if e["job_id"] in (job["job_id"], keyless["job_id"])}
    assert keys == {f"flow/{user}".encode()}


def test_the_job_id_of_another_groups_job_harms_neither(stack, user):
    first = stack.rest.submit({**GOOD, "user": user})
    stack.rest.end_of(first)
    stack.kafka.submit_json({"job_id": first, **GOOD, "user": f"{user}-thief", "code": "stolen"})
    good_goes_through(stack)
    document = stack.rest.job(first)
    assert (document["state"], document["group"], document["code"]) == ("succeeded", f"flow/{user}", "x")


def test_a_job_whose_names_are_no_names_is_told_to_somebody(stack):
    """There is no valid group that it could belong to: a dead letter or a rejected document, and nothing runs."""
    job = {"job_id": str(uuid.uuid4()), **GOOD, "creator": "a/b", "user": "../x"}
    partition, offset = stack.kafka.submit_json(job, key="a/b/../x")
    good_goes_through(stack)

    def told():
        answer = stack.rest.get(f"/v1/jobs/{job['job_id']}")
        if answer.status_code == 200:
            return answer.json()["state"] == "rejected" and answer.json()["error"]["code"] == "bad_name"
        return any(m.value() == json.dumps(job).encode() for m in stack.kafka.dead())

    wait_for(told, 20, "the job is rejected or dead")
    assert partition is not None and offset is not None
