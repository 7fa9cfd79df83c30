#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# An engine in 30 lines: it counts the words of the code it is given.
import collections
import json
import sys


def say(**line):
    print(json.dumps(line), flush=True)


def count(run, code):
    if not code.strip():
        raise ValueError("there are no words")
    words = collections.Counter(code.split()).most_common()
    say(type="log", run=run, level="info", text=f"{len(words)} different words\n")
    say(type="columns", run=run, columns=[{"name": "word", "type": "string"}, {"name": "count", "type": "long"}])
    say(type="rows", run=run, rows=words, last=True)


for text in sys.stdin:
    line = json.loads(text)
    if line["type"] == "hello":
        say(type="ready", engine="words", version="1", concurrency=1)
    elif line["type"] == "ping":
        say(type="pong")
    elif line["type"] == "run":
        try:
            count(line["run"], line["code"])
            say(type="done", run=line["run"])
        except ValueError as e:
            say(type="error", run=line["run"], code="code_error", message=str(e), line=1)
