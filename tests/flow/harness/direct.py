# SPDX-License-Identifier: Apache-2.0
"""Records of the inner topics, written by the test itself: converted and planned jobs, doorbells and the orders that they are about."""
import datetime
import time
import uuid

from . import avro

SPEC = ["job_id", "creator", "user", "submitter", "engine", "code_type", "code", "limits", "retry"]
LIMITS = {"queue_timeout_ms": 0, "run_timeout_ms": 60_000, "max_log_bytes": 1_000_000, "max_result_rows": 1000}
RETRY = {"max_attempts": 1, "backoff_ms": 1000, "max_backoff_ms": 1000, "on_lost": "retry"}


def now_ms():
    return int(time.time() * 1000)


def converted(user, code, limits=None, retry=None, **more):
    """A shell job as the converter hands it on."""
    now = now_ms()
    return {"job_id": str(uuid.uuid4()), "creator": "flow", "user": user, "submitter": user, "engine": "shell", "code_type": "shell",
            "code": code, "origin": {"partition": 0, "offset": 0, "timestamp": now}, "times": {"accepted": now, "converted": now},
            "limits": {**LIMITS, **(limits or {})}, "retry": {**RETRY, **(retry or {})}, "pool": "default",
            "statements": [{"index": 0, "text": None, "offset": 0, "length": len(code.encode()), "first_line": 1}], **more}


def planned(user, nodes, **more):
    """A job of several nodes, one after the other: nodes are (id, engine, code)."""
    kinds = {"shell": "shell", "sqlite": "sql"}
    leaves = [{"id": i, "kind": "exec", "engine": engine, "code_type": kinds[engine], "code": code, "statement": n}
              for n, (i, engine, code) in enumerate(nodes)]
    root = {"id": "n1", "kind": "sequence", "children": [leaf["id"] for leaf in leaves]}
    return {**converted(user, "", **more), "statements": [], "nodes": [root, *leaves]}


def submit_converted(kafka, job):
    return submit(kafka, "jobs.converted", "JobConverted", job)


def submit_planned(kafka, job):
    return submit(kafka, "jobs.planned", "JobPlanned", job)


def submit(kafka, topic, record, job):
    kafka.produce(topic, avro.encode(record, job), f"{job['creator']}/{job['user']}", [("job", job["job_id"].encode())])
    return job["job_id"]


def tell(kafka, job, phase, at=None, **more):
    """An event of the job, as the stage that such events come from would send it."""
    stage = {"accepted": "converter", "converted": "converter", "planned": "planner"}.get(phase, "executor")
    told = {"spec": {k: v for k, v in job.items() if k in SPEC}} if phase == "accepted" else {}
    told |= {"plan": {"pool": job["pool"], "nodes": job["nodes"]}} if phase == "planned" else {}
    event = {"job_id": job["job_id"], "group": f"{job['creator']}/{job['user']}", "origin": job["origin"], "phase": phase,
             "at": at or now_ms(), "stage": stage, "instance": "by-hand" if stage == "executor" else None,
             "attempt": 1 if stage == "executor" else 0, **told, **more}
    kafka.produce("jobs.events", avro.encode("JobEvent", event), event["group"], [("job", job["job_id"].encode())])


def ring(kafka, kind, **about):
    """A doorbell: job_id, group or instance."""
    kafka.produce("jobs.control", avro.encode("JobControl", {"kind": kind, "by": "ann", "reason": "a test", "at": now_ms(), **about}))


def order(db, kind, about, **more):
    """What a doorbell is about: hold and drain name a group or an instance, cancel a job."""
    key, field = {"cancel": ("job", "job_id"), "hold": ("hold", "group"), "drain": ("drain", "instance")}[kind]
    now = datetime.datetime.now(datetime.timezone.utc)
    doc = {"_id": f"{key}:{about}", "kind": kind, field: about, "by": "ann", "reason": "a test", "at": now, **more}
    if kind != "hold":
        doc["expire_at"] = now + datetime.timedelta(days=1)
    db["cancels"].insert_one(doc)
    return doc["_id"]
