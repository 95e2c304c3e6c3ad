"""A WebSocket service over HTTP/1.1 or HTTP/2 that behaves as the path says.

Owns: its listeners, a thread a connection, and what came. Follows RFC 6455 and RFC 8441.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import wsproto.events as happened

from harness.web_socket_frames import DEFLATE, Frame, Frames

Fields = list[tuple[str, str]]
_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LATE_S = 0.15


@dataclass
class Visit:
    """What came on one stream."""

    fields: Fields = field(default_factory=list)
    early: bool = False
    """Whether something came before it was answered, where the service waits before it does."""
    frames: list[Frame] = field(default_factory=list)
    end: str = ""
    rest: bytes = b""
    """What followed where there are no frames."""


class Peer:
    """The service's end of a stream; `wire` carries it."""

    def __init__(self, wire: Wire, path: str, visit: Visit, deflates: bool) -> None:
        self.wire, self.visit = wire, visit
        self.does, _, self.how = path.strip("/").partition("/")
        self.frames = Frames(False, deflates)
        visit.frames = self.frames.seen

    def first_words(self) -> bytes:
        """What goes right behind the answer."""
        match self.does:
            case "greets":
                return self.frames.send(happened.TextMessage("welcome"))
            case "pings":
                return self.frames.send(happened.Ping(b"are you there?"))
        return b""

    def data(self, data: bytes) -> None:
        """Bytes of the client."""
        for event in self.frames.receive(data):
            self._react(event)

    def _react(self, event: happened.Event) -> None:
        match event:
            case happened.Ping():
                self.wire.send(self.frames.send(event.response()))
            case happened.CloseConnection():
                reply = event if self.frames.seen[-1:] and self.frames.seen[-1][0] == "malformed" else None
                self.wire.send(self.frames.send(reply or event.response()))
                self.wire.end()
            case happened.Message() | happened.Pong():
                self._answer(event)

    def _answer(self, event: happened.Event) -> None:
        match self.does:
            case "closes":
                code = int(self.how) if self.how else None
                close = happened.CloseConnection(code=code) if code else happened.CloseConnection(code=1005)
                self.wire.send(self.frames.send(close))
            case "drops":
                self.wire.drop(resets=False)
            case "resets":
                self.wire.drop(resets=True)
            case "ends":
                self.wire.send(self.frames.send(happened.TextMessage("last words")))
                self.wire.end()
            case "listens" | "pings":
                pass
            case "large":
                self.wire.send(self.frames.send(happened.BytesMessage(b"x" * int(self.how))))
            case _ if isinstance(event, happened.Message):
                self.wire.send(self.frames.send(event))

    def ended(self, how: str) -> None:
        """The client says no more."""
        self.visit.end = how
        if how == "end":
            if self.does == "listens":
                self.wire.send(self.frames.send(happened.TextMessage("last words")))
            self.wire.end()


class Wire:
    """What carries one stream."""

    def send(self, data: bytes) -> None:
        """Bytes to the client."""

    def end(self) -> None:
        """No more bytes."""

    def drop(self, resets: bool) -> None:
        """The end, without the word."""


class Service:
    """Listens for one version of HTTP until it is closed."""

    def __init__(self, http2: bool) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address: tuple[str, int] = self.listener.getsockname()
        self.visits: list[Visit] = []
        serve = _serve2 if http2 else _serve1
        threading.Thread(target=self._accept, args=(serve,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self, serve) -> None:  # type: ignore[no-untyped-def]
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._contain, args=(serve, connection), daemon=True).start()

    def _contain(self, serve, connection: socket.socket) -> None:  # type: ignore[no-untyped-def]
        with connection, contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            serve(self, connection)


class _Wire1(Wire):
    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.over = False

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def drop(self, resets: bool) -> None:
        if resets:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True


def accept_key(key: str) -> str:
    """The answer to `sec-websocket-key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _SALT).digest()).decode()


def agreed(fields: Fields) -> Fields:
    """The fields that a service agrees with."""
    asked = dict(fields)
    answer = []
    if key := asked.get("sec-websocket-key"):
        answer.append(("sec-websocket-accept", accept_key(key)))
    if protocols := asked.get("sec-websocket-protocol"):
        answer.append(("sec-websocket-protocol", protocols.split(",")[0]))
    if asked.get("sec-websocket-extensions", "").startswith(DEFLATE):
        answer.append(("sec-websocket-extensions", DEFLATE))
    return answer


def _serve1(service: Service, connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, data = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    path = lines[0].split(" ")[1]
    fields = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines[1:])]
    visit = Visit([(":line", lines[0]), *fields])
    service.visits.append(visit)
    answer = _refusal(path)
    if answer is not None:
        text = "".join(f"{name}: {value}\r\n" for name, value in answer[1])
        connection.sendall(f"HTTP/1.1 {answer[0]} Says\r\n{text}\r\n{answer[2]}".encode())
        visit.rest = data
        while more := connection.recv(65536):
            visit.rest += more
        return None
    if path.startswith("/late"):
        data += _wait(connection)
        visit.early = bool(data)
    peer = Peer(wire := _Wire1(connection), path, visit, _deflates(fields))
    text = "".join(f"{name}: {value}\r\n" for name, value in agreed(fields))
    protocol = dict(fields).get("upgrade", "websocket")
    start = f"HTTP/1.1 101 Switching Protocols\r\nupgrade: {protocol}\r\nconnection: upgrade\r\n{text}\r\n"
    connection.sendall(start.encode() + peer.first_words())
    if data:
        peer.data(data)
    try:
        while not wire.over and (more := connection.recv(65536)):
            peer.data(more)
    except ConnectionResetError:
        return peer.ended("reset")
    return None if wire.over else peer.ended("end")


def _wait(connection: socket.socket) -> bytes:
    """What comes within a moment."""
    deadline, data = time.monotonic() + LATE_S, b""
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        with contextlib.suppress(TimeoutError):
            data += connection.recv(65536)
    connection.settimeout(None)
    return data


def _refusal(path: str) -> tuple[int, Fields, str] | None:
    """The answer of a service that does not agree."""
    if not path.startswith("/says/"):
        return None
    status = int(path.removeprefix("/says/"))
    more = {302: [("location", "/elsewhere")], 401: [("www-authenticate", "Basic")]}.get(status, [])
    body = "" if status == 204 else "no."
    return status, [*more, *([("content-length", str(len(body)))] if body else [])], body


def _deflates(fields: Fields) -> bool:
    return dict(fields).get("sec-websocket-extensions", "").startswith(DEFLATE)


class _Connection2:
    """One connection of HTTP/2; its streams are one after another's, or side by side."""

    def __init__(self, service: Service, connection: socket.socket) -> None:
        self.service, self.socket = service, connection
        config = h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8", validate_inbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(
            client=False, initial_values={**self.h2.local_settings, 8: 1}
        )
        self.peers: dict[int, Peer] = {}
        self.wires: dict[int, _Wire2] = {}
        self.visits: dict[int, Visit] = {}
        self.over = False

    def serve(self) -> None:
        self.h2.initiate_connection()
        self.flush()
        while not self.over and (data := self.socket.recv(65536)):
            self.take(data)
        if not self.over:
            for peer in self.peers.values():
                peer.visit.end = peer.visit.end or "closed"

    def flush(self) -> None:
        for wire in self.wires.values():
            wire.send_waiting()
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def take(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            stream = getattr(event, "stream_id", 0) or 0
            match event:
                case h2.events.RequestReceived():
                    fields = [(str(name), str(value)) for name, value in event.headers or ()]
                    self.visits[stream] = Visit(fields)
                    self.service.visits.append(self.visits[stream])
                    self._answer(stream, fields)
                case h2.events.DataReceived():
                    self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                    if stream in self.peers:
                        self.peers[stream].data(event.data or b"")
                    else:
                        self.visits[stream].rest += event.data or b""
                case h2.events.StreamEnded() if stream in self.peers:
                    self.peers[stream].ended("end")
                case h2.events.StreamReset() if stream in self.visits:
                    self.visits[stream].end = f"reset {int(event.error_code or 0)}"
                    self.wires.pop(stream, None)
        self.flush()

    def _answer(self, stream: int, fields: Fields) -> None:
        path, visit = dict(fields).get(":path", ""), self.visits[stream]
        refusal = _refusal(path)
        if refusal is not None:
            status, more, body = refusal
            self.h2.send_headers(stream, [(":status", str(status)), *more], end_stream=not body)
            if body:
                self.h2.send_data(stream, body.encode(), end_stream=True)
            return
        if path.startswith("/late"):
            self.flush()
            if data := _wait(self.socket):
                self.take(data)
            visit.early = bool(visit.rest)
        self.h2.send_headers(stream, [(":status", "200"), *agreed(fields)])
        wire = self.wires[stream] = _Wire2(self, stream)
        peer = self.peers[stream] = Peer(wire, path, visit, _deflates(fields))
        wire.send(peer.first_words())
        if visit.rest:
            early, visit.rest = visit.rest, b""
            peer.data(early)


class _Wire2(Wire):
    def __init__(self, connection: _Connection2, stream: int) -> None:
        self.connection, self.stream = connection, stream
        self.waiting = b""
        self.ends, self.ended = False, False

    def send(self, data: bytes) -> None:
        self.waiting += data

    def end(self) -> None:
        self.ends = True

    def drop(self, resets: bool) -> None:
        if resets:
            self.connection.h2.reset_stream(self.stream, h2.errors.ErrorCodes.CANCEL)
            self.connection.wires.pop(self.stream, None)
        else:
            self.connection.over = True

    def send_waiting(self) -> None:
        wire = self.connection.h2
        if self.ended:
            return
        while self.waiting and (room := wire.local_flow_control_window(self.stream)) > 0:
            size = min(room, wire.max_outbound_frame_size)
            wire.send_data(self.stream, self.waiting[:size])
            self.waiting = self.waiting[size:]
        if self.ends and not self.waiting:
            wire.end_stream(self.stream)
            self.ended = True


def _serve2(service: Service, connection: socket.socket) -> None:
    _Connection2(service, connection).serve()
