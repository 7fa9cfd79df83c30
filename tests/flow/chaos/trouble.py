# SPDX-License-Identifier: Apache-2.0
"""Trouble: does the schedule's steps to the real processes, and starts again what has ended, as a supervisor would.

An executor may end by itself where that is its duty (its lease could not be renewed, its guard is gone); any other process
that ends without being told is a failure, and so is a bad exit code after SIGTERM while the servers are there."""
import collections
import os
import re
import signal
import subprocess
import threading
import time

LOOK_EVERY_S = 0.2
GUARD_LIMIT_S = 20
READY_S = 15  # how long a rolling restart waits for one process before it goes on to the next
DUTY = {"lease_over", "guard_lost"}
# A drain that finds the servers away, and one whose lease ends meanwhile.
DUTY_AFTER_TERM = DUTY | {"drain_incomplete"}
FATAL = re.compile(r"level=fatal stage=\S+ event=(\S+)")

Fault = collections.namedtuple("Fault", "at_ms kind label pid")


def children(pid):
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/stat") as f:
                if int(f.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(other))
        except OSError:
            continue
    return found


class Trouble:
    def __init__(self, stack, servers, steps):
        self.stack = stack
        self.servers = servers
        self.steps = steps
        self.locks = {s.label: threading.Lock() for s in stack.stages}
        self.read = dict.fromkeys(self.locks, 0)  # how far a log was looked at for fatal ends
        self.faults = []
        self.history = []  # what was done, with the time
        self.ended = collections.Counter()  # by themselves: "label reason"
        self.failures = []
        self.over = threading.Event()  # no more steps
        self.watched = threading.Event()  # no more supervision
        self.hands = []

    # ---- running it ----

    def start(self):
        self.began = time.monotonic()
        for hand in sorted({s.hand for s in self.steps}):
            steps = [s for s in self.steps if s.hand == hand]
            self.hands.append(threading.Thread(target=self.guarded, args=(self.work, steps), daemon=True))
        self.supervisor = threading.Thread(target=self.guarded, args=(self.supervise,), daemon=True)
        for t in [*self.hands, self.supervisor]:
            t.start()

    def guarded(self, function, *args):
        try:
            function(*args)
        except Exception as e:  # told in the test's own thread
            self.failures.append(f"{function.__name__}: {e!r}")

    def join(self, limit):
        """All steps are done; everything runs, or is about to."""
        end = time.monotonic() + limit
        for t in self.hands:
            t.join(max(0, end - time.monotonic()))
            assert not t.is_alive(), f"the steps were not done in {limit} s; the last one: {self.history[-1:]}"

    def stop(self):
        self.over.set()
        for t in self.hands:
            t.join(120)
        self.watched.set()
        self.supervisor.join(30)

    def work(self, steps):
        for step in steps:
            if self.over.wait(max(0, self.began + step.at - time.monotonic())):
                return
            if step.at + 30 < time.monotonic() - self.began:
                self.say(step, "left out: the hand is late")
                continue
            self.say(step, "")
            getattr(self, step.action)(step)

    def say(self, step, note):
        self.history.append(f"{time.monotonic() - self.began:7.1f} s  {step.action} {step.target} {step.seconds} {note}")

    def fault(self, kind, label, pid=0):
        self.faults.append(Fault(int(time.time() * 1000), kind, label, pid))

    # ---- one process ----

    def fatal_of(self, stage):
        """The event with which it ended by itself, or None."""
        text = stage.text()
        found = FATAL.findall(text[self.read[stage.label]:])
        self.read[stage.label] = len(text)
        return found[-1] if found else None

    def start_again(self, stage):
        if not stage.alive():
            self.read[stage.label] = len(stage.text())
            stage.start(wait=False)

    def too_young(self, stage, code):
        """SIGTERM came before the program had begun to listen to it."""
        return code == -signal.SIGTERM and f" pid={stage.pid}" not in stage.text()[self.read[stage.label]:]

    def ended_by_itself(self, stage, allowed):
        reason = self.fatal_of(stage)
        self.ended[f"{stage.name} {reason}"] += 1
        if stage.name != "executor" or reason not in allowed:
            self.failures.append(f"{stage.label} ended by itself with {stage.process.returncode}, {reason}:\n{stage.tail()}")

    def supervise(self):
        while not self.watched.wait(LOOK_EVERY_S):
            for stage in self.stack.stages:
                if not self.locks[stage.label].acquire(blocking=False):
                    continue
                try:
                    if stage.expected and not stage.alive():
                        self.ended_by_itself(stage, DUTY)
                        self.start_again(stage)
                finally:
                    self.locks[stage.label].release()

    def pause(self, seconds):
        self.over.wait(seconds)

    # ---- the actions: one method each ----

    def kill(self, step):
        stage = self.stack[step.target]
        with self.locks[stage.label]:
            if not stage.alive():
                return
            self.fault("kill", stage.label, stage.pid)
            stage.kill()
            self.pause(step.seconds)
            self.start_again(stage)

    def kill_all(self, step):
        """All processes of one stage at once."""
        stages = [s for s in self.stack.stages if s.name == step.target]
        for stage in stages:
            self.locks[stage.label].acquire()
        try:
            for stage in stages:
                if stage.alive():
                    self.fault("kill", stage.label, stage.pid)
                    stage.kill()
            self.pause(step.seconds)
            for stage in stages:
                self.start_again(stage)
        finally:
            for stage in stages:
                self.locks[stage.label].release()

    def kill_guard(self, step, with_executor=False):
        stage = self.stack[step.target]
        with self.locks[stage.label]:
            guards = children(stage.pid) if stage.alive() else []
            if not guards:
                return
            self.fault("guard", stage.label, stage.pid)
            stage.expected = False
            for pid in guards:
                os.kill(pid, signal.SIGKILL)
            if with_executor:
                stage.kill()
            try:
                stage.process.wait(GUARD_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.lives_without_guard(stage)
            if not with_executor and stage.process.returncode != -signal.SIGKILL:
                self.ended_by_itself(stage, DUTY)
            self.pause(step.seconds)
            self.start_again(stage)

    def lives_without_guard(self, stage):
        """One that waits for a server at its start has nothing to guard yet, and notices it only afterwards."""
        if stage.probe("/readyz") == 200:
            self.failures.append(f"{stage.label} lives on without its guard:\n{stage.tail()}")
        stage.kill()

    def kill_with_guard(self, step):
        self.kill_guard(step, with_executor=True)

    def freeze(self, step):
        stage = self.stack[step.target]
        with self.locks[stage.label]:
            if not stage.alive():
                return
            self.fault("freeze", stage.label, stage.pid)
            stage.hold()
            try:
                self.pause(step.seconds)
            finally:
                stage.go_on()

    def roll(self, step):
        """As an operator restarts a stage: SIGTERM, start, the next one when it is ready."""
        for stage in [s for s in self.stack.stages if s.name == step.target]:
            with self.locks[stage.label]:
                if stage.alive():
                    self.fault("stop", stage.label, stage.pid)
                    code = stage.stop(60)
                    if code != 0 and not self.too_young(stage, code):
                        self.ended_by_itself(stage, DUTY_AFTER_TERM)
                self.start_again(stage)
            end = time.monotonic() + READY_S
            while stage.probe("/readyz") != 200 and time.monotonic() < end and not self.over.wait(LOOK_EVERY_S):
                pass

    def kill_server(self, step):
        self.fault("kill", step.target)
        self.servers.kill(step.target)
        self.pause(step.seconds)
        self.servers.start(step.target)

    def restart_server(self, step):
        self.fault("stop", step.target)
        self.servers.stop(step.target)
        self.servers.start(step.target)
