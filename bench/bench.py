# SPDX-License-Identifier: Apache-2.0
"""./run bench: the floor and Millrace in one run, on one machine; a table, and JSON in var/bench/<date>.json. How to read it:
docs/bench.md. Nothing here is a test: a slow machine makes a bad figure, not a failure."""
import datetime
import json
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "flow"))

import converter  # noqa: E402
import floor  # noqa: E402
import pipeline  # noqa: E402
import planner  # noqa: E402
import tenants  # noqa: E402
from harness import settings  # noqa: E402


def quantiles(values):
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(values), 2), "count": len(values)}


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    return {"cores": os.cpu_count(), "cpu": model, "load_before": os.getloadavg()[0]}


def say(text):
    print(f"... {text}", flush=True)


def measure():
    found = {"at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine()}
    say(f"floor: {floor.LATENCY_RECORDS} records one by one, then {floor.DRAIN_RECORDS} at once, through four topics")
    f = floor.measure()
    found["floor"] = {"latency_ms": quantiles(f["latency_ms"]), "drain_per_s": round(f["drain_per_s"])}
    say(f"millrace: {pipeline.LATENCY_JOBS} noop jobs by REST at {pipeline.RATE_PER_S}/s, then a drain of "
        f"{pipeline.DRAIN_JOBS}")
    p = pipeline.measure()
    found["millrace"] = {
        "accepted_ms": quantiles(p["accepted_ms"]), "final_ms": quantiles(p["final_ms"]),
        "rate_per_s": round(p["rate_per_s"], 1),
        "drain_events_per_s": round(p["drain"]["events_per_s"]),
        "drain_documents_per_s": round(p["drain"]["documents_per_s"]),
        "drain_cpu_us_per_job": p["drain"]["cpu_us_per_job"],
        "memory_idle": p["memory_idle"], "memory_after": p["memory_after"],
    }
    found["tenants"] = tenants.measure(say)
    found["converter"] = converter.measure(say)
    found["planner"] = planner.measure(say)
    found["times_floor_p50"] = round(found["millrace"]["final_ms"]["p50"] / found["floor"]["latency_ms"]["p50"], 1)
    return found


def table(found):
    f, m = found["floor"], found["millrace"]
    rows = [
        ("floor: four topics, one by one", f["latency_ms"], "ms"),
        ("job: submit -> accepted (202)", m["accepted_ms"], "ms"),
        ("job: submit -> final, readable", m["final_ms"], "ms"),
    ]
    lines = [f"{'':34} {'p50':>9} {'p99':>9} {'max':>9}"]
    lines += [f"{name:34} {q['p50']:9.1f} {q['p99']:9.1f} {q['max']:9.1f} {unit}" for name, q, unit in rows]
    lines += [f"{'job p50 / floor p50':34} {found['times_floor_p50']:9.1f} times (aim: 6)", ""]
    lines += [f"{'floor: drain':34} {f['drain_per_s']:9,} records/s",
              f"{'jobs: drain, to the final event':34} {m['drain_events_per_s']:9,} jobs/s",
              f"{'jobs: drain, to final documents':34} {m['drain_documents_per_s']:9,} jobs/s (aim: 1,000)", ""]
    lines += [f"{'processor time of the drain, a job':34} {sum(m['drain_cpu_us_per_job'].values()):9,} µs"]
    lines += [f"{'  ' + name:34} {us:9,} µs" for name, us in m["drain_cpu_us_per_job"].items()]
    lines += ["", f"{'resident memory, MB':34} {'idle':>9} {'own':>9} {'after':>9} (aim: idle under 40)"]
    for stage, idle in m["memory_idle"].items():
        after = m["memory_after"][stage]["rss_kb"]
        lines.append(f"{'  ' + stage:34} {idle['rss_kb'] / 1024:9.1f} {idle['own_kb'] / 1024:9.1f} {after / 1024:9.1f}")
    lines += ["", *tenants.lines(found["tenants"])]
    lines += ["", *converter.lines(found["converter"])]
    lines += ["", *planner.lines(found["planner"])]
    lines += ["", f"{found['machine']['cores']} cores, {found['machine']['cpu']}; load before: "
              f"{found['machine']['load_before']:.1f}"]
    return "\n".join(lines)


def main():
    found = measure()
    name = found["at"].replace(":", "").replace("+0000", "Z")
    path = settings.VAR / "bench" / f"{name}.json" if settings.VAR.name != "bench" else settings.VAR / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))
    print(f"JSON: {path}")


if __name__ == "__main__":
    main()
