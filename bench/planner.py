# SPDX-License-Identifier: Apache-2.0
"""The planner alone: jobs per second of one core, from what plan-bench prints."""
import re
import subprocess

from harness import settings

ROW = re.compile(r"^(.+?)\s+(\d+) bytes\s+(\d+) jobs/s\s+([\d.]+) MB/s\s+(\d+) jobs/s alone$")
AIMS = {"300 bytes": 100_000, "50 KB, 50 statements": 5_000, "50 KB, 500 statements": 5_000}


def measure(say):
    say("the planner alone, on one core")
    done = subprocess.run([settings.BIN / "plan-bench", "0.5"], cwd=settings.ROOT, capture_output=True, text=True, timeout=600, check=True)
    rows = []
    for line in done.stdout.splitlines():
        name, size, rate, megabytes, alone = ROW.match(line).groups()
        rows.append({"name": name, "bytes": int(size), "per_s": int(rate), "mb_per_s": float(megabytes), "alone_per_s": int(alone)})
    return rows


def lines(found):
    shown = [f"{'planner alone, one core':46} {'records/s':>10} {'MB/s':>8} {'without records':>16}"]
    for row in found:
        aim = f" (aim: {AIMS[row['name']]:,})" if row["name"] in AIMS else ""
        shown.append(f"  {row['name']:32} {row['bytes']:8,} B {row['per_s']:12,} {row['mb_per_s']:8.1f} {row['alone_per_s']:16,}{aim}")
    return shown
