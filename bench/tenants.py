# SPDX-License-Identifier: Apache-2.0
"""What one tenant feels of another, and what a user feels of a failure: fairness, a noisy neighbour, take-over after kill -9, cancel
latency, start rates. Each on a stack of its own beside the one that ./run bench started, with the same servers."""
import contextlib
import json
import statistics
import subprocess
import threading
import time
import uuid

from harness import avro, settings
from harness.clients import FINAL
from harness.stages import Stack
from harness.wait import wait_for

QUEUED = 10_000  # of tenant A
A_GROUPS = 100
B_JOBS = 10
NEIGHBOURS = 9
RATE_PER_S = 200  # of all ten tenants together; A has 90 % of it
NOISY_S = 20
CANCELS = 100
DRAIN_JOBS = 10_000
GROUPS = (10, 1000, 10_000)
SLOTS = {"start_rate_10_slots": 10, "start_rate_32_slots": 32}
LIMIT_S = 300


@contextlib.contextmanager
def own_stack(name, **options):
    stack = Stack(name, **options)
    try:
        stack.make_topics()
        stack.start()
        yield stack
    finally:
        wrong = stack.close()
    assert not wrong, wrong


class Events(threading.Thread):
    """Follows jobs.events: when each job of a stack started and ended, by the events' own times."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.reader = stack.kafka.reader("jobs.events", from_end=True)
        self.accepted, self.queued, self.started, self.ended = {}, {}, {}, {}
        self.attempts = {}  # job -> [(attempt, started at)]
        self.done = False
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.done:
                message = self.reader.poll(0.2)
                if message is not None:
                    self.take(avro.decode("JobEvent", message.value()))
        except Exception as e:
            self.failure = e

    def take(self, event):
        job, at, phase = event["job_id"], millis(event["at"]), event["phase"]
        if phase == "queued":
            self.queued.setdefault(job, at)
        elif phase == "started":
            self.started.setdefault(job, at)
            self.queued.setdefault(job, millis(event["times"]["queued"]))
            self.attempts.setdefault(job, []).append((event["attempt"], at))
        elif phase in FINAL:
            self.ended.setdefault(job, (at, phase))

    def wait_ended(self, jobs, limit=LIMIT_S):
        def all_ended():
            assert self.failure is None, self.failure
            return all(j in self.ended for j in jobs)

        wait_for(all_ended, limit, f"{len(jobs)} jobs have ended", 0.02)

    def stop(self):
        self.done = True
        self.join(10)


def millis(at):
    return at.timestamp() * 1000 if hasattr(at, "timestamp") else float(at)


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def produce(stack, creator, user, count, code="noop"):
    ids = []
    for _ in range(count):
        ids.append(str(uuid.uuid4()))
        job = {"job_id": ids[-1], "creator": creator, "user": user, "engine": "noop", "code": code}
        stack.kafka.produce("jobs.submitted", avro.encode("JobSubmitted", job), f"{creator}/{user}", wait=False)
    return ids


def in_ledger(stack, creator):
    return stack.db["runs"].count_documents({"group": {"$regex": f"^{creator}/"}})


# ---- fairness ----

def b_alone_or_not(stack, events, creator):
    """Milliseconds from the first submit until the last of B's jobs ended; submitted one after the other by REST."""
    began = time.time() * 1000
    jobs = [stack.rest.submit({"creator": creator, "user": "b", "engine": "noop", "code": "noop"}) for _ in range(B_JOBS)]
    events.wait_ended(jobs)
    return max(events.ended[j][0] for j in jobs) - began


def fairness():
    """A has 10,000 jobs queued in 100 groups, B submits 10. Few slots, so that the queue is real."""
    with own_stack("bench-fair", stage_env={"executor": {"MILLRACE_SLOTS": "4"}}) as stack:
        events = Events(stack)
        b_alone_or_not(stack, events, "warm")
        alone = [b_alone_or_not(stack, events, f"alone{n}") for n in range(5)]
        stack["executor"].hold()
        jobs = []
        for n in range(A_GROUPS):
            jobs += produce(stack, "a", f"u{n}", QUEUED // A_GROUPS)
        stack.kafka.flush()
        stack["executor"].go_on()
        wait_for(lambda: in_ledger(stack, "a") == QUEUED, LIMIT_S, "A's jobs are queued", 0.2)
        beside = []
        for n in range(5):
            left = QUEUED - sum(1 for j in jobs if j in events.ended)
            beside.append((b_alone_or_not(stack, events, f"beside{n}"), left))
        events.stop()
    beside_ms = statistics.median(ms for ms, left in beside if left > 0)
    return {"alone_ms": round(statistics.median(alone), 1), "beside_ms": round(beside_ms, 1),
            "a_left": [left for _, left in beside], "times": round(beside_ms / statistics.median(alone), 2)}


# ---- a noisy neighbour ----

def steady(stack, events, tenants, seconds):
    """Submits at a steady rate; tenants: {creator: jobs per second}. Start delays (queued -> started), by creator, in ms."""
    plan = sorted((k / rate, creator) for creator, rate in tenants.items() for k in range(int(rate * seconds)))
    jobs = {}
    began = time.perf_counter()
    for due, creator in plan:
        time.sleep(max(0, began + due - time.perf_counter()))
        for job in produce(stack, creator, f"u{len(jobs) % 20}", 1):
            jobs[job] = creator
    stack.kafka.flush()
    events.wait_ended(list(jobs))
    delays = {}
    for job, creator in jobs.items():
        delays.setdefault(creator, []).append(events.started[job] - events.queued[job])
    return delays


def noisy():
    quiet = {f"quiet{n}": RATE_PER_S * 0.1 / NEIGHBOURS for n in range(NEIGHBOURS)}
    with own_stack("bench-noisy", stage_env={"executor": {"MILLRACE_SLOTS": "4"}}) as stack:
        events = Events(stack)
        b_alone_or_not(stack, events, "warm")
        alone = steady(stack, events, quiet, NOISY_S)
        beside = steady(stack, events, {**quiet, "a": RATE_PER_S * 0.9}, NOISY_S)
        events.stop()

    def p95(found):
        return quantile([d for creator, delays in found.items() if creator.startswith("quiet") for d in delays], 0.95)

    return {"alone_p95_ms": round(p95(alone), 1), "beside_p95_ms": round(p95(beside), 1),
            "rate_per_s": RATE_PER_S, "a_p95_ms": round(quantile(beside["a"], 0.95), 1)}


# ---- take-over ----

def takeover():
    """Two executors with the default times; one is killed with kill -9 while a long job of each of 8 groups runs on both and other
    groups submit. How long until other groups' jobs start at the survivor, and until the killed one's running jobs start again."""
    with own_stack("bench-takeover", executors=2, env={"MILLRACE_KAFKA_SESSION_TIMEOUT": "10s"}) as stack:
        events = Events(stack)
        running = {}
        wait_for(lambda: min(stack[name].partitions() for name in ("executor", "executor-2")) >= 5, 60, "both have partitions", 0.1)
        for n in range(8):
            job = {"creator": "long", "user": f"u{n}", "engine": "shell", "code": "sleep 200"}
            running[stack.rest.submit(job)] = n
        wait_for(lambda: all(j in events.started for j in running), 60, "the long jobs run", 0.05)
        victim = stack["executor-2"]
        runs = {r["_id"]: r["instance"] for r in stack.db["runs"].find({"state": "running"})}
        on_victim = [j for j, instance in runs.items() if f"-{victim.pid}-" in instance]
        killed = time.time() * 1000
        victim.kill()
        waiting = []
        for n in range(48):
            waiting.append(stack.rest.submit({"creator": "other", "user": f"u{n}", "engine": "noop", "code": "noop"}))
        events.wait_ended(waiting, 120)
        others = max(events.started[j] for j in waiting) - killed
        again = None
        if on_victim:
            wait_for(lambda: all(len(events.attempts[j]) > 1 for j in on_victim), 180, "the lost jobs run again", 0.05)
            again = max(events.attempts[j][-1][1] for j in on_victim) - killed
        for job in running:
            stack.rest.cancel(job)
        events.wait_ended(list(running), 60)
        events.stop()
    return {"other_groups_s": round(others / 1000, 1), "lost_jobs_s": again and round(again / 1000, 1),
            "lost_jobs": len(on_victim), "session_timeout_s": 10, "lease_watch_s": 40}


# ---- cancel ----

def cancel():
    """From before the request until SIGTERM is felt by the running job, whose trap makes a file: by itself, since a process of the trap
    may meet the signal that goes to all of the job's."""
    with own_stack("bench-cancel") as stack:
        marks = stack.folder / "marks"
        marks.mkdir()
        delays = []
        for n in range(CANCELS):
            felt = marks / str(n)
            code = f"trap ': > {felt}; exit 143' TERM; echo > {felt}.up; sleep 60 & wait"
            job = stack.rest.submit({"creator": "c", "user": f"u{n % 8}", "engine": "shell", "code": code})
            wait_for((marks / f"{n}.up").exists, 30, "the job runs", 0.002)
            asked = time.time_ns()
            answer = stack.rest.cancel(job)
            assert answer.status_code in (200, 202), answer.text
            wait_for(felt.exists, 30, "the job was signalled", 0.002)
            delays.append((felt.stat().st_mtime_ns - asked) / 1e6)
    return {"p50_ms": round(quantile(delays, 0.5), 1), "p99_ms": round(quantile(delays, 0.99), 1), "count": CANCELS}


# ---- start rate ----

def start_rate(groups, slots):
    """A drain of noop jobs of so many groups, end to end: jobs a second between the first start and the last. With as many
    slots as the fewest groups, as many jobs run at once whatever the number of groups: what is left is what groups cost."""
    with own_stack(f"bench-groups-{groups}", stage_env={"executor": {"MILLRACE_SLOTS": str(slots)}}) as stack:
        events = Events(stack)
        b_alone_or_not(stack, events, "warm")
        stack["executor"].hold()
        jobs = [job for n in range(groups) for job in produce(stack, "g", f"u{n}", DRAIN_JOBS // groups)]
        stack.kafka.flush()
        planned = stack.kafka.reader("jobs.planned")
        found = 0
        while found < len(jobs):
            message = planned.poll(5)
            assert message is not None, f"{found} of {len(jobs)} jobs are planned"
            found += message.key().startswith(b"g/")
        stack["executor"].go_on()
        events.wait_ended(jobs)
        events.stop()
        times = [events.started[j] for j in jobs]
    return round(len(jobs) / ((max(times) - min(times)) / 1000))


def scheduler():
    """The scheduler alone (bench/scheduler_bench.c)."""
    done = subprocess.run([settings.BIN / "scheduler-bench"], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return json.loads(done.stdout)


def measure(say):
    found = {}
    say("scheduler alone: memory at 1,000,000 queued jobs, starts/s")
    found["scheduler"] = scheduler()
    say(f"fairness: A has {QUEUED} jobs queued, B submits {B_JOBS}")
    found["fairness"] = fairness()
    say(f"noisy neighbour: ten tenants, {RATE_PER_S} jobs/s, A has 90 %")
    found["noisy"] = noisy()
    say(f"cancel: {CANCELS} running jobs")
    found["cancel"] = cancel()
    say("take-over after kill -9, default times")
    found["takeover"] = takeover()
    say(f"start rate: {DRAIN_JOBS} jobs of {', '.join(map(str, GROUPS))} groups, with {' and '.join(map(str, SLOTS.values()))} slots")
    for name, slots in SLOTS.items():
        found[name] = {str(groups): start_rate(groups, slots) for groups in GROUPS}
    return found


def by_groups(rates):
    least, most = min(rates.values()), max(rates.values())
    return ", ".join(f"{int(g):,}: {rate:,}" for g, rate in rates.items()) + f" (slowest {100 * least / most:.0f} % of fastest)"


def lines(found):
    f, n, t, c = found["fairness"], found["noisy"], found["takeover"], found["cancel"]
    alone = found["scheduler"]
    rates = {name: by_groups(found[name]) for name in SLOTS}
    lost = f"{t['lost_jobs_s']} s" if t["lost_jobs_s"] else "none ran there"
    return [
        f"{'fairness: B alone / beside A':34} {f['alone_ms']:.0f} ms / {f['beside_ms']:.0f} ms = {f['times']} times (aim: 2)",
        f"{'noisy: start delay p95 of the nine':34} {n['alone_p95_ms']} ms alone, {n['beside_p95_ms']} ms beside A",
        f"{'cancel: request to SIGTERM':34} p50 {c['p50_ms']} ms, p99 {c['p99_ms']} ms (aim: p99 under 200)",
        f"{'kill -9: other groups start again':34} {t['other_groups_s']} s (aim: session timeout + 5 = 15 s)",
        f"{'kill -9: its running jobs':34} {lost} (lease watch 40 s)",
        *(f"{f'starts/s by groups, {slots} slots':34} {rates[name]}" for name, slots in SLOTS.items()),
        f"{'scheduler alone, starts/s by groups':34} {by_groups(alone['starts_per_s'])}",
        f"{'memory of 1,000,000 queued jobs':34} {alone['memory_mb']} MB in {alone['groups']:,} groups (aim: under 64)",
    ]


if __name__ == "__main__":
    print(json.dumps(measure(lambda text: print(f"... {text}", flush=True)), indent=2))
