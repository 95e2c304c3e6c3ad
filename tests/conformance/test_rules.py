"""Each rule of `rules` over cleartext and over TLS, on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator

import hpack
import pytest

from conformance.frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    RST_STREAM,
    SETTINGS,
    Connection,
    frame,
    request,
)
from conformance.rules import RULES, Answered, ConnectionError, Outcome, Pinged, StreamError
from conformance.server import TRANSPORTS, Server

PAYLOAD = b"12345678"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    started = Server(request.config.getoption("--proxy"), tmp_path_factory.mktemp("conformance"))
    yield started
    assert started.process.process.poll() is None
    started.close()


@pytest.fixture(params=TRANSPORTS)
def connection(server: Server, request: pytest.FixtureRequest) -> Iterator[Connection]:
    with Connection(server.port(request.param), request.param == "tls") as made:
        yield made


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, connection: Connection) -> None:
    said, expected = RULES[rule]
    connection.send(said)
    judge(connection, expected)


def judge(connection: Connection, expected: Outcome) -> None:
    """Read until what is expected is there. Raises if anything else comes."""
    match expected:
        case Answered(streams):
            answered(connection, set(streams))
        case Pinged():
            connection.send(frame(PING, 0, 0, PAYLOAD))
            broken, seen = ended(connection, until_pong=True)
            assert not broken and seen, "the connection did not live on"
        case ConnectionError(codes):
            broken, seen = ended(connection)
            assert broken and seen[-1] in codes, f"GOAWAY {seen}, not {codes}"
            assert connection.next() is None, "still open"
        case StreamError(codes):
            _, seen = ended(connection, or_stream=True)
            assert seen[-1] in codes, f"{seen}, not {codes}"


def answered(connection: Connection, streams: set[int]) -> None:
    decoder = hpack.Decoder()
    while streams:
        came = connection.next()
        assert came is not None, "closed"
        assert came.kind not in (GOAWAY, RST_STREAM), f"{came}"
        if came.kind == HEADERS:
            assert dict(decoder.decode(came.payload))[":status"] == "200"
        if came.kind in (HEADERS, DATA) and came.flags & END_STREAM:
            streams.discard(came.stream)


def ended(
    connection: Connection, or_stream: bool = False, until_pong: bool = False
) -> tuple[bool, list[int]]:
    """Whether the connection broke, and the error codes that came, of streams only where they count."""
    seen = [] if not until_pong else [0]
    while (came := connection.next()) is not None:
        if came.kind == GOAWAY:
            return True, [came.code]
        if came.kind == RST_STREAM and or_stream:
            return False, [came.code]
        if came.kind == PING and came.payload == PAYLOAD and until_pong:
            return False, seen
    pytest.fail(f"closed without a word after {seen}")


def test_begins_with_settings(connection: Connection) -> None:
    first = connection.next()
    assert first is not None and first.kind == SETTINGS and not first.flags & ACK


def test_acknowledges_settings(connection: Connection) -> None:
    acknowledged = frame(SETTINGS, ACK, 0)
    while (came := connection.next()) is not None:
        if came.kind == SETTINGS and came.flags & ACK:
            assert frame(came.kind, came.flags, came.stream, came.payload) == acknowledged
            return
    pytest.fail("closed")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        PREFACE[:-2] + b"X\n",
        PREFACE + request(),
        PREFACE + frame(PING, 0, 0, PAYLOAD),
    ],
    ids=["http/1.1", "a broken preface", "no settings", "a ping before settings"],
)
def test_refuses_another_preface(transport: str, said: bytes, server: Server) -> None:
    with Connection(server.port(transport), transport == "tls", said) as connection:
        codes = []
        while (came := connection.next()) is not None:
            assert came.kind in (SETTINGS, GOAWAY, 8), f"{came}"
            codes += [came.code] if came.kind == GOAWAY else []
        assert codes in ([], [PROTOCOL_ERROR])
