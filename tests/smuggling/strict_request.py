"""A strict HTTP/1.1 request parser, written apart from the codec to judge what it forwards.

Owns: saying whether bytes are exactly one well-formed request that no server could read otherwise: only
tokens as names, no control bytes in values, CRLF line ends, at most one framing field, nothing after the
end. A field that a lenient server might take for a framing field (underscores, odd letters) counts as one.
Follows RFC 9110 (5.5, 5.6.2) and RFC 9112 (3, 6, 7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.1")
FIELD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*"
)
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})")


class Ambiguous(Exception):
    """The bytes are not one request that everyone reads alike; the text says why."""


class CutShort(Exception):
    """So far well-formed, but without its end: the sender gave up, and nobody acts on half a request."""


@dataclass
class StrictRequest:
    """What the one request says."""

    method: bytes
    target: bytes
    framing: str
    body: bytes


def parse_only_request(data: bytes) -> StrictRequest:
    """The one request that `data` is. Raises CutShort if its end is missing, else Ambiguous."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        raise CutShort("no end of the head")
    first, *lines = head.split(b"\r\n")
    match = REQUEST_LINE.fullmatch(first)
    if not match:
        raise Ambiguous(f"request line {first!r}")
    fields = [_field(line) for line in lines]
    if sum(name == b"host" for name, _ in fields) != 1:
        raise Ambiguous("not exactly one host")
    framing = [
        (name, value) for name, value in fields if _lenient(name) in (b"transfer-encoding", b"content-length")
    ]
    if len(framing) > 1:
        raise Ambiguous(f"more than one framing field: {framing}")
    if not framing:
        kind, body, after = "none", b"", rest
    elif framing[0][0] == b"content-length":
        kind, body, after = "content-length", *_by_length(framing[0][1], rest)
    elif framing[0] == (b"transfer-encoding", b"chunked"):
        kind, body, after = "chunked", *_by_chunks(rest)
    else:
        raise Ambiguous(f"framing field {framing[0]}")
    if after:
        raise Ambiguous(f"{len(after)} bytes after the end: {after[:40]!r}")
    return StrictRequest(match[1], match[2], kind, body)


def _lenient(name: bytes) -> bytes:
    """What a server that minds only letters, digits and dots reads."""
    return re.sub(rb"[^a-z0-9.]", b"-", name)


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = FIELD.fullmatch(line)
    if not match:
        raise Ambiguous(f"field line {line!r}")
    return match[1].lower(), match[2]


def _by_length(value: bytes, rest: bytes) -> tuple[bytes, bytes]:
    if not re.fullmatch(rb"[0-9]{1,15}", value):
        raise Ambiguous(f"content-length {value!r}")
    length = int(value)
    if len(rest) < length:
        raise CutShort("no end of the body")
    return rest[:length], rest[length:]


def _by_chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, separator, rest = rest.partition(b"\r\n")
        if not separator:
            raise CutShort("no end of a chunk size")
        match = CHUNK_SIZE.fullmatch(line)
        if not match:
            raise Ambiguous(f"chunk size {line[:40]!r}")
        size = int(match[1], 16)
        if size == 0:
            break
        if len(rest) < size + 2:
            raise CutShort("no end of a chunk")
        if rest[size : size + 2] != b"\r\n":
            raise Ambiguous("a chunk without its line end")
        body += rest[:size]
        rest = rest[size + 2 :]
    while True:
        line, separator, rest = rest.partition(b"\r\n")
        if not separator:
            raise CutShort("no end of the trailers")
        if not line:
            return body, rest
        _field(line)
