# SPDX-License-Identifier: Apache-2.0
"""The converter alone: records per second of one core, from what variables-bench and convert-bench print."""
import re
import subprocess

from harness import settings

ROW = re.compile(r"^(.+?)\s+(\d+) bytes\s+(\d+) (?:jobs|codes)/s\s+([\d.]+) MB/s$")
AIMS = {"small": 100_000, "small, 4 variables": 100_000, "50 KB": 5_000, "50 KB, 4 variables": 5_000}


def rows_of(program, seconds):
    done = subprocess.run([settings.BIN / program, str(seconds)], cwd=settings.ROOT, capture_output=True, text=True, timeout=600, check=True)
    rows = []
    for line in done.stdout.splitlines():
        name, size, rate, megabytes = ROW.match(line).groups()
        rows.append({"name": name, "bytes": int(size), "per_s": int(rate), "mb_per_s": float(megabytes)})
    return rows


def measure(say):
    say("the converter alone, on one core")
    return {"jobs": rows_of("variables-bench", 0.5), "pieces": rows_of("convert-bench", 0.3)}


def lines(found):
    shown = [f"{'converter alone, one core':46} {'records/s':>10} {'MB/s':>8}"]
    for row in found["jobs"] + found["pieces"]:
        aim = f" (aim: {AIMS[row['name']]:,})" if row["name"] in AIMS else ""
        shown.append(f"  {row['name']:32} {row['bytes']:8,} B {row['per_s']:12,} {row['mb_per_s']:8.1f}{aim}")
    return shown
