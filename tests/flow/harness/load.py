# SPDX-License-Identifier: Apache-2.0
"""Many jobs of many groups, on their way while the world breaks, and what must be true of them afterwards.

Half of the groups come by REST (repeated with the same Idempotency-Key until they are accepted, as a careful client does),
half by a Kafka producer (Avro and JSON by turns). In every other group the jobs are shell jobs that append
`group seq attempt` to a file: their effects in the outside world; the others are noop jobs. In a group each job is
submitted only after the one before was accepted: so its order is known."""
import collections
import itertools
import threading
import time
import uuid

import httpx

from . import avro
from .clients import FINAL
from .wait import wait_for

ACCEPT_LIMIT_S = 120
REST_THREADS = 4

Member = collections.namedtuple("Member", "group seq job_id")


class Load:
    def __init__(self, stack, creator, groups=20, jobs=25, urls=None):
        self.stack = stack
        self.creator = creator
        self.groups = [f"g{n:02}" for n in range(groups)]
        self.jobs = jobs
        self.urls = urls or [stack["ingest"].url]
        self.effects_file = stack.folder / f"effects-{creator}"
        self.effects_file.touch()
        self.accepted = {}  # job id -> Member
        self.failures = []
        self.threads = []
        self.lock = threading.Lock()
        self.events = stack.kafka.reader("jobs.events", from_end=True)
        self.ended = set()

    @property
    def total(self):
        return len(self.groups) * self.jobs

    # ---- submitting ----

    def job(self, group, seq):
        shell = int(group[1:]) % 2 == 0
        code = f"echo {group} {seq} $MILLRACE_ATTEMPT >> {self.effects_file}" if shell else "nothing to do"
        return {"creator": self.creator, "user": group, "name": f"{group}-{seq}", "engine": "shell" if shell else "noop",
                "code": code}

    def note(self, group, seq, job_id):
        with self.lock:
            self.accepted[job_id] = Member(group, seq, job_id)

    def start(self):
        half = len(self.groups) // 2
        by_rest, by_kafka = self.groups[:half], self.groups[half:]
        parts = [(self.submit_by_rest, by_rest[i::REST_THREADS]) for i in range(REST_THREADS)]
        for work, groups in [*parts, (self.submit_by_kafka, by_kafka)]:
            t = threading.Thread(target=self.guarded, args=(work, groups), daemon=True)
            t.start()
            self.threads.append(t)

    def guarded(self, work, groups):
        try:
            work(groups)
        except Exception as e:  # told by join(), in the test's own thread
            self.failures.append(e)

    def submit_by_rest(self, groups):
        urls = itertools.cycle(self.urls)
        with httpx.Client(timeout=20, trust_env=False) as http:
            for seq in range(self.jobs):
                for group in groups:
                    self.note(group, seq, self.submit_until_accepted(http, urls, group, seq))

    def submit_until_accepted(self, http, urls, group, seq):
        def accepted():
            try:
                answer = http.post(next(urls) + "/v1/jobs", json=self.job(group, seq),
                                   headers={"Idempotency-Key": f"{self.creator}-{group}-{seq}"})
            except httpx.HTTPError:
                return None
            if answer.status_code == 503:
                return None
            if answer.status_code != 202:
                raise RuntimeError(f"{group} {seq}: {answer.status_code} {answer.text}")
            return answer.json()["job_id"]

        return wait_for(accepted, ACCEPT_LIMIT_S, f"ingest accepts {group} {seq}", 0.1)

    def submit_by_kafka(self, groups):
        """Every record is acknowledged before the next one of its group is sent."""
        kafka = self.stack.kafka
        for seq in range(self.jobs):
            for n, group in enumerate(groups):
                job = {"job_id": str(uuid.uuid4()), **self.job(group, seq)}
                if (n + seq) % 2:
                    kafka.submit_json(job, wait=False)
                else:
                    kafka.submit_avro(job, wait=False)
                self.note(group, seq, job["job_id"])
            kafka.flush(ACCEPT_LIMIT_S)

    # ---- watching ----

    def wait_ended(self, count, limit):
        """Until so many jobs have ended, as jobs.events tells."""
        end = time.monotonic() + limit
        while len(self.ended) < count:
            message = self.events.poll(0.2)
            if message is not None:
                event = avro.decode("JobEvent", message.value())
                if event["phase"] in FINAL and event["group"].startswith(self.creator + "/"):
                    self.ended.add(event["job_id"])
            assert not self.failures, self.failures
            assert time.monotonic() < end, f"only {len(self.ended)} of {count} jobs ended in {limit} s"

    def join(self, limit=ACCEPT_LIMIT_S):
        """All are submitted."""
        end = time.monotonic() + limit
        for t in self.threads:
            t.join(max(0, end - time.monotonic()))
            assert not t.is_alive(), f"not all jobs were accepted in {limit} s: {len(self.accepted)} of {self.total}"
        assert not self.failures, self.failures
        assert len(self.accepted) == self.total

    def wait_all_final(self, limit=120):
        jobs = self.stack.db["jobs"]
        query = {"creator": self.creator, "final": True}
        wait_for(lambda: jobs.count_documents(query) >= self.total, limit,
                 f"all {self.total} documents of {self.creator} are final", 0.2)

    # ---- what must be true ----

    def check(self, repeats_allowed=False):
        documents = {d["_id"]: d for d in self.stack.db["jobs"].find({"creator": self.creator})}
        self.check_documents(documents)
        self.check_events(documents)
        self.check_order(documents)
        return self.check_effects(repeats_allowed)

    def check_documents(self, documents):
        lost = self.accepted.keys() - documents.keys()
        made_up = documents.keys() - self.accepted.keys()
        assert not lost and not made_up, f"lost {lost}, made up {made_up}"
        not_good = {i: (d["state"], d.get("error")) for i, d in documents.items() if d["state"] != "succeeded"}
        assert not not_good, not_good
        open_runs = list(self.stack.db["runs"].find({"_id": {"$in": list(documents)}, "final": {"$ne": True}}, {"payload": 0}))
        assert not open_runs, open_runs

    def check_events(self, documents):
        ends = collections.defaultdict(set)
        for _, event in self.stack.kafka.events():
            if event["job_id"] in documents and event["phase"] in FINAL:
                ends[event["job_id"]].add((event["phase"], event["attempt"]))
        several = {i: e for i, e in ends.items() if len(e) != 1}
        assert not several, f"more than one end: {several}"
        assert ends.keys() == documents.keys(), f"no end told of {documents.keys() - ends.keys()}"
        differ = {i: (ends[i], d["state"]) for i, d in documents.items() if {p for p, _ in ends[i]} != {d["state"]}}
        assert not differ, differ

    def check_order(self, documents):
        """In a group a job starts when the one before has ended, in the order of submission."""
        by_group = collections.defaultdict(list)
        for member in self.accepted.values():
            by_group[member.group].append(member)
        for group, members in by_group.items():
            members.sort(key=lambda m: m.seq)
            assert [m.seq for m in members] == list(range(self.jobs)), (group, members)
            for before, after in itertools.pairwise(members):
                a, b = documents[before.job_id]["times"], documents[after.job_id]["times"]
                assert a["started"] <= a["finished"] <= b["started"] <= b["finished"], (group, before, a, after, b)

    def effects(self):
        by_group = collections.defaultdict(list)
        for line in self.effects_file.read_text().splitlines():
            group, seq, attempt = line.split()
            by_group[group].append((int(seq), int(attempt)))
        return by_group

    def check_effects(self, repeats_allowed):
        """In the outside world too: nothing missing, in order, and repeated only where that is allowed, by a later attempt.
        Returns the number of repeats."""
        repeats = 0
        effects = self.effects()
        for group in (g for g in self.groups if int(g[1:]) % 2 == 0):
            seen = effects[group]
            assert {s for s, _ in seen} == set(range(self.jobs)), (group, seen)
            assert seen == sorted(seen), f"{group} out of order: {seen}"
            assert len(set(seen)) == len(seen), f"{group}: the same attempt twice: {seen}"
            repeats += len(seen) - self.jobs
        assert repeats == 0 or repeats_allowed, f"{repeats} effects were repeated: {dict(effects)}"
        return repeats
