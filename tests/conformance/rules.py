"""The rules of HTTP/2 (RFC 9113) and HPACK (RFC 7541) for a server, each with frames that keep or break it.

Owns: what is said after the preface and what has to follow. Written from the RFCs; h2spec judges the same
rules apart from this.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.frames import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITISED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    block,
    frame,
    number,
    request,
    setting,
)


@dataclass(frozen=True)
class Answered:
    """Each of these streams is answered with 200."""

    streams: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Pinged:
    """The connection lives: a PING is answered."""


@dataclass(frozen=True)
class ConnectionError:
    """GOAWAY with one of these codes, and the connection ends."""

    codes: tuple[int, ...] = (PROTOCOL_ERROR,)


@dataclass(frozen=True)
class StreamError:
    """RST_STREAM with one of these codes, or, as every stream error may be made one, GOAWAY."""

    codes: tuple[int, ...] = (PROTOCOL_ERROR,)


Outcome = Answered | Pinged | ConnectionError | StreamError
BROKEN = ConnectionError()
SIZE = ConnectionError((FRAME_SIZE_ERROR,))
COMPRESSION = ConnectionError((COMPRESSION_ERROR,))
CLOSED = StreamError((STREAM_CLOSED, PROTOCOL_ERROR))
MALFORMED = StreamError()
WHOLE = END_STREAM | END_HEADERS
OPEN = request(fields=POST, flags=END_HEADERS)
HEAD = block(GET)
RESET = frame(RST_STREAM, 0, 1, number(8))


def without(name: str) -> bytes:
    return request(fields=[pair for pair in GET if pair[0] != name])


def having(*fields: tuple[str, str]) -> bytes:
    return request(fields=[*GET, *fields])


def body(length: str, *pieces: bytes) -> bytes:
    head = request(fields=[*POST, ("content-length", length)], flags=END_HEADERS)
    last = len(pieces) - 1
    return head + b"".join(frame(DATA, int(at == last), 1, piece) for at, piece in enumerate(pieces))


RULES: dict[str, tuple[bytes, Outcome]] = {
    # RFC 9113 4: frames
    "4.1 an unknown frame is ignored": (frame(0xEE, 0xFF, 0, b"12345678") + request(), Answered()),
    "4.1 an unknown frame on a stream is ignored": (
        OPEN + frame(0xEE, 0, 1, b"1") + frame(DATA, 1, 1),
        Answered(),
    ),
    "4.1 undefined flags are ignored": (
        frame(PING, 0xFE, 0, bytes(8)) + request(flags=WHOLE | 0x12),
        Answered(),
    ),
    "4.1 the reserved bit is ignored": (request(stream=0x8000_0001), Answered()),
    "4.2 the largest frame": (
        OPEN + frame(DATA, 1, 1, bytes(16384)),
        Answered(),
    ),
    "4.2 DATA larger than the largest": (
        OPEN + frame(DATA, 0, 1, bytes(16385)),
        StreamError((FRAME_SIZE_ERROR,)),
    ),
    "4.2 HEADERS larger than the largest": (frame(HEADERS, WHOLE, 1, bytes(16385)), SIZE),
    "4.2 SETTINGS larger than the largest": (frame(SETTINGS, 0, 0, bytes(16386)), SIZE),
    "4.3 a block that does not decode": (frame(HEADERS, WHOLE, 1, b"\x80"), COMPRESSION),
    "4.3 a block of a refused stream counts": (
        request(fields=[*GET, ("X-A", "1")]) + frame(HEADERS, WHOLE, 3, b"\xff\xff\xff\xff\xff\xff"),
        ConnectionError((COMPRESSION_ERROR, PROTOCOL_ERROR)),
    ),
    "4.3 PRIORITY within a block": (
        frame(HEADERS, 1, 1, HEAD) + frame(PRIORITY, 0, 1, number(0) + b"\xff"),
        BROKEN,
    ),
    "4.3 an unknown frame within a block": (frame(HEADERS, 1, 1, HEAD) + frame(0xEE, 0, 1), BROKEN),
    "4.3 HEADERS of another stream within a block": (frame(HEADERS, 1, 1, HEAD) + request(3), BROKEN),
    "4.3 CONTINUATION of another stream": (
        frame(HEADERS, 1, 1, HEAD) + frame(CONTINUATION, END_HEADERS, 3),
        BROKEN,
    ),
    # RFC 9113 5: streams
    "5.1 DATA on an idle stream": (frame(DATA, 1, 1, b"x"), BROKEN),
    "5.1 RST_STREAM on an idle stream": (RESET, BROKEN),
    "5.1 WINDOW_UPDATE on an idle stream": (frame(WINDOW_UPDATE, 0, 1, number(1)), BROKEN),
    "5.1 CONTINUATION without a block": (frame(CONTINUATION, END_HEADERS, 1, HEAD), BROKEN),
    "5.1 PRIORITY on an idle stream": (frame(PRIORITY, 0, 1, number(0) + b"\0") + request(), Answered()),
    "5.1 DATA after the end": (request() + frame(DATA, 1, 1, b"x"), CLOSED),
    "5.1 HEADERS after the end": (request() + request(), CLOSED),
    "5.1 WINDOW_UPDATE after the end": (request() + frame(WINDOW_UPDATE, 0, 1, number(1)), Answered()),
    "5.1 HEADERS after a reset": (OPEN + RESET + request(), CLOSED),
    "5.1 CONTINUATION after a reset": (OPEN + RESET + frame(CONTINUATION, END_HEADERS, 1, HEAD), BROKEN),
    "5.1 RST_STREAM after a reset": (OPEN + RESET + RESET, Pinged()),
    "5.1 WINDOW_UPDATE after a reset": (OPEN + RESET + frame(WINDOW_UPDATE, 0, 1, number(1)), Pinged()),
    "5.1 PRIORITY after a reset": (OPEN + RESET + frame(PRIORITY, 0, 1, number(0) + b"\0"), Pinged()),
    "5.1.1 an even stream": (request(2), BROKEN),
    "5.1.1 a lower stream after a higher one": (request(5) + request(3), BROKEN),
    "5.1.1 streams may be left out": (request(1) + request(2_000_001), Answered((1, 2_000_001))),
    "5.1.1 the last stream there is": (request(0x7FFF_FFFF), Answered((0x7FFF_FFFF,))),
    "RFC 7540 5.3.1 PRIORITY on itself": (OPEN + frame(PRIORITY, 0, 1, number(1) + b"\0"), MALFORMED),
    # RFC 9113 6.1: DATA
    "6.1 DATA on stream 0": (frame(DATA, 0, 0, b"x"), BROKEN),
    "6.1 padding": (OPEN + frame(DATA, PADDED | 1, 1, b"\x03abc\0\0\0"), Answered()),
    "6.1 nothing but padding": (OPEN + frame(DATA, PADDED | 1, 1, b"\x03\0\0\0"), Answered()),
    "6.1 padding as long as the payload": (OPEN + frame(DATA, PADDED | 1, 1, b"\x05abc\0"), BROKEN),
    "6.1 padding without its length": (
        OPEN + frame(DATA, PADDED | 1, 1),
        ConnectionError((PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    ),
    "6.1 empty DATA": (OPEN + frame(DATA, 0, 1) + frame(DATA, 1, 1), Answered()),
    # 6.2: HEADERS
    "6.2 HEADERS on stream 0": (request(0), BROKEN),
    "6.2 padding": (frame(HEADERS, WHOLE | PADDED, 1, b"\x02" + HEAD + b"\0\0"), Answered()),
    "6.2 padding longer than the payload": (frame(HEADERS, WHOLE | PADDED, 1, b"\xff" + HEAD), BROKEN),
    "6.2 priority": (
        frame(HEADERS, WHOLE | PRIORITISED, 1, number(0x8000_0003) + b"\x10" + HEAD),
        Answered(),
    ),
    "6.2 priority and padding": (
        frame(HEADERS, WHOLE | PRIORITISED | PADDED, 1, b"\x01" + number(0) + b"\x10" + HEAD + b"\0"),
        Answered(),
    ),
    "6.2 priority without its bytes": (
        frame(HEADERS, WHOLE | PRIORITISED, 1, b"\0\0"),
        ConnectionError((PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    ),
    # 6.3: PRIORITY
    "6.3 PRIORITY on stream 0": (frame(PRIORITY, 0, 0, bytes(5)), BROKEN),
    "6.3 PRIORITY of a wrong size": (
        OPEN + frame(PRIORITY, 0, 1, bytes(4)),
        StreamError((FRAME_SIZE_ERROR,)),
    ),
    # 6.4: RST_STREAM
    "6.4 RST_STREAM on stream 0": (frame(RST_STREAM, 0, 0, bytes(4)), BROKEN),
    "6.4 RST_STREAM of a wrong size": (OPEN + frame(RST_STREAM, 0, 1, bytes(3)), SIZE),
    "6.4 an unknown error code": (OPEN + frame(RST_STREAM, 0, 1, b"\xff" * 4) + request(3), Answered((3,))),
    # 6.5: SETTINGS
    "6.5 SETTINGS on a stream": (frame(SETTINGS, 0, 1), BROKEN),
    "6.5 SETTINGS of a wrong size": (frame(SETTINGS, 0, 0, bytes(5)), SIZE),
    "6.5 an acknowledgement with a payload": (frame(SETTINGS, ACK, 0, setting(3, 1)), SIZE),
    "6.5.2 push that is neither on nor off": (frame(SETTINGS, 0, 0, setting(2, 2)), BROKEN),
    "6.5.2 too large a window": (
        frame(SETTINGS, 0, 0, setting(4, 0x8000_0000)),
        ConnectionError((FLOW_CONTROL_ERROR,)),
    ),
    "6.5.2 too small a frame": (frame(SETTINGS, 0, 0, setting(5, 16383)), BROKEN),
    "6.5.2 too large a frame": (frame(SETTINGS, 0, 0, setting(5, 1 << 24)), BROKEN),
    "6.5.2 the smallest and the largest frame": (
        frame(SETTINGS, 0, 0, setting(5, 16384))
        + frame(SETTINGS, 0, 0, setting(5, (1 << 24) - 1))
        + request(),
        Answered(),
    ),
    "6.5.2 an unknown setting": (frame(SETTINGS, 0, 0, setting(0xEEEE, 1)) + request(), Answered()),
    "6.5.3 the same setting twice": (
        frame(SETTINGS, 0, 0, setting(4, 0) + setting(4, 65535)) + request(),
        Answered(),
    ),
    "8.4 RFC 8441 3: extended CONNECT that is neither on nor off": (
        frame(SETTINGS, 0, 0, setting(8, 2)),
        BROKEN,
    ),
    # 6.6: PUSH_PROMISE
    "6.6 a client that pushes": (
        OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + HEAD),
        BROKEN,
    ),
    # 6.7: PING
    "6.7 PING on a stream": (frame(PING, 0, 1, bytes(8)), BROKEN),
    "6.7 PING of a wrong size": (frame(PING, 0, 0, bytes(7)), SIZE),
    "6.7 an acknowledgement that nobody waits for": (frame(PING, ACK, 0, bytes(8)) + request(), Answered()),
    # 6.8: GOAWAY
    "6.8 GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), BROKEN),
    "6.8 GOAWAY of a wrong size": (frame(GOAWAY, 0, 0, bytes(7)), ConnectionError((FRAME_SIZE_ERROR,))),
    # 6.9: WINDOW_UPDATE
    "6.9 WINDOW_UPDATE by nothing": (frame(WINDOW_UPDATE, 0, 0, number(0)), BROKEN),
    "6.9 WINDOW_UPDATE by nothing on a stream": (OPEN + frame(WINDOW_UPDATE, 0, 1, number(0)), MALFORMED),
    "6.9 WINDOW_UPDATE of a wrong size": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    "6.9 the reserved bit is ignored": (
        frame(WINDOW_UPDATE, 0, 0, number(0x8000_0001)) + request(),
        Answered(),
    ),
    "6.9.1 the connection's window grows too large": (
        frame(WINDOW_UPDATE, 0, 0, number(0x7FFF_FFFF)),
        ConnectionError((FLOW_CONTROL_ERROR,)),
    ),
    "6.9.1 a stream's window grows too large": (
        OPEN + frame(WINDOW_UPDATE, 0, 1, number(0x7FFF_FFFF)),
        StreamError((FLOW_CONTROL_ERROR,)),
    ),
    "6.9.2 SETTINGS make a stream's window too large": (
        OPEN
        + frame(WINDOW_UPDATE, 0, 1, number(0x7FFF_0000))
        + frame(SETTINGS, 0, 0, setting(4, 0x7FFF_FFFF)),
        ConnectionError((FLOW_CONTROL_ERROR,)),
    ),
    "6.9.2 a window below zero opens again": (
        frame(SETTINGS, 0, 0, setting(4, 3))
        + request()
        + frame(SETTINGS, 0, 0, setting(4, 0))
        + frame(WINDOW_UPDATE, 0, 1, number(100)),
        Answered(),
    ),
    # 6.10: CONTINUATION
    "6.10 a block in single bytes": (
        frame(HEADERS, 1, 1, HEAD[:1])
        + b"".join(frame(CONTINUATION, 0, 1, HEAD[at : at + 1]) for at in range(1, len(HEAD)))
        + frame(CONTINUATION, END_HEADERS, 1),
        Answered(),
    ),
    "6.10 CONTINUATION on stream 0": (
        frame(HEADERS, 1, 1, HEAD) + frame(CONTINUATION, END_HEADERS, 0),
        BROKEN,
    ),
    "6.10 CONTINUATION after the end of a block": (
        OPEN + frame(CONTINUATION, END_HEADERS, 1, HEAD),
        BROKEN,
    ),
    "6.10 CONTINUATION after DATA": (
        OPEN + frame(DATA, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1, HEAD),
        BROKEN,
    ),
    # RFC 9113 8: messages
    "8.1 trailers": (OPEN + request(fields=[("x-t", "1")]), Answered()),
    "8.1 trailers that end nothing": (OPEN + request(fields=[("x-t", "1")], flags=END_HEADERS), MALFORMED),
    "8.1 trailers with a pseudo-header": (OPEN + request(fields=[(":path", "/")]), MALFORMED),
    "8.1.1 as long as its length": (body("6", b"abc", b"def"), Answered()),
    "8.1.1 shorter than its length": (body("7", b"abc", b"def"), MALFORMED),
    "8.1.1 longer than its length": (body("1", b"abc"), MALFORMED),
    "8.1.1 no body where there is a length": (having(("content-length", "1")), MALFORMED),
    "8.2.1 a name in upper case": (having(("X-A", "1")), MALFORMED),
    "8.2.1 a name with a space": (having(("x a", "1")), MALFORMED),
    "8.2.1 a name with a colon": (having(("x:a", "1")), MALFORMED),
    "8.2.1 no name": (having(("", "1")), MALFORMED),
    "8.2.1 a line feed in a value": (having(("x-a", "1\n2")), MALFORMED),
    "8.2.1 a carriage return in a value": (having(("x-a", "1\r2")), MALFORMED),
    "8.2.1 a zero in a value": (having(("x-a", "\0")), MALFORMED),
    "8.2.2 connection": (having(("connection", "keep-alive")), MALFORMED),
    "8.2.2 proxy-connection": (having(("proxy-connection", "keep-alive")), MALFORMED),
    "8.2.2 keep-alive": (having(("keep-alive", "1")), MALFORMED),
    "8.2.2 transfer-encoding": (having(("transfer-encoding", "chunked")), MALFORMED),
    "8.2.2 upgrade": (having(("upgrade", "x")), MALFORMED),
    "8.2.2 te trailers": (having(("te", "trailers")), Answered()),
    "8.2.2 te of anything else": (having(("te", "trailers, deflate")), MALFORMED),
    "8.2.3 crumbs of a cookie": (having(("cookie", "a=1"), ("cookie", "b=2")), Answered()),
    "8.3 an unknown pseudo-header": (having((":x", "1")), MALFORMED),
    "8.3 a response's pseudo-header": (having((":status", "200")), MALFORMED),
    "8.3 a pseudo-header behind a field": (request(fields=[*GET[:3], ("x-a", "1"), GET[3]]), MALFORMED),
    "8.3.1 no method": (without(":method"), MALFORMED),
    "8.3.1 no scheme": (without(":scheme"), MALFORMED),
    "8.3.1 no path": (without(":path"), MALFORMED),
    "8.3.1 an empty path": (request(fields=[*GET[:3], (":path", "")]), MALFORMED),
    "8.3.1 two methods": (request(fields=[GET[0], *GET]), MALFORMED),
    "8.3.1 two schemes": (request(fields=[GET[1], *GET]), MALFORMED),
    "8.3.1 two authorities": (request(fields=[GET[2], *GET]), MALFORMED),
    "8.3.1 two paths": (request(fields=[GET[3], *GET]), MALFORMED),
    "8.5 CONNECT with a path": (request(fields=[(":method", "CONNECT"), *GET[2:]]), MALFORMED),
    "8.5 CONNECT without an authority": (request(fields=[(":method", "CONNECT")]), MALFORMED),
    # RFC 7541
    "H2.3.3 the index 0": (frame(HEADERS, WHOLE, 1, b"\x80"), COMPRESSION),
    "H2.3.3 an index behind the tables": (frame(HEADERS, WHOLE, 1, HEAD + b"\xbe"), COMPRESSION),
    "H2.3.3 a name behind the tables": (frame(HEADERS, WHOLE, 1, HEAD + b"\x7f\x10\x011"), COMPRESSION),
    "H4.2 a size that changes behind a field": (frame(HEADERS, WHOLE, 1, HEAD + b"\x20"), COMPRESSION),
    "H4.2 sizes that change at the beginning": (
        frame(HEADERS, WHOLE, 1, b"\x20\x3f\xe1\x1f" + HEAD),
        Answered(),
    ),
    "H5.1 a number without end": (frame(HEADERS, WHOLE, 1, HEAD + b"\x7f" + b"\xff" * 12), COMPRESSION),
    "H5.2 padding of eight bits": (
        frame(HEADERS, WHOLE, 1, HEAD + b"\x00\x01a\x86\x18\xc6\x31\x8c\x63\xff"),
        COMPRESSION,
    ),
    "H5.2 padding of zeros": (frame(HEADERS, WHOLE, 1, HEAD + b"\x00\x01a\x81\x18"), COMPRESSION),
    "H5.2 the end of string within a string": (
        frame(HEADERS, WHOLE, 1, HEAD + b"\x00\x01a\x84\xff\xff\xff\xff"),
        COMPRESSION,
    ),
    "H5.2 a string that is cut off": (frame(HEADERS, WHOLE, 1, HEAD + b"\x00\x01a\x05x"), COMPRESSION),
    "H6.1 the static table": (frame(HEADERS, WHOLE, 1, b"\x82\x86\x84\x01\x06h.test"), Answered()),
    "H6.2.1 the dynamic table": (
        frame(HEADERS, WHOLE, 1, HEAD + b"\x40\x03x-a\x011") + frame(HEADERS, WHOLE, 3, HEAD + b"\xbe"),
        Answered((1, 3)),
    ),
    "H6.3 a table larger than allowed": (frame(HEADERS, WHOLE, 1, b"\x3f\xe2\x1f" + HEAD), COMPRESSION),
}
