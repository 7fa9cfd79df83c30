# SPDX-License-Identifier: Apache-2.0
"""A relay in front of the MongoDB-wire server that can hold back the statements on one collection until it is told to let them through. All
others pass at once: so a test knows that a program waits for this answer, and for no other."""
import threading

from .lossy_mongo import OP_MSG, LossyMongo, statement_of


class HeldMongo(LossyMongo):
    def __init__(self, server_port, collection):
        self.collection = collection
        self.held = 0  # statements that wait now
        self._open = threading.Event()
        self._open.set()
        super().__init__(server_port)

    def hold(self):
        self._open.clear()

    def let_go(self):
        self._open.set()

    def close(self):
        self.let_go()
        super().close()

    def _is_doomed(self, opcode, message):
        found = statement_of(message) if opcode == OP_MSG else None
        if found is not None and next(iter(found[0].values())) == self.collection and not self._open.is_set():
            with self._lock:
                self.held += 1
            self._open.wait()
            with self._lock:
                self.held -= 1
        return False
