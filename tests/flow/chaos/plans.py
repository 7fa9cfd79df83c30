# SPDX-License-Identifier: Apache-2.0
"""Jobs of several nodes among the load, and what must be true of them. Each leaf appends `seq attempt n2.start` and `seq attempt n2.end`
to its group's file, by the id of its node.

    strategies  a, then at once a race and a fallback, then z     n1 all: n2 a, n3 race (n4, n5), n6 fallback (n7, n8), n9 z
    tries       a, then b, which fails once by itself, then z     n1 sequence: n2 a, n3 b, n4 z"""
import collections

SHARE = 8  # one job in so many
OTHER_SHELL = "shell2"  # a second target for the same code

# befores: (node, nodes of which one has ended before it starts, and none of which runs later). last: the node that ends the job.
# starts: of each node in one attempt.
Plan = collections.namedtuple("Plan", "befores last starts")
PLANS = {
    "strategies": Plan([("n4", {"n2"}), ("n5", {"n2"}), ("n7", {"n2"}), ("n8", {"n7"}), ("n9", {"n4", "n5"}), ("n9", {"n8"})], "n9", 1),
    "tries": Plan([("n3", {"n2"}), ("n4", {"n3"})], "n4", 3),
}
OPEN = {"running", "retrying"}  # what no node of a job that has ended may be


def job(kind, path, seq, nap):
    """Its own fields of the submission. n4 is the slow one of the race, and what it leaves in the background would tell of itself; n7
    always breaks."""
    def tell(word):
        return f'echo "{seq} $MILLRACE_ATTEMPT $MILLRACE_NODE.{word}" >> {path}'

    def part(name, body, after=(), **more):
        return {"id": name, "engine": "shell", "code": f"{tell('start')}; {body} && {tell('end')}", "after": list(after), **more}

    def strategy(name):
        return {"strategy": {"kind": name, "targets": ["shell@", f"{OTHER_SHELL}@"]}}

    sleep = f"sleep {nap / 3:.2f}"
    slow = f"(setsid sh -c '(sleep 2; {tell('late')}) &' &) ; sleep 4"
    first = part("a", sleep)
    if kind == "strategies":
        return {"parts": [first, part("r", f"if [ $MILLRACE_NODE = n4 ]; then {slow}; else {sleep}; fi", "a", **strategy("race")),
                          part("f", f"{sleep}; if [ $MILLRACE_NODE = n7 ]; then {tell('end')}; exit 7; fi", "a", **strategy("fallback")),
                          part("z", sleep, "rf")],
                "retry": {"exit_codes": [7]}}
    tried = f"{path}.{seq}"
    return {"parts": [first, part("b", f"if [ ! -e {tried} ]; then touch {tried}; exit 7; fi; {sleep}", "a"), part("z", sleep, "b")],
            "retry": {"exit_codes": [7], "node_attempts": PLANS[kind].starts, "backoff_ms": 300, "max_backoff_ms": 300}}


# ---- what must be true: of one job's lines, (attempt, node, word) in their order ----

def out_of_order(plan, lines):
    """A node starts after those that it waits for, which never run again then, not in a later attempt either."""
    for node, before in plan.befores:
        ended = begun = False
        for attempt, n, word in lines:
            if n in before and begun:
                yield f"{n}.{word} of attempt {attempt} after {node} had started"
            ended = ended or n in before and word == "end"
            if n == node and word == "start" and not begun:
                begun = True
                if not ended:
                    yield f"{node} started in attempt {attempt} before an end of {' or '.join(sorted(before))}"


def too_often(plan, lines):
    for (attempt, n), count in collections.Counter((a, n) for a, n, word in lines if word == "start").items():
        if count > plan.starts:
            yield f"{n} started {count} times in attempt {attempt}"


def attempts_fall(lines):
    latest = 0
    for attempt, n, word in lines:
        if attempt < latest:
            yield f"{n}.{word} of attempt {attempt} after a line of attempt {latest}: two live attempts"
        latest = max(latest, attempt)


def unreal_success(plan, lines, attempt):
    words = [word for a, n, word in lines if (a, n) == (attempt, plan.last)]
    if words != ["start", "end"]:
        yield f"succeeded in attempt {attempt}, in which the lines of {plan.last} are {words}"


def wrong(kind, lines, document):
    plan = PLANS[kind]
    yield from out_of_order(plan, lines)
    yield from too_often(plan, lines)
    yield from attempts_fall(lines)
    if document and document["state"] == "succeeded":
        yield from unreal_success(plan, lines, document["attempt"])


def wrong_view(document, nodes):
    """`nodes`: as GET .../plan shows them once the job is final."""
    for n in nodes:
        if n["state"] in OPEN:
            yield f"is {document['state']}, and its node {n['id']} still {n['state']}"
    if document["state"] == "succeeded" and nodes and nodes[0]["state"] != "succeeded":
        yield f"succeeded, and its root is {nodes[0]['state']}"
