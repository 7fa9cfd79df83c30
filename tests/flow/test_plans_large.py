# SPDX-License-Identifier: Apache-2.0
"""Plans whose results are wide: what is told of them stays within what the ledger, Kafka and the document can hold."""
from harness.direct import inner, leaf, now_ms, planned_tree, submit_planned, tell
from harness.wait import wait_for

LIMIT_S = 120
WIDE = "select " + ", ".join(f"{n} as {'c' * 170}{n}" for n in range(1200))  # some 240 kB of columns


def test_many_wide_results_of_a_plan(stack, user):
    """All leaves run the same text, so that the record is small."""
    nodes = 80
    job = planned_tree(user, inner("n1", "sequence", *(leaf(f"p{n}", None, "sqlite") for n in range(nodes))))
    job |= {"code": WIDE, "statements": [{"index": n, "text": None, "offset": 0, "length": len(WIDE), "first_line": 1} for n in range(nodes)]}
    job_id = submit_planned(stack.kafka, job)
    ended = stack.rest.end_of(job_id, LIMIT_S)
    assert "level=fatal" not in stack["executor"].text(), stack["executor"].tail()
    assert (ended["state"], len(ended["results"])) == ("succeeded", nodes)


def test_many_attempts_with_wide_results(stack, user):
    job = planned_tree(user, leaf("n1", "true"))
    columns = [{"name": f"{'c' * 180}{n}", "type": "INTEGER", "comment": None} for n in range(1200)]
    result = {"n": 0, "name": "result", "kind": "table", "path": "x", "format": "avro", "rows": 1, "bytes": 1, "columns": columns, "statement": 0}
    tell(stack.kafka, job, "accepted")
    for n in range(1, 101):
        tell(stack.kafka, job, "started", attempt=n, times={"started": now_ms()})
        tell(stack.kafka, job, "retrying", attempt=n, results=[result], reason="again", next_at=now_ms())
    tell(stack.kafka, job, "succeeded", attempt=101, results=[result])
    assert stack.rest.wait_state(job["job_id"], "succeeded", LIMIT_S)["attempt"] == 101
    assert "level=fatal" not in stack["collector"].text(), stack["collector"].tail()


def test_a_record_that_would_make_a_document_too_large(stack, user):
    """It ends in jobs.dead; the document, and those of other jobs in the same batch, go on."""
    job, other = ({**planned_tree(user, leaf("n1", "true")), "code": code} for code in ("x" * (9 << 20), "true"))
    too_large = {**job, "nodes": [leaf("n1", "y" * (9 << 20))]}
    tell(stack.kafka, job, "accepted")
    tell(stack.kafka, too_large, "planned")
    tell(stack.kafka, other, "accepted")
    tell(stack.kafka, other, "succeeded")
    tell(stack.kafka, job, "succeeded")
    for job_id in (other["job_id"], job["job_id"]):
        assert stack.rest.wait_state(job_id, "succeeded", LIMIT_S)["final"]
    assert "plan" not in stack.rest.job(job["job_id"])

    def dead():
        found = [dict(m.headers()) for m in stack.kafka.dead() if dict(m.headers()).get("job") == job["job_id"].encode()]
        return [h["dead_code"] for h in found]

    assert wait_for(dead, LIMIT_S, "the record is a dead letter") == [b"document_too_large"]
