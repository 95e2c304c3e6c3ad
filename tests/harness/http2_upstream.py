"""An HTTP/2 upstream that keeps what came and answers as it is told, also as no server should.

Owns: its listener, one thread a connection, and what was asked of it. The wire format is the library's (h2),
without its checks.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

Fields = Sequence[tuple[str, str]]


@dataclass
class Asked:
    """What came on a stream."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None


class Http2Upstream:
    """Listens until it is closed; `answer` gets each whole request, or if `eager` each that began.

    If it `echoes`, data and its end go back as they came.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self.listener.getsockname()[1])
        self.answer: Answering = ok
        self.eager = False
        self.echoes = False
        self.settings: dict[int, int] = {}
        self.seen: list[Asked] = []
        self.connections = 0
        self.pings = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections. Those there are end with their proxies."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            threading.Thread(target=UpstreamSide(self, connection).serve, daemon=True).start()


class UpstreamSide:
    """One connection, as the upstream has it."""

    def __init__(self, upstream: Http2Upstream, connection: socket.socket) -> None:
        self.upstream = upstream
        self.socket = connection
        config = h2.config.H2Configuration(
            client_side=False,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.streams: dict[int, Asked] = {}
        self.waiting: list[int] = []
        """Streams whose answers are held back."""
        self.bodies: dict[int, bytes] = {}
        """What is to be sent as the windows open."""
        self.over = False

    def serve(self) -> None:
        """Until the other side, or what answers, ends it."""
        if self.upstream.settings:
            # What is only updated is not sent before the other side has acknowledged it.
            self.h2.local_settings = h2.settings.Settings(
                client=False, initial_values={**self.h2.local_settings, **self.upstream.settings}
            )
        self.h2.initiate_connection()
        with self.socket:
            try:
                self.flush()
                while not self.over:
                    data = self.socket.recv(65536)
                    if not data:
                        return
                    for event in self.h2.receive_data(data):
                        self._take(event)
                    self.flush()
            except (OSError, h2.exceptions.ProtocolError):
                return

    def flush(self) -> None:
        """Send what waits."""
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.flush()
        self.socket.sendall(data)

    def send_bodies(self) -> None:
        """Send of the bodies what the windows let."""
        for stream, body in list(self.bodies.items()):
            while body and (room := self.h2.local_flow_control_window(stream)) > 0:
                size = min(room, self.h2.max_outbound_frame_size)
                self.h2.send_data(stream, body[:size], end_stream=len(body) <= size)
                body = body[size:]
            self.bodies[stream] = body

    def _take(self, event: h2.events.Event) -> None:
        stream = getattr(event, "stream_id", 0) or 0
        match event:
            case h2.events.RequestReceived():
                asked = self.streams[stream] = Asked(_text(event.headers))
                self.upstream.seen.append(asked)
                if self.upstream.eager:
                    self.upstream.answer(self, stream)
            case h2.events.DataReceived():
                self.streams[stream].body += event.data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                if self.upstream.echoes:
                    self.h2.send_data(stream, event.data or b"")
            case h2.events.TrailersReceived():
                self.streams[stream].trailers = _text(event.headers)
            case h2.events.StreamEnded():
                self.streams[stream].ended = True
                if self.upstream.echoes:
                    self.h2.end_stream(stream)
                if not self.upstream.eager:
                    self.upstream.answer(self, stream)
            case h2.events.PingReceived():
                self.upstream.pings += 1
            case h2.events.WindowUpdated() if self.bodies:
                self.send_bodies()
            case h2.events.StreamReset() if stream in self.streams:
                self.bodies.pop(stream, None)
                self.streams[stream].reset = int(event.error_code or 0)


Answering = Callable[[UpstreamSide, int], None]


def ok(side: UpstreamSide, stream: int) -> None:
    """A small response."""
    side.h2.send_headers(stream, [(":status", "200"), ("content-length", "2")])
    side.h2.send_data(stream, b"ok", end_stream=True)


def _text(headers: Sequence[tuple[str | bytes, str | bytes]] | None) -> list[tuple[str, str]]:
    text = [
        part if isinstance(part, str) else part.decode("latin-1") for pair in headers or () for part in pair
    ]
    return list(zip(text[::2], text[1::2], strict=True))
