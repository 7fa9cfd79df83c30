#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over our C files, in parallel, and only over those that changed.

    lint.py COMPILE_COMMANDS.json STAMPS

"Changed" is judged by what the compiler sees: the preprocessed text with comments (they hold NOLINT marks) and
.clang-tidy. A file that was clean leaves a stamp named by that hash in the folder STAMPS. A file that several targets
compile to the same text is checked once.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

TIDY = "clang-tidy-14"


def fingerprint(entry, config):
    command = shlex.split(entry["command"])
    out = command.index("-o")
    del command[out : out + 2]
    command[command.index("-c")] = "-E"
    text = subprocess.run(command + ["-CC"], cwd=entry["directory"], capture_output=True, check=True).stdout
    return hashlib.sha256(config + b"\0" + text).hexdigest()


def check(entry, build, stamp):
    if stamp.exists():
        return entry["file"], 0, ""
    run = subprocess.run([TIDY, "--quiet", "-p", build, entry["file"]], capture_output=True, text=True)
    if run.returncode == 0:
        stamp.touch()
    # On stderr it only counts the warnings of system headers that it left out, unless it could not work at all.
    return entry["file"], run.returncode, run.stdout or run.stderr


def main():
    database, stamps = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    stamps.mkdir(parents=True, exist_ok=True)
    config = pathlib.Path(".clang-tidy").read_bytes()
    build = os.path.realpath(database.parent)
    entries = [e for e in json.loads(database.read_text()) if not os.path.realpath(e["file"]).startswith(build + "/")]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = dict(zip(pool.map(lambda e: fingerprint(e, config), entries), entries))
        for name, code, text in pool.map(lambda t: check(texts[t], build, stamps / t), texts):
            if code != 0:
                failed += 1
                print(f"{name}:\n{text}")
    print(f"{len(texts)} files checked, {failed} with findings")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
