"""Scripted, recording upstream servers on raw sockets, one thread a connection.

Owns: accepting, playing a case's script to every connection and keeping the exact bytes that came.
A reply is played for each request read on a connection; a script that begins with `accept` is played
once, as soon as a connection is accepted (for protocols other than HTTP). A server named
`NAME.sock` listens on a Unix socket.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.script import FOREVER, Conversation, ScriptError, Signals, Step, steps_of

DEFAULT_REPLY = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Replies:
    """What a server does: the n-th request of a case gets the n-th script, then the last again."""

    scripts: list[list[Step]] = field(default_factory=lambda: [steps_of(DEFAULT_REPLY)])
    on_accept: bool = False
    whole_request: bool = True

    @classmethod
    def load(cls, value: Any) -> Replies:
        """From a case file: a text, a list of steps, or `{replies: [script, …]}`."""
        if value is None:
            return cls()
        if isinstance(value, dict):
            return cls([steps_of(script) for script in value["replies"]])
        steps = [value] if isinstance(value, str) else list(value)
        if steps and steps[0] == "accept":
            return cls([steps_of(steps[1:])], on_accept=True)
        whole = not (steps and steps[0] == "head")
        return cls([steps_of(steps if whole else steps[1:])], whole_request=whole)


class Upstream:
    """One listening server; `begin` and `end` bracket a case."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.path = directory / name if name.endswith(".sock") else None
        if self.path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
            self.port = 0
        else:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
            self.port = int(self._listener.getsockname()[1])
        self._listener.listen(256)
        self._lock = threading.Lock()
        self._open: list[Conversation] = []
        self._recorded: list[Conversation] = []
        self._replies = Replies()
        self._signals = Signals(1)
        self._limit = 5.0
        self._requests = 0
        self.errors: list[str] = []
        threading.Thread(target=self._accept, daemon=True, name=f"upstream {name}").start()

    def begin(self, replies: Replies, signals: Signals, limit: float) -> None:
        """Forget what was recorded and play `replies` from now on."""
        with self._lock:
            self._replies, self._signals, self._limit = replies, signals, limit
            self._recorded, self._requests, self.errors = [], 0, []

    def hang_up(self) -> None:
        """End every connection that is still open."""
        with self._lock:
            conversations = list(self._open)
        for conversation in conversations:
            try:
                conversation.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def recorded(self) -> list[bytes]:
        """The bytes that came, a connection each, in the order of accepting."""
        with self._lock:
            return [bytes(c.received) for c in self._recorded]

    def close(self) -> None:
        """Stop listening and end all connections."""
        self._listener.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if sock.family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                conversation = Conversation(sock, self._signals, self._limit)
                self._recorded.append(conversation)
                self._open.append(conversation)
                replies = self._replies
            threading.Thread(target=self._serve, args=(conversation, replies), daemon=True).start()

    def _serve(self, conversation: Conversation, replies: Replies) -> None:
        try:
            if replies.on_accept:
                conversation.play(replies.scripts[0])
            else:
                while conversation.read_request(replies.whole_request):
                    with self._lock:
                        number = min(self._requests, len(replies.scripts) - 1)
                        self._requests += 1
                    conversation.play(replies.scripts[number])
            while conversation.read_some(FOREVER):
                pass
        except (ScriptError, OSError) as error:
            self.errors.append(f"upstream {self.name}: {error}")
        finally:
            conversation.hang_up()
            with self._lock:
                self._open.remove(conversation)


class Refusing:
    """A port that is taken but does not listen: every connection attempt is refused."""

    def __init__(self) -> None:
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self.port = int(self._sock.getsockname()[1])

    def close(self) -> None:
        """Give the port back."""
        self._sock.close()


class Silent:
    """A port whose accept queue is full: connection attempts get no answer at all."""

    def __init__(self) -> None:
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen(0)
        self.port = int(self._sock.getsockname()[1])
        self._fillers: list[socket.socket] = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def close(self) -> None:
        """Give the port back."""
        for sock in (*self._fillers, self._sock):
            sock.close()
