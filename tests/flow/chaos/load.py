# SPDX-License-Identifier: Apache-2.0
"""The jobs: one round is one job of every group. Half of the groups come by REST (repeated with the same Idempotency-Key
until they are accepted, as a careful client does), half by a Kafka producer; in a group a job is submitted only after the
one before was accepted, so its order is known. Each job appends `seq attempt start` to its group's file, naps, and appends
`seq attempt end`. One in a few has several nodes (plans.py).

Some jobs are cancelled at random moments. What the answer said is noted, and how many lines of the job there were when it
came."""
import collections
import random
import threading
import time
import uuid

import httpx

from chaos import plans
from harness.wait import TooLate, wait_for

REST_THREADS = 4
REQUEST_LIMIT_S = 5  # a frozen ingest answers nothing; then the other one is asked
ACCEPT_LIMIT_S = 180
FLUSH_LIMIT_S = 180
CANCEL_LIMIT_S = 120
BURST = 3     # rounds at once, so that jobs wait in line
RECENT = 180  # a burst: most of them still wait or run

# plan: its kind in plans.PLANS, None for a job of one node.
Job = collections.namedtuple("Job", "job_id group seq plan", defaults=(None,))
Cancel = collections.namedtuple("Cancel", "job_id was lines")


def nap(rng):
    """Most jobs are short; some are long enough to be caught by most kills, or by a drain (1 s)."""
    kind = rng.random()
    return rng.uniform(0.02, 0.3) if kind < 0.6 else rng.uniform(0.3, 1.5) if kind < 0.9 else rng.uniform(1.5, 3.5)


class Load:
    def __init__(self, stack, seed, groups, rounds, seconds, cancels, creator="chaos"):
        self.stack = stack
        self.creator = creator
        self.groups = [f"g{n:02}" for n in range(groups)]
        self.rounds = rounds
        self.seconds = seconds
        self.seed = seed
        self.folder = stack.folder / "effects"
        self.folder.mkdir()
        for group in self.groups:
            (self.folder / group).touch()
        self.urls = [s.url for s in stack.stages if s.name == "ingest"]
        self.jobs = []      # as they were accepted
        self.cancels = []
        self.unanswered = set()  # cancels that nobody answered: they may count or not
        self.asked = set()
        self.planned_cancels = cancels
        self.failures = []
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = []

    @property
    def total(self):
        return len(self.groups) * self.rounds

    # ---- jobs ----

    def job(self, group, seq):
        path = self.folder / group
        told = f"{seq} $MILLRACE_ATTEMPT"
        rng = random.Random(f"{self.seed}/{group}/{seq}")
        base = {"creator": self.creator, "user": group, "name": f"{group}-{seq}", "engine": "shell"}
        if plan := self.plan_of(group, seq):
            return {**base, "code": "", **plans.job(plan, path, seq, nap(rng))}
        return {**base,
                "code": f"echo {told} start >> {path}; sleep {nap(rng):.2f} && echo {told} end >> {path}"}

    def plan_of(self, group, seq):
        rng = random.Random(f"{self.seed}/{group}/{seq}/plan")
        return rng.choice(list(plans.PLANS)) if rng.randrange(plans.SHARE) == 0 else None

    def note(self, group, seq, job_id):
        with self.lock:
            self.jobs.append(Job(job_id, group, seq, self.plan_of(group, seq)))

    def lines(self, group):
        return [(int(seq), int(attempt), word) for seq, attempt, word in
                (line.split() for line in (self.folder / group).read_text().splitlines())]

    # ---- submitting ----

    def start(self):
        self.began = time.monotonic()
        half = len(self.groups) // 2
        by_rest, by_kafka = self.groups[:half], self.groups[half:]
        work = [(self.by_rest, i, by_rest[i::REST_THREADS]) for i in range(REST_THREADS)]
        work += [(self.by_kafka, by_kafka), (self.cancel_some,)]
        for function, *args in work:
            t = threading.Thread(target=self.guarded, args=(function, *args), daemon=True)
            t.start()
            self.threads.append(t)

    def guarded(self, function, *args):
        try:
            function(*args)
        except Exception as e:  # told in the test's own thread, by wait_submitted
            self.failures.append(f"{function.__name__}: {e!r}")

    def pace(self, part):
        """Until this part (0..1) of the time is over. False: all is to end."""
        return not self.over.wait(max(0, self.began + part * self.seconds - time.monotonic()))

    def pace_round(self, seq):
        return self.pace((seq - seq % BURST) / self.rounds)

    def by_rest(self, number, groups):
        with httpx.Client(timeout=REQUEST_LIMIT_S, trust_env=False) as http:
            for seq in range(self.rounds):
                if not self.pace_round(seq):
                    return
                for group in groups:
                    self.note(group, seq, self.until_accepted(http, number + seq, group, seq))

    def until_accepted(self, http, turn, group, seq):
        turns = iter(range(turn, turn + 10**9))

        def accepted():
            assert not self.over.is_set()
            try:
                answer = http.post(self.urls[next(turns) % len(self.urls)] + "/v1/jobs", json=self.job(group, seq),
                                   headers={"Idempotency-Key": f"{self.creator}-{group}-{seq}"})
            except httpx.HTTPError:
                return None
            if answer.status_code == 503:
                return None
            if answer.status_code not in (200, 202):
                raise RuntimeError(f"{group} {seq}: {answer.status_code} {answer.text}")
            return answer.json()["job_id"]

        return wait_for(accepted, ACCEPT_LIMIT_S, f"ingest accepts {group} {seq}", 0.1)

    def by_kafka(self, groups):
        kafka = self.stack.kafka
        for seq in range(self.rounds):
            if not self.pace_round(seq):
                return
            sent = []
            for n, group in enumerate(groups):
                job = {"job_id": str(uuid.uuid4()), **self.job(group, seq)}
                (kafka.submit_json if (n + seq) % 2 else kafka.submit_avro)(job, wait=False)
                sent.append((group, seq, job["job_id"]))
            kafka.flush(FLUSH_LIMIT_S)
            for told in sent:
                self.note(*told)

    # ---- cancels ----

    def cancel_some(self):
        rng = random.Random(f"{self.seed}/cancels")
        with httpx.Client(timeout=REQUEST_LIMIT_S, trust_env=False) as http:
            for moment in sorted(rng.uniform(0.03, 1.0) for _ in range(self.planned_cancels)):
                if not self.pace(moment):
                    return
                with self.lock:
                    among = self.jobs[-RECENT:] if rng.random() < 0.9 else list(self.jobs)
                among = [j for j in among if j.job_id not in self.asked]
                if among:
                    self.cancel(http, rng, rng.choice(among))

    def cancel(self, http, rng, job):
        """Asked until it is answered; a job that came by Kafka may not be known yet."""
        self.asked.add(job.job_id)

        def answered():
            try:
                answer = http.post(f"{rng.choice(self.urls)}/v1/jobs/{job.job_id}/cancel", json={"reason": "chaos"})
            except httpx.HTTPError:
                return None
            if answer.status_code in (404, 503):
                return None
            if answer.status_code not in (200, 202):
                raise RuntimeError(f"cancel of {job}: {answer.status_code} {answer.text}")
            return answer.json()["was"]

        try:
            was = wait_for(answered, CANCEL_LIMIT_S, f"the cancel of {job} is answered", 0.1)
        except TooLate:
            self.unanswered.add(job.job_id)
            return
        lines = [(seq, attempt, word) for seq, attempt, word in self.lines(job.group) if seq == job.seq]
        self.cancels.append(Cancel(job.job_id, was, lines))

    # ---- the end ----

    def wait_submitted(self, limit):
        end = time.monotonic() + limit
        for t in self.threads:
            t.join(max(0, end - time.monotonic()))
            assert not t.is_alive(), f"not all jobs were accepted in {limit} s: {len(self.jobs)} of {self.total}"
        assert not self.failures, self.failures
        assert len(self.jobs) == self.total

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join(FLUSH_LIMIT_S)

    def wait_final(self, limit):
        """Documents are final, the ledger is closed, all ends are told."""
        db = self.stack.db

        def settled():
            final = db["jobs"].count_documents({"creator": self.creator, "final": True})
            runs = db["runs"].count_documents({"final": {"$ne": True}})
            unsent = db["outcomes"].count_documents({"unsent": True})
            assert final >= self.total and runs == 0 and unsent == 0, (
                f"{final} of {self.total} documents are final; {runs} runs are open, {unsent} outcomes are not told")
            return True

        wait_for(settled, limit, "everything has come to its end", 0.3)
