"""Slow attackers: thousands of connections that dawdle, beside one client that does not.

Four ways, those of slowhttptest: the head comes bit by bit, the body does, the response is not read, and
requests for thousands of ranges that then fall silent. What counts: the good client never fails and waits
hardly longer than alone, and every slow connection is cut when its timeout is over.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.peers import PROXY_CPU, nginx_upstream
from bench.process_figures import memory_mib
from bench.proxies import address, present
from bench.running import BenchError, free_port, running
from bench.scale import raise_descriptor_limit

_TYPED = "type.googleapis.com/envoy.extensions.filters."
TIMEOUT_S = 5.0
"""Every timeout of the configuration."""
_GOOD_PAUSE_S = 0.004
_TRICKLE_S = 0.5
"""How often each slow client sends its bit."""
_SLICES = 50
"""In that time; so many bits come at once, as from clients that know nothing of each other."""
_WATCH_S = 0.25
_GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
_RANGES = b",".join(b"5-%d" % end for end in range(1300))
MODES: dict[str, tuple[bytes, bytes]] = {
    "head": (b"GET / HTTP/1.1\r\nhost: a\r\n", b"x: y\r\n"),
    "body": (b"POST /sink HTTP/1.1\r\nhost: a\r\ncontent-length: 8192\r\n\r\n", b"x"),
    "read": (b"GET /1m HTTP/1.1\r\nhost: a\r\n\r\n", b""),
    "range": (b"GET / HTTP/1.1\r\nhost: a\r\nrange: bytes=0-," + _RANGES + b"\r\n\r\n", b""),
}
"""What a slow client sends at once, and then bit by bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way of being slow, and what it did."""

    proxy: str
    mode: str
    connections: int
    cut: int
    """How many the proxy closed while the attack lasted."""
    cut_after_s: tuple[float, float]
    """When the first and the last were cut, from when all were open; to a quarter of a second."""
    good_requests: int
    good_failed: int
    p99_alone_ms: float
    p99_ms: float
    kib_per_connection: float


def configuration(port: int, admin: int, upstream: int) -> dict[str, Any]:
    """An edge listener: every timeout set, buffers of 32 KiB."""
    limit = f"{TIMEOUT_S:g}s"
    manager = {
        "@type": _TYPED + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "request_headers_timeout": limit,
        "request_timeout": limit,
        "stream_idle_timeout": limit,
        "delayed_close_timeout": "0.1s",
        "drain_timeout": "0.1s",  # passes between the end of the idle timeout and the close
        "common_http_protocol_options": {"idle_timeout": limit},
        "http_filters": [{"name": "router", "typed_config": {"@type": _TYPED + "http.router.v3.Router"}}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
                }
            ]
        },
    }
    listener = {
        "name": "edge",
        "address": address(port),
        "per_connection_buffer_limit_bytes": 32768,
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    cluster = {
        "name": "upstream",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": 32768,
        "circuit_breakers": {"thresholds": [{"max_connections": 9000, "max_requests": 9000}]},
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
        },
    }
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def attacks(proxy: str, connections: int, folder: Path) -> Iterator[Attack]:
    """Each way of being slow, one after the other, each against a fresh process."""
    raise_descriptor_limit(2 * connections + 500)
    for mode in MODES:
        with nginx_upstream(folder) as upstream:
            port, admin = free_port(), free_port()
            path = folder / "slow.json"
            path.write_text(json.dumps(configuration(port, admin, upstream)))
            command = [present(proxy) or proxy, "-c", str(path), "--concurrency", "1", "-l", "error"]
            command += ["--use-dynamic-base-id"] if proxy == "envoy" else []
            with running(command, admin, folder, cpu=PROXY_CPU) as process:
                yield _attack(proxy, mode, (port, admin), connections, process.pid)


def _attack(proxy: str, mode: str, ports: tuple[int, int], connections: int, process_id: int) -> Attack:
    port, admin = ports
    alone, failed_alone = _good_client(port, TIMEOUT_S)
    before_mib = memory_mib(process_id)
    ours, theirs = multiprocessing.Pipe()
    attackers = multiprocessing.Process(target=_attackers, args=(mode, port, connections, theirs))
    attackers.start()
    ours.recv()  # all are connected
    grown_kib = (memory_mib(process_id) - before_mib) * 1024
    with _watching(admin) as open_at:
        beside, failed = _good_client(port, 2 * TIMEOUT_S)
    ours.send("end")
    attackers.join()
    # The good client is one that stays open.
    cut_at = (
        [at for at, count in open_at if count < connections],
        [at for at, count in open_at if count <= 1],
    )
    return Attack(
        proxy=proxy, mode=mode, connections=connections, cut=connections + 1 - max(1, open_at[-1][1]),
        cut_after_s=(min(cut_at[0], default=0.0), min(cut_at[1], default=0.0)),
        good_requests=len(alone) + len(beside), good_failed=failed_alone + failed,
        p99_alone_ms=_p99(alone), p99_ms=_p99(beside), kib_per_connection=grown_kib / connections,
    )  # fmt: skip


@contextlib.contextmanager
def _watching(admin: int) -> Iterator[list[tuple[float, int]]]:
    """How many connections are open, and when; the last one is from the end."""
    start, ended = time.monotonic(), threading.Event()
    seen: list[tuple[float, int]] = []

    def look() -> None:
        url = f"http://127.0.0.1:{admin}/stats?filter=^http.h.downstream_cx_active"
        with urllib.request.urlopen(url, timeout=10) as response:
            seen.append((time.monotonic() - start, int(response.read().split()[-1])))

    def watch() -> None:
        while not ended.wait(_WATCH_S):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
    look()


def _p99(seconds: list[float]) -> float:
    if len(seconds) < 2:
        raise BenchError("the good client got no answers")
    return statistics.quantiles(seconds, n=100)[98] * 1000


def _good_client(port: int, lasts_s: float) -> tuple[list[float], int]:
    """Asks again and again on one connection: how long each took, and how many failed."""
    times: list[float] = []
    failed = 0
    ends = time.monotonic() + lasts_s
    while time.monotonic() < ends:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                while time.monotonic() < ends:
                    start = time.monotonic()
                    connection.sendall(_GET)
                    if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                        raise ConnectionError
                    times.append(time.monotonic() - start)
                    time.sleep(_GOOD_PAUSE_S)
        except OSError:
            failed += 1
    return times, failed


def _attackers(mode: str, port: int, connections: int, control: Connection) -> None:
    """Opens the connections and trickles, in a process of its own that yields the CPU to the good client."""
    os.nice(19)
    first, more = MODES[mode]
    with contextlib.ExitStack() as opened:
        attackers = [opened.enter_context(socket.socket()) for _ in range(connections)]
        for attacker in attackers:
            # Small, so that what is not read fills it at once.
            attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            attacker.connect(("127.0.0.1", port))
            attacker.setblocking(False)
            with contextlib.suppress(OSError):
                attacker.send(first)
        control.send("connected")
        turn = 0
        while not control.poll(_TRICKLE_S / _SLICES):
            for attacker in attackers[turn::_SLICES] if more else ():
                with contextlib.suppress(OSError):
                    attacker.send(more)
            turn = (turn + 1) % _SLICES
