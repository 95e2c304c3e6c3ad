"""gRPC interop: every case, straight to the server and through the proxy over HTTP/2 and TLS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from grpc_interop.cases import CASES, Client, Wire, large_unary
from grpc_interop.rig import TRANSPORTS, Rig


@pytest.fixture(scope="module", params=TRANSPORTS)
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    started = Rig(request.param, request.config.getoption("--proxy"), tmp_path_factory.mktemp("grpc"))
    yield started
    started.close()


def wire_bytes(rig: Rig) -> dict[str, int]:
    """How much has gone over the wire on either side of the proxy, by who has sent it."""
    assert rig.proxy
    now = rig.proxy.stats("_cx_[rt]x_bytes_total$")
    return {
        "sent, downstream": now.get("http.grpc.downstream_cx_rx_bytes_total", 0),
        "sent, upstream": now.get("cluster.up.upstream_cx_tx_bytes_total", 0),
        "received, downstream": now.get("http.grpc.downstream_cx_tx_bytes_total", 0),
        "received, upstream": now.get("cluster.up.upstream_cx_rx_bytes_total", 0),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_case(case: Callable[[Client], None], rig: Rig) -> None:
    before = wire_bytes(rig) if rig.proxy else {}
    with rig.channel() as channel:
        case(Client(channel, rig.service))
        if rig.proxy and CASES[case] != Wire():
            for name, start in before.items():
                least, most = getattr(CASES[case], name.partition(",")[0])
                # The proxy counts what it has written a moment after the client has it.
                deadline = time.monotonic() + 10
                while (gone := wire_bytes(rig)[name] - start) < least and time.monotonic() < deadline:
                    pass
                assert least <= gone <= most, name


def test_channel_soak(rig: Rig) -> None:
    """A new connection for each call."""
    for _ in range(30):
        with rig.channel() as channel:
            large_unary(Client(channel, rig.service))


def test_no_stream_is_left(rig: Rig) -> None:
    """Calls that were broken off, too, are over for the proxy; none was an error of a protocol."""
    if not rig.proxy:
        pytest.skip("no proxy")
    active = "^(http.grpc.downstream|cluster.up.upstream)_rq_active$"
    with rig.channel() as channel:
        for _ in range(200):
            large_unary(Client(channel, rig.service))
            if not any(rig.proxy.stats(active).values()):
                break
    stats = rig.proxy.stats()
    assert stats.get("cluster.up.grpc.interop.Test.Unary.success", 0) >= 1
    assert {name: value for name, value in stats.items() if name.endswith("protocol_error") and value} == {}
    assert stats["http.grpc.downstream_rq_total"] == stats["http.grpc.downstream_rq_http2_total"]
    assert rig.proxy.stats(active) == {
        "http.grpc.downstream_rq_active": 0,
        "cluster.up.upstream_rq_active": 0,
    }
