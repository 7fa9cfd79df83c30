# SPDX-License-Identifier: Apache-2.0
"""Kafka and the MongoDB-wire server, as ./run starts, stops and kills them. Those that were up before stay up; those that
this session started end with it."""
import os
import socket
import subprocess

from . import settings

DOCKER = os.environ.get("MILLRACE_SERVERS") == "docker"
PORTS = (
    {"kafka": settings.KAFKA_PORT, "mongo": settings.MONGO_PORT}
    if DOCKER
    # In the order of their start: FerretDB needs PostgreSQL.
    else {"postgres": settings.POSTGRES_PORT, "ferretdb": settings.MONGO_PORT, "kafka": settings.KAFKA_PORT}
)
NAMES = list(PORTS)


def run(*words, limit=180):
    """./run with the environment of this session. Its output goes to the failure's text, not to a pipe that its children
    would hold open."""
    log = settings.VAR / "log" / "flow-run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "MILLRACE_VAR": str(settings.VAR), "MILLRACE_PORT_OFFSET": str(settings.OFFSET)}
    env.setdefault("MILLRACE_FSYNC", "off")
    with open(log, "ab") as out:
        done = subprocess.run([settings.ROOT / "run", *words], env=env, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=out, timeout=limit)
    assert done.returncode == 0, f"./run {' '.join(words)} failed: {log.read_text()[-2000:]}"


def listens(port):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Servers:
    def __init__(self):
        self.started = []

    def ensure(self):
        """All up; remembers which were not."""
        for name in NAMES:
            if not listens(PORTS[name]):
                self.start(name)
                self.started.append(name)

    def start(self, name):
        run("server", "start", name)

    def stop(self, name):
        run("server", "stop", name)

    def kill(self, name):
        """SIGKILL, as a crash."""
        run("server", "kill", name)

    def end(self):
        for name in reversed(self.started):
            self.stop(name)
        self.started = []
