# SPDX-License-Identifier: Apache-2.0
"""The five programs, as processes of one test module: own ports, own topic prefix, own database, own folders; so modules
don't disturb each other. A stage can be killed, stopped, held and started again, on the same port."""
import os
import re
import shutil
import signal
import socket
import subprocess
import uuid

import httpx

from . import settings
from .clients import Cli, Rest, mongo_database
from .kafka import Kafka
from .wait import TooLate, wait_for

NAMES = ["ingest", "converter", "planner", "executor", "collector"]
READY_LIMIT_S = 60
STOP_LIMIT_S = 40
REPORT = re.compile(r"ERROR: (Address|Leak|UndefinedBehavior)Sanitizer|: runtime error: |AddressSanitizer:DEADLYSIGNAL")
NOISE = re.compile(r" event=(assigned|revoked|partition_open|partition_closed) ")
# Kept short where that only makes a test wait: the broker takes no session shorter than 6 s.
BASE_ENV = {"MILLRACE_KAFKA_SESSION_TIMEOUT": "6s"}

_given_ports = set()


def free_port():
    """The next port of our range that nobody listens on; never given twice in a session."""
    for port in range(settings.FIRST_STAGE_PORT, settings.FIRST_STAGE_PORT + 500):
        if port in _given_ports:
            continue
        _given_ports.add(port)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if s.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port")


def processes(fragment):
    """Ids of all processes of this machine with that text in their command line, whatever their environment says."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if fragment.encode() in f.read().replace(b"\0", b" "):
                    found.append(int(pid))
        except OSError:
            continue
    return found


class Stage:
    """One process. `label` is its name in this stack ("executor", "executor-2")."""

    def __init__(self, name, label, env, log):
        self.name = name
        self.label = label
        self.port = free_port()
        self.env = {**env, "MILLRACE_HTTP_PORT": str(self.port)}
        self.log = log
        self.process = None
        self.expected = False  # is it meant to run?

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True):
        assert not self.alive(), f"{self.label} runs already"
        program = settings.BIN / f"millrace-{self.name}"
        assert program.exists(), f"not built: {program} (./run build {settings.PRESET})"
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([program], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True)
        self.expected = True
        if wait:
            self.wait_ready()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def probe(self, path):
        """The status of a health route, or None when nothing answers."""
        try:
            return httpx.get(self.url + path, timeout=5, trust_env=False).status_code
        except httpx.HTTPError:
            return None

    def metrics(self):
        """{name with its labels: value}"""
        text = httpx.get(self.url + "/metrics", timeout=5, trust_env=False).text
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))}

    def partitions(self):
        """How many an executor owns, by its own word; 0 where it does not say yet."""
        return int(self.metrics().get("millrace_executor_partitions", 0))

    def wait_ready(self, limit=READY_LIMIT_S):
        def ready():
            if not self.alive():
                raise RuntimeError(f"{self.label} ended with {self.process.returncode} before it was ready:\n{self.tail()}")
            return self.probe("/readyz") == 200

        wait_for(ready, limit, f"{self.label} is ready", 0.05)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL: a crash."""
        self.expected = False
        self.process.kill()
        self.process.wait(10)

    def hold(self):
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def stop(self, limit=STOP_LIMIT_S):
        """SIGTERM, as an operator; returns the exit code."""
        self.expected = False
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            # SIGABRT, so that a sanitizer build or a core tells where it hangs.
            self.process.kill()
            self.process.wait(10)
            raise TooLate(f"{self.label} did not stop within {limit} s after SIGTERM:\n{self.tail()}") from None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=30):
        """The end of the log, without what every start tells of each partition."""
        told = [x for x in self.text().splitlines() if not NOISE.search(x)]
        return "\n".join(told[-lines:])

    def reports(self):
        """What a sanitizer wrote, a few lines around each report."""
        lines = self.text().splitlines()
        return ["\n".join(lines[i:i + 25]) for i, line in enumerate(lines) if REPORT.search(line)]

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class Stack:
    """Stages that work together. `each` is how many processes of every stage (`executors`: of that one); `env` more settings for all, `stage_env`
    by stage name."""

    def __init__(self, name, each=1, executors=None, env=None, stage_env=None):
        token = uuid.uuid4().hex[:6]
        self.name = name
        self.prefix = f"t{token}-{name}."[:40]
        self.folder = settings.VAR / "flow" / name
        self.logs = settings.VAR / "log" / name
        for folder in (self.folder, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.database = f"t{token}_{re.sub('[^a-z0-9]', '_', name)}"[:50]
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")},
            **BASE_ENV,
            "MILLRACE_VAR": str(settings.VAR),  # ./run ends what carries this, should a test session be killed
            "MILLRACE_KAFKA_BROKERS": settings.BROKERS,
            "MILLRACE_TOPIC_PREFIX": self.prefix,
            "MILLRACE_MONGO_URI": settings.MONGO_URI,
            "MILLRACE_MONGO_DATABASE": self.database,
            "MILLRACE_ENGINES_DIR": str(settings.BUILD / "engines"),
            "MILLRACE_RESULTS_DIR": str(self.folder / "results"),
            **(env or {}),
        }
        (self.folder / "results").mkdir()
        stage_env = stage_env or {}
        self.stages = []
        for name in NAMES:
            for i in range(1, (executors if name == "executor" and executors else each) + 1):
                label = name if i == 1 else f"{name}-{i}"
                # Each executor process has its own state folder: it holds the lock that says it lives.
                state = self.folder / f"state-{label}"
                state.mkdir()
                own = {**self.env, "MILLRACE_STATE_DIR": str(state), **stage_env.get(name, {})}
                self.stages.append(Stage(name, label, own, self.logs / f"{label}.log"))
        self.by_label = {s.label: s for s in self.stages}
        self.env["MILLRACE_URL"] = self["ingest"].url
        self.cli = Cli(self.env, self.folder)
        self.kafka = Kafka(self.prefix)
        self.rest = Rest(self["ingest"].url)
        self.db = mongo_database(self.database)

    def __getitem__(self, label):
        return self.by_label[label]

    def make_topics(self):
        done = self.cli("topics", "create")
        assert done.returncode == 0, f"millrace topics create: {done.stdout}{done.stderr}"

    def start(self, wait=True):
        for s in self.stages:
            if not s.alive():
                s.start(wait=False)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        for s in self.stages:
            s.wait_ready()

    def stop(self):
        """SIGTERM to all at once; returns the exit codes by label."""
        codes = {}
        running = [s for s in self.stages if s.alive()]
        for s in running:
            s.signal(signal.SIGCONT)
            s.signal(signal.SIGTERM)
        for s in running:
            codes[s.label] = s.stop()
        return codes

    def tails(self, lines=30):
        return "\n".join(f"--- {s.log}\n{s.tail(lines)}" for s in self.stages if s.text())

    def leftovers(self):
        """Processes that belong to this stack: by the state folder or the instance in their environment."""
        marks = {f"MILLRACE_STATE_DIR={s.env['MILLRACE_STATE_DIR']}".encode() for s in self.stages}
        marks |= {f"MILLRACE_INSTANCE={d['_id']}".encode() for d in self.db["instances"].find({}, {"_id": 1})}
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    environ = set(f.read().split(b"\0"))
                if environ & marks:
                    with open(f"/proc/{pid}/cmdline", "rb") as f:
                        found.append((int(pid), f.read().replace(b"\0", b" ").decode(errors="replace").strip()))
            except OSError:
                continue
        return found

    def close(self):
        """Ends everything and returns what was wrong: stages that died by themselves, bad exit codes, reports of
        sanitizers, processes left behind."""
        wrong = [f"{s.label} died by itself with {s.process.returncode}:\n{s.tail()}"
                 for s in self.stages if s.expected and not s.alive()]
        self.rest.close()
        self.kafka.close()
        try:
            codes = self.stop()
            wrong += [f"{label} ended with {code} after SIGTERM:\n{self[label].tail()}"
                      for label, code in codes.items() if code != 0]
        except TooLate as e:
            wrong.append(str(e))
        for s in self.stages:
            if s.alive():
                s.kill()
            wrong += [f"sanitizer report of {s.label}:\n{r}" for r in s.reports()]
        try:
            wait_for(lambda: not self.leftovers(), 10, "no process is left")
        except TooLate:
            left = self.leftovers()
            wrong.append(f"processes were left behind: {left}")
            for pid, _ in left:
                os.kill(pid, signal.SIGKILL)
        self.kafka.delete_topics()
        self.db.client.drop_database(self.database)
        self.db.client.close()
        return wrong
