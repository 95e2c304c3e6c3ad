"""Long-lived streams: one that nobody reads never slows the one beside it, and memory is bounded.

No clock: turns of a stream beside it are what time is measured in.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from grpc_interop.cases import LIMIT, Client, Requests, sizes
from grpc_interop.rig import Rig
from grpc_interop.service import Reply, Request

WINDOW = 65_535
HTTP2 = {"initial_stream_window_size": WINDOW, "initial_connection_window_size": 4 * 1024 * 1024}
# Of its own accord grpcio opens windows as wide as it thinks that the way is long.
FIXED_WINDOWS = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", WINDOW)]
MESSAGE = 8_192
STREAMS = 16
ON_THE_WAY = 1024 * 1024
"""What of one stream may be between the ends: two windows, four buffers of the proxy, what grpcio keeps."""


@pytest.fixture(scope="module", params=["cleartext", "tls"])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    which, directory = request.config.getoption("--proxy"), tmp_path_factory.mktemp("grpc")
    started = Rig(request.param, which, directory, HTTP2, FIXED_WINDOWS)
    yield started
    started.close()


@contextlib.contextmanager
def beside(client: Client) -> Iterator[Callable[[int], None]]:
    """A stream on the same connection; called, it goes through so many turns, each within the limit."""
    requests = Requests()
    call = client.full_duplex(iter(requests))

    def turn(times: int) -> None:
        for _ in range(times):
            requests.send(Request(bytes(100), [Reply(100)]))
            assert sizes([next(call)]) == [100]

    yield turn
    requests.end()
    assert list(call) == []


def until_still(turn: Callable[[int], None], counts: Callable[[], list[int]]) -> list[int]:
    """What is counted once it moves no more while the stream beside it goes through 200 turns."""
    for _ in range(200):
        before = counts()
        turn(200)
        if counts() == before and all(before):
            return before
    raise AssertionError(f"it never stops: {counts()}")


def test_responses_that_nobody_reads(rig: Rig) -> None:
    assert rig.proxy
    with rig.channel(*FIXED_WINDOWS) as channel:
        client = Client(channel, rig.service)
        with beside(client) as turn:
            turn(100)
            before = rig.proxy.resident_bytes()
            keys = [f"unread {number}" for number in range(STREAMS)]
            calls = [client.flood(Request(key.encode(), [Reply(MESSAGE)])) for key in keys]
            counts = until_still(turn, lambda: [rig.service.sent.get(key, 0) for key in keys])
            assert max(counts) * MESSAGE <= ON_THE_WAY, counts
            assert rig.proxy.resident_bytes() - before <= STREAMS * ON_THE_WAY
            # One that is read again gets on, beside those that are not.
            assert sizes(next(calls[0]) for _ in range(counts[0] + 100)) == [MESSAGE] * (counts[0] + 100)
            for call in calls:
                call.cancel()
            for _ in calls:
                rig.service.wait_for_end("Flood", LIMIT)
            turn(100)


def test_requests_that_nobody_reads(rig: Rig) -> None:
    assert rig.proxy
    with rig.channel(*FIXED_WINDOWS) as channel:
        client = Client(channel, rig.service)
        drain = threading.Event()
        keys = [f"ignored {number}" for number in range(STREAMS)]
        rig.service.drain.update(dict.fromkeys(keys, drain))
        given = dict.fromkeys(keys, 0)

        def messages(key: str) -> Iterator[Request]:
            yield Request(key.encode())
            while not drain.is_set():
                given[key] += 1
                yield Request(bytes(MESSAGE))

        with beside(client) as turn:
            turn(100)
            before = rig.proxy.resident_bytes()
            calls = [client.ignore.future(messages(key)) for key in keys]
            counts = until_still(turn, lambda: list(given.values()))
            assert max(counts) * MESSAGE <= ON_THE_WAY, counts
            assert rig.proxy.resident_bytes() - before <= STREAMS * ON_THE_WAY
            drain.set()
            for key, call in zip(keys, calls, strict=True):
                assert call.result(LIMIT).total == given[key] * MESSAGE
            turn(100)


def test_a_stream_outlives_thousands_beside_it(rig: Rig) -> None:
    with rig.channel() as channel:
        client = Client(channel, rig.service)
        with beside(client) as turn:
            for _ in range(20):
                turn(50)
                calls = [client.unary.future(Request(b"x" * 100), timeout=LIMIT) for _ in range(100)]
                assert [call.result().total for call in calls] == [100] * 100


def test_a_stream_ends_with_its_client(rig: Rig) -> None:
    """A client that goes away ends what the server does for it, and nobody else's."""
    with rig.channel() as staying, beside(Client(staying, rig.service)) as turn:
        turn(10)
        with rig.channel(*FIXED_WINDOWS) as leaving:
            call = Client(leaving, rig.service).flood(Request(b"left", [Reply(MESSAGE)]))
            assert sizes([next(call)]) == [MESSAGE]
        with pytest.raises(grpc.RpcError):
            list(call)
        rig.service.wait_for_end("Flood", LIMIT)
        turn(10)
