"""A WebSocket echo service on HTTP/1.1 and its client on either version, for the demo: short texts, whole.

Owns both ends. Follows RFC 6455 and RFC 8441, of which it knows what the demo needs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import threading
from typing import BinaryIO, Protocol

_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _FINAL, _MASKED = 1, 8, 0x80, 0x80
_LONGEST = 125


class WebSocketService:
    """Sends every message back. Listens on a port that the kernel gives until it is closed."""

    def __init__(self) -> None:
        """Begins to listen."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError):
            fields = _fields(reader)
            accept = _accept_key(fields.get("sec-websocket-key", ""))
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                + f"sec-websocket-accept: {accept}\r\n\r\n".encode()
            )
            while (message := _receive(reader)) is not None:
                connection.sendall(bytes([_FINAL | _TEXT, len(message)]) + message)


def echo(address: tuple[str, int], path: str, messages: list[str], context: ssl.SSLContext | None) -> str:
    """Sends each message and waits for it to come back; why that is not so, or "". Raises OSError."""
    key = base64.b64encode(os.urandom(16)).decode()
    with contextlib.ExitStack() as open_things:
        connection = open_things.enter_context(socket.create_connection(address, 10))
        if context:
            connection = open_things.enter_context(context.wrap_socket(connection))
        reader = open_things.enter_context(connection.makefile("rb"))
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nhost: {address[0]}:{address[1]}\r\nupgrade: websocket\r\n"
            f"connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n".encode()
        )
        fields = _fields(reader)
        if fields[""].split()[1:2] != ["101"] or fields.get("sec-websocket-accept") != _accept_key(key):
            return f"the handshake was answered {fields['']!r}"
        return _talk(connection, reader, messages)


def echo_over_http2(
    address: tuple[str, int], path: str, messages: list[str], context: ssl.SSLContext | None
) -> str:
    """The same on a stream of HTTP/2. Raises OSError."""
    from ferryman.demo.http2_connection import Http2Connection

    with contextlib.closing(Http2Connection(address, context)) as connection:
        status, tunnel = connection.switch("websocket", path)
        return _talk(tunnel, tunnel, messages) if status == 200 else f"the handshake was answered {status}"


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Writer(Protocol):
    def sendall(self, data: bytes, /) -> None: ...


def _talk(writer: _Writer, reader: _Reader, messages: list[str]) -> str:
    for message in messages:
        mask, text = os.urandom(4), message.encode()
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
        writer.sendall(bytes([_FINAL | _TEXT, _MASKED | len(text)]) + mask + masked)
        if (back := _receive(reader)) != text:
            return f"{message!r} came back as {back!r}"
    return ""


def _fields(reader: BinaryIO) -> dict[str, str]:
    """The fields of a head by name; its first line is that of no name."""
    found = {"": reader.readline().decode("latin-1").strip()}
    while line := reader.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        found[name.lower()] = value.strip()
    return found


def _receive(reader: _Reader) -> bytes | None:
    """A text message; None at the end, or if it is anything else."""
    head = reader.read(2)
    if len(head) < 2 or head[0] != _FINAL | _TEXT or head[1] & _LONGEST + 2 > _LONGEST:
        return None
    mask = reader.read(4) if head[1] & _MASKED else bytes(4)
    text = reader.read(head[1] & ~_MASKED)
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))


def _accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + _SALT).encode()).digest()).decode()
