"""Each attack of `attacks` on a running proxy: cut off, cheap, and nobody else notices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.frames import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Connection,
    frame,
    request,
    setting,
)
from harness.bootstrap import TYPE
from harness.proxy_process import ProxyProcess

from floods.attacks import ATTACKS, Attack, pieces

MOST_BYTES = 8 << 20
MOST_CPU_S = 1.0
COUNTERS_OF_CLOSED_WINDOWS = {
    "ferryman": "http.flooded.downstream_rq_idle_timeout",
    "envoy": "http2.tx_flush_timeout",
}
"""A difference that docs/differences_from_envoy.md explains."""
LOOPBACK = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


def configuration() -> dict[str, Any]:
    """Answers at once; a malformed message ends its stream alone, so that there can be many."""
    reply = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}
    manager = {
        "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "flooded",
        "codec_type": "HTTP2",
        "delayed_close_timeout": "0.05s",
        "stream_idle_timeout": "1s",
        "http2_protocol_options": {
            "override_stream_error_on_invalid_http_message": True,
        },
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [reply]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
        ],
    }
    filters = [{"name": "manager", "typed_config": manager}]
    listener = {"name": "main", "address": LOOPBACK, "filter_chains": [{"filters": filters}]}
    return {"admin": {"address": LOOPBACK}, "static_resources": {"listeners": [listener]}}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ProxyProcess]:
    which = request.config.getoption("--proxy")
    started = ProxyProcess(which, configuration(), tmp_path_factory.mktemp("floods"), [])
    yield started
    started.stop()


class GoodClient:
    """One connection that asks now and then."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._next = 1

    def asks(self) -> None:
        stream, self._next = self._next, self._next + 2
        self._connection.send(request(stream))
        while (came := self._connection.next()) is not None:
            assert came.kind not in (GOAWAY, RST_STREAM), f"{came}"
            if came.kind in (HEADERS, DATA) and came.flags & END_STREAM and came.stream == stream:
                return
        pytest.fail("the good client was cut off")


def cpu_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("name", ATTACKS)
def test_flood(name: str, proxy: ProxyProcess) -> None:
    port = int(proxy.listeners()["main"][1])
    with Connection(port, tls=False) as attacker, Connection(port, tls=False) as beside:
        flood(ATTACKS[name], proxy, attacker, GoodClient(beside))


def flood(attack: Attack, proxy: ProxyProcess, attacker: Connection, good: GoodClient) -> None:
    good.asks()
    before = proxy.stats("^http2\\.")
    memory, cpu = proxy.resident_bytes(), cpu_seconds(proxy.process.pid)
    attacker.send(attack.first)
    for at, piece in enumerate(pieces(attack)):
        attacker.send(piece)
        if at % 5 == 0:
            good.asks()
    while attacker.next() is not None:
        pass
    good.asks()
    grown, spent = proxy.resident_bytes() - memory, cpu_seconds(proxy.process.pid) - cpu
    assert grown <= MOST_BYTES and spent <= MOST_CPU_S, f"{grown} bytes, {spent} s"
    risen = {key for key, value in proxy.stats("^http2\\.").items() if value > before.get(key, 0)}
    assert not attack.counter or f"http2.{attack.counter}" in risen, f"{risen}"


def test_windows_that_stay_closed(proxy: ProxyProcess) -> None:
    """Each response waits for a window that never opens: its stream is reset when its time is over."""
    port = int(proxy.listeners()["main"][1])
    streams = range(1, 200, 2)
    counter = COUNTERS_OF_CLOSED_WINDOWS[proxy.which]
    before = proxy.stats(counter).get(counter, 0)
    memory = proxy.resident_bytes()
    closed = PREFACE + frame(SETTINGS, 0, 0, setting(4, 0))
    with Connection(port, tls=False, preface=closed) as attacker, Connection(port, tls=False) as beside:
        attacker.send(b"".join(request(stream) for stream in streams))
        good, waiting = GoodClient(beside), set(streams)
        while waiting:
            came = attacker.next()
            assert came is not None and came.kind not in (DATA, GOAWAY), f"{came}"
            if came.kind == RST_STREAM:
                waiting.discard(came.stream)
        good.asks()
    assert proxy.resident_bytes() - memory <= MOST_BYTES
    assert proxy.stats(counter)[counter] - before == len(streams)
