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


CODE_TYPES = {"shell": "shell", "sqlite": "sql"}


def leaf(node_id, code, engine="shell", **more):
    return {"id": node_id, "kind": "exec", "engine": engine, "code_type": CODE_TYPES.get(engine, engine), "code": code, **more}


def inner(node_id, kind, *children, **more):
    """Children are leaves and inner nodes."""
    return {"id": node_id, "kind": kind, "children": children, **more}


def listed(tree):
    """The nodes of a tree, depth first."""
    children = tree.get("children", ())
    nodes = [{**tree, "children": [c["id"] for c in children]}]
    return nodes + [node for child in children for node in listed(child)]


def planned_tree(user, tree, **more):
    """A job with this plan, made of leaf() and inner()."""
    nodes = listed(tree)
    for n, node in enumerate(node for node in nodes if node["kind"] == "exec"):
        node["statement"] = n
    return {**converted(user, "", **more), "statements": [], "nodes": nodes}


def planned(user, nodes, **more):
    """A job of several nodes, one after the other: nodes are (id, engine, code)."""
    return planned_tree(user, inner("n1", "sequence", *(leaf(i, code, engine) for i, engine, code in nodes)), **more)


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
