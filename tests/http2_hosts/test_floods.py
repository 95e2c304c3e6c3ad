"""Each flood of a host: its connection is cut, it costs little, and no other host's client notices."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest
from conformance.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
    number,
    setting,
)

from http2_hosts.rig import Rig, Setup, get, statuses

UNITS = 1001
"""The last one is one too many."""
ROUNDS = 30
"""So often a host that is not cut goes on."""
MOST_BYTES = 8 << 20
OK = ((":status", "200"),)
OPEN = frame(HEADERS, END_HEADERS, 1, block(OK))


def same(unit: bytes) -> Callable[[int], bytes]:
    return lambda _: unit


def planted() -> bytes:
    """Interim heads; the first puts 4,000 bytes into the table, the others name them again and again."""
    value = b"v" * 4000
    literal = b"\x40\x01x" + b"\x7f" + bytes([(4000 - 127) % 128 | 128, (4000 - 127) // 128]) + value
    return frame(HEADERS, END_HEADERS, 1, block(((":status", "103"),)) + literal)


@dataclass(frozen=True)
class Flood:
    """Frames to begin with, then units."""

    units: Callable[[int], bytes]
    first: bytes = b""
    counter: str = "upstream_cx_protocol_error"
    """Of the cluster, which rises by one."""
    is_cut: bool = True
    """Else it is the stream alone that ends."""


FLOODS = {
    "SETTINGS": Flood(same(frame(SETTINGS, 0, 0, setting(3, 100)))),
    "empty SETTINGS": Flood(same(frame(SETTINGS, 0, 0))),
    "SETTINGS that acknowledge": Flood(same(frame(SETTINGS, ACK, 0))),
    "PING": Flood(same(frame(PING, 0, 0, bytes(8)))),
    "PING that acknowledges": Flood(same(frame(PING, ACK, 0, bytes(8)))),
    "RST_STREAM": Flood(same(frame(RST_STREAM, 0, 1, number(8)))),
    "PRIORITY": Flood(
        same(frame(PRIORITY, 0, 1, number(0) + b"\x10")), counter="http2.inbound_priority_frames_flood"
    ),
    "WINDOW_UPDATE": Flood(
        same(frame(WINDOW_UPDATE, 0, 0, number(1))), counter="http2.inbound_window_update_frames_flood"
    ),
    "empty DATA": Flood(same(frame(DATA, 0, 1)), OPEN, "http2.inbound_empty_frames_flood"),
    "DATA of padding": Flood(
        same(frame(DATA, PADDED, 1, b"\xff" + bytes(255))), OPEN, "http2.inbound_empty_frames_flood"
    ),
    "empty CONTINUATION": Flood(
        same(frame(CONTINUATION, 0, 1)),
        frame(HEADERS, 0, 1, block(OK)),
        "http2.inbound_empty_frames_flood",
    ),
    "CONTINUATION": Flood(
        same(frame(CONTINUATION, 0, 1, b"\x00\x01a\x011")),
        frame(HEADERS, 0, 1, block(OK)),
    ),
    "interim heads": Flood(same(frame(HEADERS, END_HEADERS, 1, block(((":status", "103"),))))),
    "bombs": Flood(
        same(frame(HEADERS, END_HEADERS, 1, block(((":status", "103"),)) + b"\xbe" * 8000)),
        planted(),
        "http2.header_list_size_too_large",
        is_cut=False,
    ),
    "fields": Flood(
        same(frame(HEADERS, END_STREAM | END_HEADERS, 1, block((*OK, *[("x", "1")] * 200)))),
        counter="http2.header_overflow",
        is_cut=False,
    ),
    "promises": Flood(same(frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + block(OK)))),
    "GOAWAY": Flood(same(frame(GOAWAY, 0, 0, number(1) + number(0)))),
    "unknown frames": Flood(same(frame(0xEE, 0, 0, bytes(100)))),
    "frames that are too large": Flood(same(frame(0xEE, 0, 0, bytes(16_385)))),
}


class FloodingHost:
    """Says its flood to each connection on which something was asked, and keeps whether it was cut."""

    def __init__(self, listener: socket.socket) -> None:
        self.flood = FLOODS["PING"]
        self.cut = threading.Event()
        self._listener = listener
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        connection.sendall(frame(SETTINGS, 0, 0))
        came = b""
        # The head of the request is the first frame on stream 1.
        while bytes([HEADERS, END_STREAM | END_HEADERS]) + number(1) not in came:
            piece = connection.recv(65536)
            if not piece:
                return
            came += piece
        try:
            connection.sendall(self.flood.first)
            for _ in range(ROUNDS):
                connection.sendall(b"".join(self.flood.units(unit) for unit in range(UNITS)))
            while connection.recv(65536):
                pass
            self.cut.set()
        except ConnectionError:
            self.cut.set()
        except TimeoutError:
            return


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    which = request.config.getoption("--proxy")
    options = {"override_stream_error_on_invalid_http_message": True}
    setups = {"flooding": Setup(options), "good": Setup()}
    started = Rig(which, setups, tmp_path_factory.mktemp("floods"), plain=("flooding",))
    yield started
    started.close()


@pytest.fixture(scope="module")
def host(rig: Rig) -> FloodingHost:
    return FloodingHost(rig.listeners["flooding"])


@pytest.mark.parametrize("name", FLOODS)
def test_flood(name: str, rig: Rig, host: FloodingHost) -> None:
    host.flood = flood = FLOODS[name]
    host.cut.clear()
    memory, before = rig.process.resident_bytes(), rig.stats("flooding")
    with closing(rig.client()) as client, closing(rig.client()) as beside:
        flooded = client.request(get("/flooding/"))
        assert statuses(beside, [beside.request(get("/good/"))]) == ["200"]
        client.wait(flooded)
        after = rig.wait_for("flooding", lambda stats: stats["upstream_rq_active"] == 0)
        if flood.is_cut:
            assert host.cut.wait(10), "it was not cut"
        assert statuses(beside, [beside.request(get("/good/"))]) == ["200"]
    assert rig.process.resident_bytes() - memory <= MOST_BYTES
    assert after.get(flood.counter, 0) == before.get(flood.counter, 0) + 1, f"{after}"
    assert rig.hosts["good"].connections == 1
