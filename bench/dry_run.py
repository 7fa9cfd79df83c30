# SPDX-License-Identifier: Apache-2.0
"""Dry runs by REST, one after the other over one connection: how long a user waits to be told what would come of a job."""
import json
import time

import pipeline

REQUESTS = 500
WARM_UP = 50
AIM_P50_MS = 2
STATEMENT = "select o.id, ${what}, sum(o.price) from orders o where o.day = '${run_date-1}' group by o.id;\n"
SIZES = {"300 bytes": 300, "50 KB": 50_000}


def job(size):
    code = STATEMENT
    while len(code) + len(STATEMENT) <= size:
        code += STATEMENT
    return json.dumps({"creator": "bench", "user": "dry", "engine": "sqlite", "code": code, "variables": {"what": "o.customer"}})


def measure(say):
    """{size: [ms, ...]}"""
    say(f"dry runs: {REQUESTS} of a 300-byte job and of a 50 KB job, one by one")
    api = pipeline.Api()
    found = {}
    for name, size in SIZES.items():
        body = job(size)
        times = []
        for i in range(WARM_UP + REQUESTS):
            began = time.perf_counter()
            api.connection.request("POST", "/v1/jobs?dry_run=true", body, {"content-type": "application/json"})
            answer = api.connection.getresponse().read()
            took = (time.perf_counter() - began) * 1000
            assert json.loads(answer)["accepted"], answer
            if i >= WARM_UP:
                times.append(took)
        found[name] = times
    return found


def lines(found):
    """`found`: quantiles by size."""
    shown = [f"{'dry run by REST':34} {'p50':>9} {'p99':>9} {'max':>9}"]
    return shown + [f"{'  ' + name:34} {q['p50']:9.1f} {q['p99']:9.1f} {q['max']:9.1f} ms (aim: p50 {AIM_P50_MS})"
                    for name, q in found.items()]
