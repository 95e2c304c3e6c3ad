"""A small message is two frames, both ways: a head, and data that end the stream.

`--proxy envoy` checks it where the data end it already: Envoy passes an empty last frame on.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from conformance.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    POST,
    PREFACE,
    SETTINGS,
    Connection,
    Frame,
    block,
    frame,
    request,
)

from http2_hosts.rig import Rig, Setup

Seen = list[tuple[int, int, bytes]]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    which, directory = request.config.getoption("--proxy"), tmp_path_factory.mktemp("frames")
    started = Rig(which, {"small": Setup()}, directory, plain=("small",))
    yield started
    started.close()


def of_stream(frames: Iterator[Frame]) -> Seen:
    """What came on stream 1 up to its end; of heads not what is in them."""
    seen: Seen = []
    for came in frames:
        if came.stream == 1 and came.kind in (DATA, HEADERS):
            seen.append((came.kind, came.flags, came.payload if came.kind == DATA else b""))
            if came.flags & END_STREAM:
                return seen
    pytest.fail(f"it did not end: {seen}")


def frames_of(side: socket.socket) -> Iterator[Frame]:
    came = b""
    while len(came) < len(PREFACE):
        came += side.recv(65536)
    came = came[len(PREFACE) :]
    while True:
        length = int.from_bytes(came[:3], "big")
        while len(came) < 9 or len(came) < 9 + length:
            came += side.recv(65536)
            length = int.from_bytes(came[:3], "big")
        yield Frame(came[3], came[4], int.from_bytes(came[5:9], "big"), came[9 : 9 + length])
        came = came[9 + length :]


@pytest.mark.parametrize("length", [(), (("content-length", "5"),)], ids=["no length", "length"])
@pytest.mark.parametrize("ends_apart", [False, True], ids=["ends with data", "ends apart"])
def test_frames_of_a_small_exchange(rig: Rig, ends_apart: bool, length: tuple[tuple[str, str], ...]) -> None:
    whole = frame(DATA, END_STREAM, 1, b"hello")
    if ends_apart:
        whole = frame(DATA, 0, 1, b"hello") + frame(DATA, END_STREAM, 1)
    expected = [(HEADERS, END_HEADERS, b""), (DATA, END_STREAM, b"hello")]
    path = (":path", "/small/")
    fields = [path if pair[0] == ":path" else pair for pair in (*POST, *length)]
    with Connection(int(rig.addresses["main"][1]), tls=False) as client:
        client.send(request(1, fields, END_HEADERS) + whole)
        side, _ = rig.listeners["small"].accept()
        with side:
            side.settimeout(10)
            side.sendall(frame(SETTINGS, 0, 0))
            assert of_stream(frames_of(side)) == expected
            head = block(((":status", "200"), *length))
            side.sendall(frame(HEADERS, END_HEADERS, 1, head) + whole)
            assert of_stream(iter(client.next, None)) == expected


def test_an_empty_body_is_an_empty_frame(rig: Rig) -> None:
    """A head that did not end its stream is not changed into one that does."""
    path = (":path", "/small/")
    fields = [path if pair[0] == ":path" else pair for pair in GET]
    with Connection(int(rig.addresses["main"][1]), tls=False) as client:
        client.send(request(1, fields))
        side, _ = rig.listeners["small"].accept()
        with side:
            side.settimeout(10)
            side.sendall(frame(SETTINGS, 0, 0))
            assert of_stream(frames_of(side)) == [(HEADERS, END_HEADERS | END_STREAM, b"")]
            head = block(((":status", "200"),))
            side.sendall(frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, END_STREAM, 1))
            assert of_stream(iter(client.next, None))[-1] == (DATA, END_STREAM, b"")
