# SPDX-License-Identifier: Apache-2.0
"""A relay in front of the MongoDB-wire server that loses answers: the first time that a statement is seen it is done, but the client
gets no answer (the connection is closed) or an internal error, as from a server whose own database went away. Its repeat is answered.
Keeps the statements for those who want to explain them."""
import socket
import struct
import threading

import bson

OP_MSG = 2013
HEADER = struct.Struct("<iiii")  # length, request id, in response to, opcode
# What is never lost, for nothing would be learnt from it.
SPARED = {"hello", "isMaster", "ismaster", "ping", "endSessions", "createIndexes", "getMore"}

# A closed connection costs the client half a second: the driver looks at the server no more often. Most get an error.
CLOSE_EVERY = 10
ERROR = bson.encode({"ok": 0.0, "code": 1, "codeName": "InternalError", "errmsg": "the answer was lost"})


def read_exactly(sock, size):
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 20))
        if not part:
            raise ConnectionError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_message(sock):
    """(request id, in response to, opcode, all of it)."""
    head = read_exactly(sock, HEADER.size)
    length, request, response_to, opcode = HEADER.unpack(head)
    return request, response_to, opcode, head + read_exactly(sock, length - HEADER.size)


def statement_of(message):
    """The command without what differs in a repeat, and the documents that follow it. None: it is no command."""
    if message[HEADER.size + 4] != 0:
        return None
    start = HEADER.size + 5
    size = struct.unpack_from("<i", message, start)[0]
    command = bson.decode(message[start:start + size])
    for name in ("lsid", "$clusterTime"):
        command.pop(name, None)
    return command, message[start + size:]


class LossyMongo:
    def __init__(self, server_port):
        self.server_port = server_port
        self.commands = []  # (name, command), each once
        self.lost = 0
        self._seen = set()
        self._lock = threading.Lock()
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with self._lock:
            for s in [self._listener, *self._sockets]:
                self._shut(s)

    @staticmethod
    def _shut(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                return
            with self._lock:
                self._sockets += [client, server]
            doomed = set()
            threading.Thread(target=self._forward, args=(client, server, doomed), daemon=True).start()
            threading.Thread(target=self._return, args=(server, client, doomed), daemon=True).start()

    def _is_new(self, message):
        found = statement_of(message)
        if found is None:
            return False
        command, rest = found
        name = next(iter(command))
        if name in SPARED:
            return False
        key = (bson.encode(command), rest)
        with self._lock:
            if key in self._seen:
                return False
            self._seen.add(key)
            self.commands.append((name, command))
            return True

    def _is_doomed(self, opcode, message):
        """Called before a statement goes on: will its answer be lost?"""
        return opcode == OP_MSG and self._is_new(message)

    def _forward(self, client, server, doomed):
        try:
            while True:
                request, _, opcode, message = read_message(client)
                if self._is_doomed(opcode, message):
                    doomed.add(request)
                server.sendall(message)
        except OSError:
            pass
        self._shut(server)
        self._shut(client)

    def _return(self, server, client, doomed):
        try:
            while True:
                _, response_to, _, message = read_message(server)
                if response_to in doomed:
                    with self._lock:
                        self.lost += 1
                        close = self.lost % CLOSE_EVERY == 0
                    if close:
                        break
                    message = HEADER.pack(HEADER.size + 5 + len(ERROR), 0, response_to, OP_MSG) + bytes(5) + ERROR
                client.sendall(message)
        except OSError:
            pass
        self._shut(client)
        self._shut(server)
