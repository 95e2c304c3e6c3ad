"""1,768 disguises of transfer-encoding through a running proxy: none is forwarded in an ambiguous way.

Each is sent twice beside a content-length: once where a chunked reading leaves a second request over, once
where a reading by length does. What the upstream saw is judged by `strict_request`, which shares nothing
with the codec. The list is that of the codec's own test.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.case import Area, Case
from harness.proxy_process import REPOSITORY, binary
from harness.rig import Rig
from harness.script import Conversation, Signals

from smuggling.strict_request import Ambiguous, CutShort, parse_only_request

LIST = REPOSITORY / "crates" / "codec" / "tests" / "smuggling" / "te_mutations.txt"
REPLY = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
SECOND = b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n"


def disguises() -> list[tuple[str, bytes]]:
    """Name and field line of each."""
    entries = [line.split("\t", 1) for line in LIST.read_text().splitlines()]
    return [(name, text.encode().decode("unicode_escape").encode("latin-1")) for name, text in entries]


def chunked_reading_leaves_more(number: int, field: bytes) -> bytes:
    """By length it is one request with a body; by chunks the body ends early and another request follows."""
    body = b"0\r\n\r\n" + SECOND
    return b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%s\r\n\r\n%s" % (
        number,
        len(body),
        field,
        body,
    )


def length_reading_leaves_more(number: int, field: bytes) -> bytes:
    """By chunks it is one request with a body; by length the body ends early and another request follows."""
    size = b"%x\r\n" % len(SECOND)
    start = b"POST /%d HTTP/1.1\r\nHost: h\r\n%s\r\nContent-Length: %d\r\n\r\n" % (number, field, len(size))
    return start + size + SECOND + b"\r\n0\r\n\r\n"


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    which = request.config.getoption("--proxy")
    if not Path(binary(which)[0]).exists():
        pytest.skip(f"{which} is not installed beside this Python")
    started = Rig(which, Area("smuggling", [Case("smuggling", upstream=REPLY)]), tmp_path)
    yield started
    started.close()


@pytest.mark.parametrize("attempt", [chunked_reading_leaves_more, length_reading_leaves_more])
def test_no_ambiguous_forward(rig: Rig, attempt: Callable[[int, bytes], bytes]) -> None:
    listed = disguises()
    assert len(listed) == 1768
    rig.begin(Case("smuggling", upstream=REPLY))
    refused = 0
    for number, (_, field) in enumerate(listed):
        refused += send_and_drain(rig, attempt(number, field)).startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))
    found = []
    for data in rig.forwarded("up"):
        try:
            seen = parse_only_request(data)
        except CutShort:
            continue
        except Ambiguous as why:
            found.append(f"{why}: {data[:200]!r}")
            continue
        if seen.framing == "chunked":
            found.append(f"content-length was dropped for transfer-encoding: {data[:200]!r}")
        if seen.target == b"/second" and attempt is chunked_reading_leaves_more:
            found.append("the second request was taken out of a body")
    assert not found, f"{len(found)} ambiguous forwards\n" + "\n".join(found[:20])
    # A proxy that refuses everything would pass as well: other fields must go through.
    assert 1700 < refused < 1768


def send_and_drain(rig: Rig, data: bytes) -> bytes:
    """Everything that the proxy answers to `data`, until it has nothing more to do with it."""
    with socket.create_connection(rig.address("main"), timeout=5) as sock:
        client = Conversation(sock, Signals(5), 5)
        client.play([{"raw": data.decode("latin-1")}, {"responses": 1}])
        # Another request may be under way by now: let the worker finish it, to the upstream and back.
        for _ in range(3):
            rig.barrier()
        client.read_ready()
        return bytes(client.received)
