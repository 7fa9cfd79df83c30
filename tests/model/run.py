#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verifies the models in this folder with spin, and that each deliberate bug in them is found.

    run.py FOLDER [NAME...]     FOLDER takes the generated verifiers; NAME: only the rows with this in their name

A good model must have no error in a search that was exhaustive (neither depth nor memory ended it). A model with a bug must violate
the property that the row names. Anything else is a failure. README.md tells what is modelled.
"""
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
DEPTH = 10000
MEMORY_MB = 950  # two run at once
LIMIT_S = 240

# name, model, faults, what else is asked: "cycles" proves that the state graph has none, so that every run comes to rest.
GOOD = [
    ("lease", "lease", "", ""),
    ("crash, late write", "executor", "CRASHES=1 LATES=1", ""),
    ("crash, cancel", "executor", "CRASHES=1 CANCELS=1", ""),
    ("freeze", "executor", "FREEZES=1", ""),
    ("two rebalances", "executor", "REBALANCES=2", ""),
    ("drain, late write", "executor", "DRAINS=1 LATES=1", ""),
    ("drain, cancel", "executor", "DRAINS=1 CANCELS=1", ""),
    ("one group: crash, rebalance", "executor", "ONE_GROUP CRASHES=1 REBALANCES=1", ""),
    ("one group: two crashes, late write", "executor", "ONE_GROUP CRASHES=2 LATES=1", ""),
    ("one group: freeze, rebalance", "executor", "ONE_GROUP FREEZES=1 REBALANCES=1", ""),
    ("one group: freeze, late write", "executor", "ONE_GROUP FREEZES=1 LATES=1", ""),
    ("one group: freeze, cancel", "executor", "ONE_GROUP FREEZES=1 CANCELS=1", ""),
    ("one group: cancel, rebalance", "executor", "ONE_GROUP CANCELS=1 REBALANCES=1", ""),
    ("one group: late write, rebalance", "executor", "ONE_GROUP LATES=1 REBALANCES=1", ""),
    ("one group: drain, rebalance", "executor", "ONE_GROUP DRAINS=1 REBALANCES=1", ""),
    ("cycles: crash, cancel", "executor", "ONE_GROUP CRASHES=1 CANCELS=1", "cycles"),
    ("cycles: freeze, rebalance", "executor", "ONE_GROUP FREEZES=1 REBALANCES=1", "cycles"),
    ("cycles: drain, late write", "executor", "ONE_GROUP DRAINS=1 LATES=1", "cycles"),
]

# name of the #define, model, faults, what is to be found in the assertion that must fail
LAUNCH = r"live\[|state!="  # two live attempts, two of a group, or a start of a final job
ORDER = r"cancels\["  # an earlier job of the group is passed over
LOST = r"cancels\[|event\["  # passed over or forgotten
FINAL = r"live\["  # a final job has a live child
REST = r"event\["  # nothing can happen any more, and a job is not final or its event not sent
BAD = [
    ("LEASE_REVIVES", "executor", "FREEZES=1", LAUNCH),
    ("FINISH_UNGUARDED", "executor", "FREEZES=1", FINAL),
    ("LOSER_GOES_ON", "executor", "ONE_GROUP REBALANCES=1", LAUNCH),
    ("HEAD_FROM_QUEUED", "executor", "ONE_GROUP REBALANCES=1", ORDER),
    ("LEDGER_FIRST", "executor", "ONE_GROUP REBALANCES=1", LOST),
    ("DUPLICATE_IGNORED", "executor", "ONE_GROUP REBALANCES=1", LOST),
    ("BATCH_OUT_OF_ORDER", "executor", "ONE_GROUP CRASHES=1", ORDER),
    ("CANCELS_FIRST", "executor", "CANCELS=1", r"acknowledged\["),
    ("WITHDRAWN_AT_ONCE", "executor", "ONE_GROUP CANCELS=1 REBALANCES=1", LAUNCH),
    ("SCAN_TAKES_STARTING", "executor", "ONE_GROUP LATES=1 REBALANCES=1", LAUNCH),
    ("START_FORGOTTEN", "executor", "ONE_GROUP LATES=1 REBALANCES=1", REST),
    ("UNSENT_CLEARED_EARLY", "executor", "CRASHES=1 LATES=1", REST),
    ("DRAIN_BEFORE_DEAD", "executor", "DRAINS=1", LAUNCH),
    ("LEASE_REVIVES", "lease", "", "over"),
    ("COUNTED_FROM_ANSWER", "lease", "", "left==0"),
    ("COUNTER_NOT_COMPARED", "lease", "", "left==0"),
    ("WATCH_TOO_SHORT", "lease", "", "left==0"),
]


def command(args, folder):
    try:
        p = subprocess.run(args, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return 1, f"{args[0]} was stopped after {LIMIT_S} s"
    return p.returncode, p.stdout


def verifier(folder, model, defines, cycles, optimise):
    """Generates and compiles; returns the complaint, or None."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = str(HERE / f"{model}.pml")
    code, out = command(["spin", "-a", *defines, source], folder)
    if code != 0 or re.search(r"[Ee]rror", out) or not (folder / "pan.c").exists():
        return "spin: " + out
    # Compiling takes longer than searching: -O2 would cost more than it saves.
    kind = ["-DNP"] if cycles else ["-DSAFETY"]
    flags = [optimise, "-w", *kind, "-DNOREDUCE", "-DNOFAIR", f"-DMEMLIM={MEMORY_MB}"]
    code, out = command(["gcc", *flags, "-o", "pan", "pan.c"], folder)
    return None if code == 0 else "gcc: " + out


def verify(folder, name, model, defines, cycles, expected):
    """Returns (name, states, seconds, complaint or None)."""
    start = time.monotonic()
    complaint = verifier(folder, model, defines, cycles, "-O1" if expected is None else "-O0")
    if complaint:
        return name, 0, time.monotonic() - start, complaint
    _, out = command(["./pan", f"-m{DEPTH}", *(["-l"] if cycles else [])], folder)
    (folder / "out").write_text(out)
    seconds = time.monotonic() - start
    states = re.search(r"(\d+) states, stored", out)
    errors = re.search(r"errors: (\d+)", out)
    if not states or not errors:
        complaint = "the verifier did not end well:\n" + out[-2000:]
    elif re.search(r"max search depth too small|out of memory|reached -DMEMLIM", out):
        complaint = "the search was not exhaustive: depth or memory ended it"
    elif expected is None and errors[1] != "0":
        complaint = f"{errors[1]} errors: " + (re.search(r"pan:1: (.*)", out) or [0, "?"])[1]
    elif expected is None and "Search not completed" in out:
        complaint = "the search was not exhaustive"
    elif expected is not None:
        violated = re.search(r"pan:1: assertion violated (.*)", out)
        if errors[1] == "0" or not violated:
            complaint = "the bug was not found"
        elif not re.search(expected, violated[1]):
            complaint = f"another property failed than '{expected}': {violated[1]}"
    if complaint and (folder / f"{model}.pml.trail").exists():
        complaint += f"\n  cd {folder} && spin -k {model}.pml.trail -p -g {' '.join(defines)} {HERE / model}.pml"
    return name, int(states[1]) if states else 0, seconds, complaint


def rows():
    for name, model, faults, more in GOOD:
        yield name, model, [f"-D{f}" for f in faults.split()], more == "cycles", None
    for bug, model, faults, expected in BAD:
        yield f"{model}: {bug}", model, [f"-D{f}" for f in faults.split()] + [f"-DBUG_{bug}"], False, expected


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for tool in ("spin", "gcc"):
        if not shutil.which(tool):
            sys.exit(f"needs {tool}: apt-get install {tool}")
    build, wanted = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    failed = count = 0
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [
            pool.submit(verify, build / re.sub(r"\W+", "-", name), name, model, defines, cycles, expected)
            for name, model, defines, cycles, expected in rows()
            if not wanted or any(w in name for w in wanted)
        ]
        print(f"{'model':<36} {'states':>9} {'seconds':>8}  result")
        for task in tasks:
            name, states, seconds, complaint = task.result()
            good = "counterexample, as it must be" if name.split(": ")[-1].isupper() else "holds"
            print(f"{name:<36} {states:>9} {seconds:>8.1f}  {complaint or good}", flush=True)
            count += 1
            failed += complaint is not None
    print(f"{count} models, {failed} surprises, {time.monotonic() - start:.0f} s")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
