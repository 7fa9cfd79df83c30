# SPDX-License-Identifier: Apache-2.0
"""What must be true of a run of jobs, whatever broke meanwhile. Pure: from what was seen (History) to a list of what is
wrong. test_chaos.py has a table of bad histories: each rule finds its own."""
import collections
import dataclasses

from chaos import plans
from harness.clients import FINAL

LOSSES_MAX = 5  # the executor's: so many losses end a job
NEVER_STARTS = {"pending", "queued"}

Event = collections.namedtuple("Event", "job_id phase attempt at instance")


@dataclasses.dataclass
class History:
    jobs: list       # load.Job, as accepted
    lines: dict      # group -> [(seq, attempt, "start" or "end")], as they lie in its file; "n2.start": of a node
    events: list     # Event
    documents: dict  # job id -> document
    cancels: list = dataclasses.field(default_factory=list)    # load.Cancel
    unanswered: set = dataclasses.field(default_factory=set)   # job ids: cancelled perhaps
    guard_killed: set = dataclasses.field(default_factory=set)  # instances: their jobs may fail as engine_died
    views: dict = dataclasses.field(default_factory=dict)  # job id -> nodes, as GET .../plan shows them; of jobs with a plan

    def __post_init__(self):
        self.phases = collections.defaultdict(set)  # (job id, attempt) -> phases
        self.ends = collections.defaultdict(set)    # job id -> (phase, attempt)
        for e in self.events:
            self.phases[(e.job_id, e.attempt)].add(e.phase)
            if e.phase in FINAL:
                self.ends[e.job_id].add((e.phase, e.attempt))
        self.by_place = {(j.group, j.seq): j for j in self.jobs}
        self.by_id = {j.job_id: j for j in self.jobs}
        planned = {(j.group, j.seq) for j in self.jobs if j.plan}
        self.plain = {g: [line for line in lines if (g, line[0]) not in planned] for g, lines in self.lines.items()}

    def lines_of(self, job):
        return [(s, a, w) for s, a, w in self.lines.get(job.group, []) if s == job.seq]


def none_is_lost(h):
    for job in h.jobs:
        if job.job_id not in h.documents:
            yield f"{job}: lost, there is no document"
    for job_id in h.documents.keys() - h.by_id.keys():
        yield f"{job_id}: made up, nobody submitted it"


def final_once(h):
    """One distinct final event for each job, and the document agrees with it."""
    for job in h.jobs:
        ends, document = h.ends[job.job_id], h.documents.get(job.job_id)
        if len(ends) != 1:
            yield f"{job}: {len(ends)} distinct final events: {sorted(ends)}"
        elif document and ((document["state"], document["attempt"]) not in ends or not document["final"]):
            yield f"{job}: the document says {document['state']} of attempt {document['attempt']}, the event {sorted(ends)}"


def ends_well(h):
    """Succeeded, or there is a reason for anything else."""
    asked = {c.job_id for c in h.cancels} | h.unanswered
    for job in h.jobs:
        document = h.documents.get(job.job_id)
        if not document or document["state"] == "succeeded":
            continue
        error = (document.get("error") or {}).get("code")
        losses = sum("lost" in h.phases[(job.job_id, a)] for a in range(document["attempt"] + 1))
        reason = (document["state"] == "cancelled" and job.job_id in asked
                  or document["state"] == "failed" and error == "lost" and losses >= LOSSES_MAX - 1
                  or document["state"] == "failed" and error == "engine_died" and document.get("instance") in h.guard_killed)
        if not reason:
            yield f"{job}: ended as {document['state']}, {error}, without a reason"


def starts_in_order(h):
    """No start of an earlier job, and no word of its nodes, after a later one has started; so repeats of a job are adjacent."""
    for group, lines in h.lines.items():
        latest = -1
        for seq, attempt, word in lines:
            if (group, seq) not in h.by_place:
                yield f"{group}: a line of job {seq}, which nobody submitted"
            if word != "end" and seq < latest:
                yield f"{group}: job {seq} (attempt {attempt}) told {word} after job {latest}"
            latest = max(latest, seq)


def one_at_a_time(h):
    """An end follows its own start at once: another start in between would be two live attempts. A start without an end is
    an attempt that was killed, and somebody must have told so."""
    for group, lines in h.plain.items():
        live = None
        for seq, attempt, word in [*lines, (None, None, "start")]:
            if word == "end":
                if live != (seq, attempt):
                    yield f"{group}: job {seq} attempt {attempt} ended while {live} was live: two live attempts"
                live = None
                continue
            if live and live[0] != seq or live and live[1] != attempt:
                yield from killed_rightly(h, group, *live)
            live = (seq, attempt)


def killed_rightly(h, group, seq, attempt):
    job = h.by_place.get((group, seq))
    phases = h.phases[(job.job_id, attempt)] if job else set()
    if "succeeded" in phases:
        yield f"{group}: job {seq} succeeded in attempt {attempt}, which never came to its end"
    elif not phases & {"lost", "retrying", "failed", "cancelled"}:
        yield f"{group}: job {seq} attempt {attempt} was killed, and no event tells so"


def attempts_rise(h):
    for group, lines in h.plain.items():
        last = {}
        for seq, attempt, word in lines:
            if word == "start" and attempt <= last.get(seq, 0):
                yield f"{group}: job {seq} started as attempt {attempt} after attempt {last[seq]}"
            last[seq] = max(attempt, last.get(seq, 0))
        for seq, attempt in last.items():
            job = h.by_place.get((group, seq))
            document = h.documents.get(job.job_id) if job else None
            if document and attempt > document["attempt"]:
                yield f"{group}: job {seq} has lines of attempt {attempt}, the document knows {document['attempt']}"


def success_was_real(h):
    for job in h.jobs:
        document = h.documents.get(job.job_id)
        if document and document["state"] == "succeeded" and not job.plan:
            words = [w for _, a, w in h.lines_of(job) if a == document["attempt"]]
            if words != ["start", "end"]:
                yield f"{job}: succeeded in attempt {document['attempt']}, whose lines are {words}"


def cancels_hold(h):
    for c in h.cancels:
        job, document = h.by_id[c.job_id], h.documents.get(c.job_id)
        lines = h.lines_of(job)
        if c.was in NEVER_STARTS:
            if lines != c.lines:
                yield f"{job}: cancelled while {c.was}, with lines {c.lines}; now they are {lines}"
            if document and document["state"] != "cancelled":
                yield f"{job}: cancelled while {c.was}, but it ended as {document['state']}"
        elif len({a for _, a, w in lines if w.endswith("start")} - {a for _, a, w in c.lines if w.endswith("start")}) > 1:
            yield f"{job}: cancelled while {c.was}, then started again: {c.lines}, now {lines}"


def plans_are_kept(h):
    """Each node after those that it waits for, and never again once they have started."""
    for job in h.jobs:
        if not job.plan:
            continue
        lines = [(a, *w.split(".")) for _, a, w in h.lines_of(job)]
        document = h.documents.get(job.job_id)
        for what in plans.wrong(job.plan, lines, document):
            yield f"{job}: {what}"
        for what in plans.wrong_view(document, h.views.get(job.job_id, [])) if document else ():
            yield f"{job}: {what}"


RULES = [none_is_lost, final_once, ends_well, starts_in_order, one_at_a_time, attempts_rise, success_was_real, cancels_hold,
         plans_are_kept]


def wrong(history):
    """Everything that is wrong, each with the name of its rule."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(history)]
