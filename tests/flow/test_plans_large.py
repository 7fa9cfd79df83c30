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
