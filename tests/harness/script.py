"""The step language of case files, and one end of a connection that plays it.

A script is a list of steps; a text is short for `send`. Steps:

  send: TEXT | {text: TEXT, times: N}   write (see `wire_text` for line ends)
  raw: TEXT                             write exactly these characters
  receive: N | TEXT                     read until N bytes, or TEXT, came since the last `receive`
  until: TEXT                           the same, but the script ends here if the peer does
  request: head | whole                 read one request (upstream side)
  responses: N                          read N final responses (client side)
  eof: true                             read until the peer has ended its side
  shutdown: true                        end the own side, go on reading
  close: true / reset: true             end with FIN / with RST
  slow: {bytes: N, times: M}            M reads of N bytes at most each
  signal: NAME / await: NAME            meet the other scripts of the case
  pause: SECONDS                        only to let a proxy's own timer run out
  admin: METHOD PATH                    ask an admin page of the proxy and wait for its answer, 200
  tls: {sni: NAME, …}                   from here on speak TLS, as a client (see `certificates`) or, with
                                        `server: true`, as a server; the script ends if that fails
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.http_message import read_message, read_messages
from harness.wire_text import to_wire

Step = dict[str, Any]
FOREVER = float("inf")
REQUEST_LINE = re.compile(rb"^([A-Za-z]+) \S+ HTTP/\d", re.MULTILINE)


class ScriptError(Exception):
    """A step could not be played: the peer went away, or nothing came in time."""


class Signals:
    """Named meeting points of the scripts of one case, and the way to the proxy's admin pages."""

    def __init__(
        self,
        limit: float,
        ask_admin: Callable[[str, str], tuple[int, str]] | None = None,
        directory: Path = Path(),
    ) -> None:
        self._ask_admin = ask_admin
        self.directory = directory
        self._events: dict[str, threading.Event] = defaultdict(threading.Event)
        self._lock = threading.Lock()
        self._limit = limit

    def set(self, name: str) -> None:
        """Let everyone pass who waits for `name`."""
        with self._lock:
            event = self._events[name]
        event.set()

    def wait(self, name: str) -> None:
        """Wait until somebody sets `name`."""
        with self._lock:
            event = self._events[name]
        if not event.wait(self._limit):
            raise ScriptError(f"nobody signalled {name!r} within {self._limit} s")

    def ask_admin(self, request: str) -> None:
        """Ask a page, `METHOD PATH`; anything but 200 is an error."""
        method, _, path = request.partition(" ")
        status, text = self._ask_admin(path, method) if self._ask_admin else (0, "no proxy to ask")
        if status != 200:
            raise ScriptError(f"{request} was answered {status}: {text}")


class Conversation:
    """One end of a connection: everything read is kept in `received`."""

    def __init__(self, sock: socket.socket, signals: Signals, limit: float) -> None:
        self.sock = sock
        self.signals = signals
        self.received = bytearray()
        self.ended = ""
        self.tls: dict[str, str | None] = {}
        """What a handshake has brought."""
        self.methods: list[str] = []
        self.local_port = 0 if sock.family == socket.AF_UNIX else int(sock.getsockname()[1])
        self._limit = limit
        self._taken = 0
        self._responses = 0
        self._closed = False

    def play(self, steps: list[Step]) -> None:
        """Play the steps in order."""
        for step in steps:
            (kind, argument), *_ = step.items()
            if kind == "tls":
                if not self._start_tls(argument or {}):
                    return
                continue
            if kind == "until":
                if not self._receive(argument):
                    return
                continue
            getattr(self, f"_do_{kind}")(argument)

    def read_some(self, deadline: float | None = None) -> bool:
        """Read once; False when the peer has ended. ScriptError when nothing comes in time."""
        if self.ended or self._closed:
            return False
        left = (deadline or time.monotonic() + self._limit) - time.monotonic()
        if left <= 0:
            raise ScriptError(f"nothing came in time after {len(self.received)} bytes")
        self.sock.settimeout(None if left == FOREVER else left)
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError as error:
            raise ScriptError(f"nothing came in time after {len(self.received)} bytes") from error
        except OSError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "fin"
            return False
        self.received += data
        return True

    def read_ready(self) -> None:
        """Read what is there already, without waiting."""
        while not (self.ended or self._closed):
            self.sock.setblocking(False)
            try:
                data = self.sock.recv(1 << 18)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                self.ended = "reset"
                return
            if data:
                self.received += data
            else:
                self.ended = "fin"

    def hang_up(self) -> None:
        """Close with FIN if the script did not close already."""
        if not self._closed:
            self._closed = True
            self.sock.close()

    def _do_send(self, argument: str | Step) -> None:
        if isinstance(argument, str):
            self._write(to_wire(argument))
        else:
            self._write(to_wire(argument["text"]) * int(argument["times"]))

    def _do_raw(self, text: str) -> None:
        self._write(text.encode("latin-1"))

    def _write(self, data: bytes) -> None:
        self.methods += [m.decode().upper() for m in REQUEST_LINE.findall(data[:65536])]
        self.sock.settimeout(self._limit)
        try:
            self.sock.sendall(data)
        except TimeoutError as error:
            raise ScriptError(f"the peer did not read {len(data)} bytes in time") from error
        except OSError:
            # The peer closed while we wrote: what it said before that is still to be read.
            return

    def _start_tls(self, wanted: Step) -> bool:
        from harness import certificates  # only where it is needed: `cryptography` is

        directory = self.signals.directory
        self.sock.settimeout(self._limit)
        try:
            if wanted.get("server"):
                context = certificates.server_context(wanted, directory)
                self.sock = context.wrap_socket(self.sock, server_side=True)
            else:
                context = certificates.client_context(wanted, directory)
                self.sock = context.wrap_socket(self.sock, server_hostname=wanted.get("sni"))
        except OSError as error:
            self.ended = "handshake"
            self.tls = {"failed": getattr(error, "reason", None) or type(error).__name__}
            return False
        self.tls = {"version": self.sock.version(), "protocol": self.sock.selected_alpn_protocol()}
        return True

    def _do_receive(self, argument: int | str) -> None:
        if not self._receive(argument):
            raise ScriptError(f"the peer ended before {argument!r} came")

    def _receive(self, argument: int | str) -> bool:
        deadline = time.monotonic() + self._limit
        wanted = to_wire(argument) if isinstance(argument, str) else None
        while True:
            if wanted is not None:
                at = self.received.find(wanted, self._taken)
                if at >= 0:
                    self._taken = at + len(wanted)
                    return True
            elif len(self.received) - self._taken >= int(argument):
                self._taken += int(argument)
                return True
            if not self.read_some(deadline):
                return False

    def _do_request(self, argument: str) -> None:
        if not self.read_request(whole=argument == "whole"):
            raise ScriptError("the peer ended before a request came")

    def read_request(self, whole: bool) -> bool:
        """Read one request (its head at least); False when the peer ended before one began."""
        deadline = FOREVER
        while True:
            if len(self.received) > self._taken and deadline == FOREVER:
                deadline = time.monotonic() + self._limit
            message = read_message(bytes(self.received[self._taken :]), 0, None, False)
            if message is not None:
                self._taken += message.end
                return True
            if not whole:
                at = self.received.find(b"\r\n\r\n", self._taken)
                if at >= 0:
                    self._taken = at + 4
                    return True
            if not self.read_some(deadline):
                return False

    def _do_responses(self, count: int) -> None:
        deadline = time.monotonic() + self._limit
        self._responses += count
        while True:
            messages, _ = read_messages(bytes(self.received), self.methods, bool(self.ended))
            finals = [m for m in messages if not m.status.startswith("1") or m.status == "101"]
            if len(finals) >= self._responses or not self.read_some(deadline):
                return

    def _do_eof(self, _: bool) -> None:
        deadline = time.monotonic() + self._limit
        while self.read_some(deadline):
            pass

    def _do_shutdown(self, _: bool) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _do_close(self, _: bool) -> None:
        self.hang_up()

    def _do_reset(self, _: bool) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()

    def _do_signal(self, name: str) -> None:
        self.signals.set(name)

    def _do_await(self, name: str) -> None:
        self.signals.wait(name)

    def _do_admin(self, request: str) -> None:
        self.signals.ask_admin(request)

    def _do_pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _do_slow(self, argument: Step) -> None:
        for _ in range(int(argument["times"])):
            self.sock.settimeout(self._limit)
            data = self.sock.recv(int(argument["bytes"]))
            if not data:
                self.ended = "fin"
                return
            self.received += data


STEPS = {
    "send", "raw", "receive", "until", "request", "responses", "eof", "shutdown", "close", "reset", "slow",
    "signal", "await", "pause", "admin", "tls",
}  # fmt: skip


def steps_of(script: str | list[str | Step]) -> list[Step]:
    """A script of a case file as steps, checked."""
    entries = [script] if isinstance(script, str) else script
    steps: list[Step] = [{"send": entry} if isinstance(entry, str) else entry for entry in entries]
    for step in steps:
        if len(step) != 1 or next(iter(step)) not in STEPS:
            raise ValueError(f"not a step: {step!r}; the steps are {', '.join(sorted(STEPS))}")
    return steps
