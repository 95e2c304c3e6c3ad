"""A client of HTTP/2 for the demo: one connection, one request after the other, or another protocol within.

Owns the connection; the wire format is the library's (h2). Follows RFC 8441 for what is within.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions


@dataclass
class Answer:
    """A response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Http2Connection:
    """By prior knowledge, or with `context` over TLS, where the server must pick HTTP/2."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        """Connects. Raises OSError, of which an `ssl.SSLError` is one, if the server will not."""
        self.scheme, self.authority = "https" if context else "http", f"{address[0]}:{address[1]}"
        self._socket = socket.create_connection(address, 10)
        if context:
            secured = context.wrap_socket(self._socket)
            self._socket = secured
            if secured.selected_alpn_protocol() != "h2":
                raise ConnectionError(f"ALPN picked {secured.selected_alpn_protocol()}, not h2")
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()

    def get(self, path: str, headers: dict[str, str]) -> Answer:
        """Asks, and waits until the whole response is there. Raises OSError if it does not come."""
        authority = headers.get("host", self.authority)
        rest = [(name, value) for name, value in headers.items() if name != "host"]
        head = [(":method", "GET"), (":scheme", self.scheme), (":authority", authority), (":path", path)]
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, head + rest, end_stream=True)
        answer = Answer()
        while not self._is_over(stream, answer):
            pass
        return answer

    def switch(self, protocol: str, path: str) -> tuple[int, Http2Tunnel]:
        """Asks for another protocol (RFC 8441): the status, and where its bytes go. Raises OSError."""
        head = [(":method", "CONNECT"), (":protocol", protocol), (":scheme", self.scheme)]
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, [*head, (":authority", self.authority), (":path", path)])
        answer = Answer()
        while not answer.status:
            self._is_over(stream, answer)
        return answer.status, Http2Tunnel(self, stream, answer)

    def send(self, stream: int, data: bytes) -> None:
        """Sends data that one frame and the windows have room for."""
        self._h2.send_data(stream, data)

    def fill(self, stream: int, answer: Answer, size: int) -> None:
        """Waits until so much of the body is there, or all. Raises OSError."""
        while len(answer.body) < size and not self._is_over(stream, answer):
            pass

    def _is_over(self, stream: int, answer: Answer) -> bool:
        self._socket.sendall(self._h2.data_to_send())
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the connection was closed before the response was complete")
        over = False
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise ConnectionError(f"this is no HTTP/2: {error}") from error
        for event in events:
            if getattr(event, "stream_id", stream) != stream:
                continue
            match event:
                case h2.events.ResponseReceived():
                    answer.headers = {str(name): str(value) for name, value in event.headers or ()}
                    answer.status = int(answer.headers.pop(":status"))
                case h2.events.DataReceived():
                    answer.body += event.data or b""
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                case h2.events.StreamEnded():
                    over = True
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    raise ConnectionError(f"the server ended it: {event}")
        return over

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()


class Http2Tunnel:
    """The bytes of another protocol on a stream."""

    def __init__(self, connection: Http2Connection, stream: int, answer: Answer) -> None:
        """Of a stream that was agreed upon."""
        self._connection, self._stream, self._answer = connection, stream, answer

    def sendall(self, data: bytes) -> None:
        """Sends with the next read."""
        self._connection.send(self._stream, data)

    def read(self, size: int) -> bytes:
        """So many bytes; less if it ends. Raises OSError."""
        self._connection.fill(self._stream, self._answer, size)
        body = self._answer.body
        self._answer.body = body[size:]
        return body[:size]
