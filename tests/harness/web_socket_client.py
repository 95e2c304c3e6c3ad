"""A WebSocket client over HTTP/1.1 or HTTP/2 that does step by step what a test says.

Owns: the two transports, and the steps. The frames are in `web_socket_frames`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

import wsproto.events as happened
from h2.connection import ConnectionInputs, ConnectionState

from harness.http2_client import Http2Client
from harness.web_socket_frames import DEFLATE, Frame, Frames

TIMEOUT_S = 4.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
Step = tuple[Any, ...]
Fields = list[tuple[str, str]]


@dataclass
class Visit:
    """What came."""

    status: str = ""
    fields: Fields = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    body: str = ""
    """Of an answer that is no upgrade."""
    end: str = ""


class Over(Exception):
    """Nothing more comes; the word says how it ended."""


class Transport1:
    """HTTP/1.1."""

    def __init__(self, address: tuple[str, int], path: str, protocol: str, fields: Fields) -> None:
        self.socket = socket.create_connection(address, timeout=TIMEOUT_S)
        lines = [f"GET {path} HTTP/1.1", "host: h.test", "connection: Upgrade", f"upgrade: {protocol}"]
        lines += ["sec-websocket-version: 13", f"sec-websocket-key: {KEY}"]
        lines += [f"{name}: {value}" for name, value in fields]
        self.head = "\r\n".join([*lines, "", ""]).encode()
        self.rest = b""

    def begin(self, early: bytes) -> None:
        """Sends the head, and more right behind."""
        self.socket.sendall(self.head + early)

    def answer(self, visit: Visit) -> bool:
        """The head of the answer; whether it agrees. If not, all of it."""
        while b"\r\n\r\n" not in self.rest:
            more = self._receive()
            if not more:
                visit.end = "end"
                return False
            self.rest += more
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        visit.status = lines[0].split(" ")[1]
        visit.fields = [
            (name.lower(), value) for name, _, value in (line.partition(": ") for line in lines[1:])
        ]
        if visit.status == "101":
            return True
        length = int(dict(visit.fields).get("content-length", 0))
        while len(self.rest) < length and (more := self._receive()):
            self.rest += more
        visit.body = self.rest.decode("latin-1")
        return False

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """Bytes of the stream; none: it has ended."""
        rest, self.rest = self.rest, b""
        return rest or self._receive()

    def end(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Over("reset") from error


class Transport2:
    """HTTP/2."""

    def __init__(self, address: tuple[str, int], path: str, protocol: str, fields: Fields) -> None:
        self.client = Http2Client(address, timeout=TIMEOUT_S)
        # Streams go on after GOAWAY; the library would take nothing more.
        machine = self.client.h2.state_machine
        goes_on = {
            (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN)
        }
        machine._transitions = {**machine._transitions, **goes_on}  # type: ignore[misc]
        self.head = [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "http"),
            (":authority", "h.test"),
            (":path", path),
            ("sec-websocket-version", "13"),
            *fields,
        ]
        self.read = 0
        self.stream = 0

    def begin(self, early: bytes) -> None:
        self.stream = self.client.request(self.head, b"")
        if early:
            self.client.send(self.stream, early, end_stream=False)

    def answer(self, visit: Visit) -> bool:
        answer = self.client.wait_for_headers(self.stream)
        visit.fields = [pair for pair in answer.headers if pair[0] != ":status"]
        visit.status = dict(answer.headers).get(":status", "")
        if visit.status == "200" and not self.client.is_over(self.stream):
            return True
        self.client.wait(self.stream)
        visit.body = answer.body.decode("latin-1")
        visit.end = self._end()
        return False

    def send(self, data: bytes) -> None:
        if self.client.is_over(self.stream):
            raise Over(self._end())
        self.client.send(self.stream, data, end_stream=False)

    def receive(self) -> bytes:
        self.client.wait_for_body(self.stream, self.read + 1)
        body = self.client.answers[self.stream].body[self.read :]
        self.read += len(body)
        if not body and (end := self._end()) != "end":
            raise Over(end)
        return body

    def _end(self) -> str:
        answer = self.client.answers[self.stream]
        if answer.reset is not None:
            return f"reset {answer.reset}"
        return "end" if answer.ended else "closed"

    def end(self) -> None:
        if not self.client.is_over(self.stream):
            self.client.h2.end_stream(self.stream)
            self.client.flush()

    def reset(self) -> None:
        self.client.h2.reset_stream(self.stream, 8)
        self.client.flush()

    def close(self) -> None:
        self.client.close()


class Client:
    """One visit."""

    def __init__(self, transport: Transport1 | Transport2, deflates: bool) -> None:
        self.transport = transport
        self.frames = Frames(True, deflates)
        self.visit = Visit(frames=self.frames.seen)
        self.closed = False
        """Whether the service has said that it closes."""

    def run(self, early: list[Step], steps: list[Step]) -> Visit:
        """All steps, and then until the end unless one of them was it."""
        with contextlib.closing(self.transport):
            self.transport.begin(b"".join(self.bytes_of(step) for step in early))
            try:
                if self.transport.answer(self.visit) and self._do_all(steps):
                    while data := self.transport.receive():
                        self._take(data)
                    self.visit.end = "end"
            except Over as over:
                self.visit.end = str(over)
            except (BrokenPipeError, ConnectionResetError):
                self.visit.end = "reset"
            except TimeoutError:
                self.visit.end = "still open"
        if self.closed and self.visit.end == "reset":
            # Whether our own close finds the service there is a matter of time.
            self.visit.end = "end"
        return self.visit

    def _do_all(self, steps: list[Step]) -> bool:
        goes_on = True
        for step in steps:
            goes_on = self._do(step)
        return goes_on

    def _do(self, step: Step) -> bool:
        """Whether there is anything left to wait for."""
        match step:
            case ("expect", count):
                while len(self.frames.seen) < count and (data := self.transport.receive()):
                    self._take(data)
            case ("pause", seconds):
                time.sleep(seconds)
            case ("end",):
                self.transport.end()
            case ("reset",):
                self.transport.reset()
                return False
            case ("leave",):
                return False
            case ("bytewise", inner):
                for byte in self.bytes_of(inner):
                    self.transport.send(bytes([byte]))
            case ("together", *inner):
                self.transport.send(b"".join(self.bytes_of(step) for step in inner))
            case _:
                self.transport.send(self.bytes_of(step))
        return True

    def bytes_of(self, step: Step) -> bytes:
        """The bytes of a frame."""
        match step:
            case ("raw", data):
                return bytes(data)
            case ("text", data):
                return self.frames.send(happened.TextMessage(data))
            case ("text", data, finished):
                return self.frames.send(happened.TextMessage(data, message_finished=finished))
            case ("bytes", data):
                return self.frames.send(happened.BytesMessage(data))
            case ("bytes", data, finished):
                return self.frames.send(happened.BytesMessage(data, message_finished=finished))
            case ("ping", data):
                return self.frames.send(happened.Ping(data))
            case ("pong", data):
                return self.frames.send(happened.Pong(data))
            case ("close", code, reason):
                return self.frames.send(happened.CloseConnection(code=code, reason=reason))
        raise ValueError(step)

    def _take(self, data: bytes) -> None:
        for event in self.frames.receive(data):
            if isinstance(event, happened.Ping):
                self.transport.send(self.frames.send(event.response()))
            elif isinstance(event, happened.CloseConnection):
                self.closed = True
                with contextlib.suppress(OSError, Over):
                    if reply := self.frames.send(event.response()):
                        self.transport.send(reply)


def visit(
    http2: bool,
    address: tuple[str, int],
    path: str,
    steps: list[Step],
    *,
    early: list[Step] | None = None,
    protocol: str = "websocket",
    fields: Fields | None = None,
) -> Visit:
    """Opens a WebSocket, does these steps, and tells what came."""
    transport = (Transport2 if http2 else Transport1)(address, path, protocol, fields or [])
    deflates = dict(fields or []).get("sec-websocket-extensions") == DEFLATE
    return Client(transport, deflates).run(early or [], steps)


def unmasked(opcode: int, payload: bytes) -> bytes:
    """A frame as no client may send it."""
    return bytes([0x80 | opcode, len(payload)]) + payload


def masked(opcode: int, payload: bytes) -> bytes:
    """A whole frame of any kind."""
    mask = os.urandom(4)
    body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + body
