"""A tolerant HTTP/1 reader for recorded bytes.

Owns: finding where a recorded message ends and what it says, so that two recordings compare by
meaning (a body's chunk boundaries are the sender's free choice). Tolerant on purpose: it records what
was sent, `tests/smuggling` judges strictness with a parser of its own. Follows RFC 9112.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.wire_text import from_wire

NO_BODY_STATUS = {"204", "304"}


@dataclass
class Message:
    """One message: its start line, headers in order, framing and content."""

    start_line: str
    headers: list[tuple[str, str]]
    framing: str
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    end: int = 0

    @property
    def status(self) -> str:
        """The status code of a response, or an empty text."""
        parts = self.start_line.split(" ", 2)
        return parts[1] if len(parts) > 1 and parts[0].startswith("HTTP/") else ""

    def describe(self, body: Callable[[bytes], object] = from_wire) -> dict[str, object]:
        """Comparable form: headers sorted by name, the order among equal names kept."""
        described: dict[str, object] = {
            "start_line": self.start_line,
            "headers": sorted(([n.lower(), v] for n, v in self.headers), key=lambda pair: pair[0]),
            "framing": self.framing,
            "body": body(self.body),
        }
        if self.trailers:
            described["trailers"] = sorted(([n.lower(), v] for n, v in self.trailers), key=lambda p: p[0])
        return described


def read_message(data: bytes, start: int, method: str | None, ended: bool) -> Message | None:
    """The message at `start`, or None while it is incomplete.

    `method` is the request's method when a response is read and None when a request is; `ended` says
    that the peer sends nothing more, which completes a body that runs until the close.
    """
    message = _read_head(data, start)
    if message is None:
        return None
    headers = message.headers
    named = {name.lower(): value for name, value in headers}
    if method is not None and _has_no_body(message, method):
        return message
    if named.get("transfer-encoding", "").lower().endswith("chunked"):
        return _read_chunks(data, message)
    if "content-length" in named and named["content-length"].isdigit():
        length = int(named["content-length"])
        if len(data) < message.end + length:
            return None
        message.framing = "content-length"
        message.body = data[message.end : message.end + length]
        message.end += length
        return message
    if method is not None:
        if not ended:
            return None
        message.framing = "close"
        message.body = data[message.end :]
        message.end = len(data)
    return message


def read_messages(data: bytes, methods: list[str] | None, ended: bool) -> tuple[list[Message], bytes]:
    """All complete messages and the bytes left over; `methods` belong to the final responses."""
    messages: list[Message] = []
    offset = 0
    finals = 0
    while offset < len(data):
        method = None if methods is None else (methods[finals] if finals < len(methods) else "GET")
        message = read_message(data, offset, method, ended)
        if message is None:
            break
        messages.append(message)
        offset = message.end
        if not message.status.startswith("1") or message.status == "101":
            finals += 1
        if message.status == "101":
            break
    return messages, data[offset:]


def read_head(data: bytes) -> Message | None:
    """A message that was cut short, with what came of its body as it came; None without a whole head."""
    message = _read_head(data, 0)
    if message is not None:
        message.framing = "cut short"
        message.body = data[message.end :]
    return message


def _read_head(data: bytes, start: int) -> Message | None:
    head_end = data.find(b"\r\n\r\n", start)
    if head_end < 0:
        return None
    lines = data[start:head_end].decode("latin-1").split("\r\n")
    return Message(lines[0], [_header(line) for line in lines[1:]], "none", end=head_end + 4)


def _has_no_body(message: Message, method: str) -> bool:
    status = message.status
    if status.startswith("1") or status in NO_BODY_STATUS or method == "HEAD":
        return True
    return method == "CONNECT" and status.startswith("2")


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


def _read_chunks(data: bytes, message: Message) -> Message | None:
    message.framing = "chunked"
    offset = message.end
    parts: list[bytes] = []
    while True:
        line_end = data.find(b"\r\n", offset)
        if line_end < 0:
            return None
        try:
            size = int(data[offset:line_end].split(b";")[0], 16)
        except ValueError:
            return None
        offset = line_end + 2
        if size == 0:
            break
        if len(data) < offset + size + 2:
            return None
        parts.append(data[offset : offset + size])
        offset += size + 2
    while True:
        line_end = data.find(b"\r\n", offset)
        if line_end < 0:
            return None
        line = data[offset:line_end].decode("latin-1")
        offset = line_end + 2
        if not line:
            break
        message.trailers.append(_header(line))
    message.body = b"".join(parts)
    message.end = offset
    return message
