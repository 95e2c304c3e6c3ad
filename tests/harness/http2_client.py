"""An HTTP/2 client that says exactly what a test wants, also what no client should say.

Owns: one connection and what came on each of its streams. The wire format is the library's (h2), without
its checks.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

Fields = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What came on a stream."""

    informational: list[list[tuple[str, str]]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None


class Http2Client:
    """A connection by prior knowledge."""

    def __init__(self, address: tuple[str, int], timeout: float = 10.0) -> None:
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.settimeout(timeout)
        self._timeout = timeout
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None
        self.closed = False
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        data = self.h2.data_to_send()
        if data:
            try:
                self.socket.sendall(data)
            except OSError:
                self.closed = True

    def request(self, headers: Fields, body: bytes | None = None, trailers: Fields = ()) -> int:
        """Begin a stream; without a body and trailers it ends at once. An empty body leaves it open."""
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, headers, end_stream=body is None and not trailers)
        if body:
            self.send(stream, body, end_stream=not trailers)
        if trailers:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()
        return stream

    def send(self, stream: int, body: bytes, end_stream: bool) -> None:
        """Send data, as the windows let."""
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self.flush()
                self._receive(time.monotonic() + self._timeout)
                continue
            piece, body = body[:room], body[room:]
            self.h2.send_data(stream, piece, end_stream=end_stream and not body)
        self.flush()

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.flush()
        self.socket.sendall(data)

    def wait(self, *streams: int) -> list[Answer]:
        """Read until these streams, or without any the connection, are over."""
        deadline = time.monotonic() + self._timeout
        over = (lambda: all(self.is_over(stream) for stream in streams)) if streams else (lambda: False)
        while not self.closed and not over():
            self._receive(deadline)
        return [self.answers[stream] for stream in streams]

    def is_over(self, stream: int) -> bool:
        """Whether a stream has ended or was reset."""
        return self.answers[stream].ended or self.answers[stream].reset is not None

    def wait_for_headers(self, stream: int) -> Answer:
        """Read until the response's head is there."""
        deadline = time.monotonic() + self._timeout
        while not self.closed and not self.answers[stream].headers and not self.is_over(stream):
            self._receive(deadline)
        return self.answers[stream]

    def wait_for_body(self, stream: int, count: int) -> None:
        """Read until so many bytes of the response's body are there."""
        deadline = time.monotonic() + self._timeout
        while not self.closed and len(self.answers[stream].body) < count and not self.is_over(stream):
            self._receive(deadline)

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def _receive(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still open: {self.answers}")
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            # The library takes nothing after GOAWAY.
            if self.goaway is None:
                raise
            return
        for event in events:
            self._take(event)
        self.flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
            return
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        match event:
            case h2.events.InformationalResponseReceived():
                answer.informational.append(_text(event.headers))
            case h2.events.ResponseReceived():
                answer.headers = _text(event.headers)
            case h2.events.DataReceived():
                answer.body += event.data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case h2.events.TrailersReceived():
                answer.trailers = _text(event.headers)
            case h2.events.StreamEnded():
                answer.ended = True
            case h2.events.StreamReset():
                answer.reset = int(event.error_code or 0)


def _text(headers: Sequence[tuple[str | bytes, str | bytes]] | None) -> list[tuple[str, str]]:
    text = [
        part if isinstance(part, str) else part.decode("latin-1") for pair in headers or () for part in pair
    ]
    return list(zip(text[::2], text[1::2], strict=True))
