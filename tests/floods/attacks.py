"""What floods a server of HTTP/2: each a connection's worth of frames that cost more to take than to send.

Owns: the frames of each attack, 1,001 units of them. Says nothing about what becomes of the attacker.
Follows RFC 9113 section 10.5 and the published attacks (rapid reset, CONTINUATION, HPACK bombs, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
    number,
    request,
    setting,
)

UNITS = 1001
"""The last one is one too many."""
OPEN = request(fields=POST, flags=END_HEADERS)
CANCEL = number(8)


@dataclass(frozen=True)
class Attack:
    """Frames to begin with, then units."""

    units: Callable[[int], bytes]
    first: bytes = b""
    counter: str = ""
    """That of Envoy's that rises, where it has one."""


def stream(unit: int) -> int:
    return 2 * unit + 1


def same(unit: bytes) -> Callable[[int], bytes]:
    return lambda _: unit


def many(fields: list[tuple[str, str]]) -> Callable[[int], bytes]:
    encoded = block([*GET, *fields])
    return lambda unit: frame(HEADERS, END_STREAM | END_HEADERS, stream(unit), encoded)


def planted() -> bytes:
    """A request that puts 4,000 bytes into the table."""
    value = b"v" * 4000
    literal = b"\x40\x01x" + b"\x7f" + bytes([(4000 - 127) % 128 | 128, (4000 - 127) // 128]) + value
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, block(GET) + literal)


def bomb(unit: int) -> bytes:
    """Names what was planted again and again: 32 MB in 8 KB."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream(unit + 1), block(GET) + b"\xbe" * 8000)


ATTACKS: dict[str, Attack] = {
    "streams that the client resets": Attack(
        lambda unit: request(stream(unit)) + frame(RST_STREAM, 0, stream(unit), CANCEL)
    ),
    "streams that the client has reset": Attack(
        lambda unit: (
            request(stream(unit), POST, END_HEADERS) + frame(WINDOW_UPDATE, 0, stream(unit), number(0))
        )
    ),
    "streams whose window overflows": Attack(
        lambda unit: (
            request(stream(unit), POST, END_HEADERS)
            + frame(WINDOW_UPDATE, 0, stream(unit), number(0x7FFF_FFFF))
        )
    ),
    "malformed heads": Attack(
        lambda unit: request(stream(unit), [*GET, ("X-A", "1")]), counter="rx_messaging_error"
    ),
    "bodies of a wrong length": Attack(
        lambda unit: (
            request(stream(unit), [*POST, ("content-length", "1")], END_HEADERS)
            + frame(DATA, END_STREAM, stream(unit), b"xx")
        )
    ),
    "CONTINUATION": Attack(
        same(frame(CONTINUATION, 0, 1, b"\x00\x01a\x011")), frame(HEADERS, 0, 1, block(GET))
    ),
    "empty CONTINUATION": Attack(
        same(frame(CONTINUATION, 0, 1)),
        frame(HEADERS, 0, 1, block(GET)),
        "inbound_empty_frames_flood",
    ),
    "PING": Attack(same(frame(PING, 0, 0, bytes(8)))),
    "PING that acknowledges": Attack(same(frame(PING, ACK, 0, bytes(8)))),
    "SETTINGS": Attack(same(frame(SETTINGS, 0, 0, setting(3, 100)))),
    "empty SETTINGS": Attack(same(frame(SETTINGS, 0, 0))),
    "SETTINGS that change tables": Attack(
        lambda unit: frame(SETTINGS, 0, 0, setting(1, unit % 2 * 4096)) + request(stream(unit))
    ),
    "PRIORITY": Attack(
        lambda unit: frame(PRIORITY, 0, stream(unit), number(0) + b"\x10"),
        counter="inbound_priority_frames_flood",
    ),
    "WINDOW_UPDATE": Attack(
        same(frame(WINDOW_UPDATE, 0, 0, number(1))), counter="inbound_window_update_frames_flood"
    ),
    "WINDOW_UPDATE of a stream": Attack(
        same(frame(WINDOW_UPDATE, 0, 1, number(1))), OPEN, "inbound_window_update_frames_flood"
    ),
    "empty DATA": Attack(same(frame(DATA, 0, 1)), OPEN, "inbound_empty_frames_flood"),
    "DATA of padding": Attack(
        same(frame(DATA, PADDED, 1, b"\xff" + bytes(255))), OPEN, "inbound_empty_frames_flood"
    ),
    "HPACK bombs": Attack(bomb, planted(), "header_list_size_too_large"),
    "too many fields": Attack(many([("x", "1")] * 200), counter="header_overflow"),
    "too many crumbs": Attack(many([("cookie", "a=1")] * 200), counter="header_overflow"),
    "GOAWAY": Attack(same(frame(GOAWAY, 0, 0, bytes(8)))),
    "unknown frames": Attack(same(frame(0xEE, 0, 0, bytes(100)))),
    "RST_STREAM of a closed stream": Attack(
        same(frame(RST_STREAM, 0, 1, CANCEL)), OPEN + frame(RST_STREAM, 0, 1, CANCEL)
    ),
}


def pieces(attack: Attack, size: int = 50) -> Iterator[bytes]:
    """The units in a few writes."""
    for start in range(0, UNITS, size):
        yield b"".join(attack.units(unit) for unit in range(start, min(start + size, UNITS)))
