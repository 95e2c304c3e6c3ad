"""A connection that says any frames, and knows what came back.

Owns: writing and reading frames (RFC 9113 4.1), and the preface (3.4). It checks nothing that it sends.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(5, 10)
ENHANCE_YOUR_CALM = 11

Fields = Iterable[tuple[str | bytes, str | bytes]]
GET = ((":method", "GET"), (":scheme", "http"), (":authority", "h.test"), (":path", "/"))
POST = ((":method", "POST"), *GET[1:])


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, whatever is in it."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(fields: Fields) -> bytes:
    """A header block that leaves the dynamic table alone."""
    return bytes(hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*pair) for pair in fields]))


def request(stream: int = 1, fields: Fields = GET, flags: int = END_STREAM | END_HEADERS) -> bytes:
    """A HEADERS frame."""
    return frame(HEADERS, flags, stream, block(fields))


def number(value: int, length: int = 4) -> bytes:
    """An integer in network order."""
    return value.to_bytes(length, "big")


def setting(identifier: int, value: int) -> bytes:
    """One entry of SETTINGS."""
    return number(identifier, 2) + number(value)


@dataclass(frozen=True)
class Frame:
    """A frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[:4] if self.kind == RST_STREAM else self.payload[4:8], "big")


class Connection:
    """A client; without `preface` it has said nothing yet."""

    def __init__(self, port: int, tls: bool, preface: bytes = PREFACE + frame(SETTINGS, 0, 0)) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self._socket = context.wrap_socket(self._socket)
        self._received = b""
        self.send(preface)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send; that the other side has hung up shows when reading."""
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def next(self) -> Frame | None:
        """The next frame, or None once the other side has hung up. Raises TimeoutError."""
        while (head := self._whole()) is None:
            try:
                data = self._socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return None
            if not data:
                return None
            self._received += data
        return head

    def _whole(self) -> Frame | None:
        data = self._received
        length = int.from_bytes(data[:3], "big")
        if len(data) < 9 or len(data) < 9 + length:
            return None
        self._received = data[9 + length :]
        return Frame(data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + length])
