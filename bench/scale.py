"""How start-up, memory and a scrape grow with the configuration, and what an idle connection costs.

N clusters of two endpoints and N virtual hosts, from a JSON file, one worker.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.process_figures import memory_mib
from bench.proxies import address, present
from bench.running import BenchError, free_port, running

_TYPED = "type.googleapis.com/envoy.extensions.filters."
READY_LIMIT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """One proxy with one size of configuration."""

    proxy: str
    clusters: int
    ready_s: float
    memory_mib: float
    scrape_s: float
    scrape_mb: float
    used_only_scrape_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleConnections:
    """What open connections cost that have made one request and wait."""

    proxy: str
    connections: int
    kib_per_connection: float


def configuration(size: int, port: int, admin: int) -> dict[str, Any]:
    """A bootstrap of `size` clusters and virtual hosts."""
    clusters = [
        {
            "name": f"c{number}",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": f"c{number}",
                "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in (18080, 18081)]}
                ],
            },
        }
        for number in range(size)
    ]
    virtual_hosts = [
        {
            "name": f"v{number}",
            "domains": [f"service{number}.example"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": f"c{number}"}}],
        }
        for number in range(size)
    ]
    virtual_hosts.append(
        {
            "name": "probe",
            "domains": ["probe.example"],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
        }
    )
    manager = {
        "@type": _TYPED + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "route_config": {"name": "r", "virtual_hosts": virtual_hosts},
        "http_filters": [{"name": "router", "typed_config": {"@type": _TYPED + "http.router.v3.Router"}}],
    }
    listener = {
        "name": "l",
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"clusters": clusters, "listeners": [listener]},
    }


def footprints(sizes: Sequence[int], proxies: Sequence[str], folder: Path) -> Iterator[Footprint]:
    """Start-up, memory and scrape of each proxy at each size."""
    for size in sizes:
        for proxy in proxies:
            start = time.monotonic()
            with _started(proxy, size, folder) as (process_id, _, admin):
                ready_s = _seconds_until_ready(admin, start)
                memory = memory_mib(process_id)
                scrape, scrape_s = _timed_fetch(f"http://127.0.0.1:{admin}/stats/prometheus")
                _, used_only_s = _timed_fetch(f"http://127.0.0.1:{admin}/stats/prometheus?usedonly")
            yield Footprint(
                proxy=proxy,
                clusters=size,
                ready_s=ready_s,
                memory_mib=memory,
                scrape_s=scrape_s,
                scrape_mb=len(scrape) / 1e6,
                used_only_scrape_s=used_only_s,
            )


def idle_connections(connections: int, proxies: Sequence[str], folder: Path) -> Iterator[IdleConnections]:
    """Memory of each proxy for each of so many connections that made one request and stay open."""
    raise_descriptor_limit(connections + 200)
    for proxy in proxies:
        with _started(proxy, 1, folder) as (process_id, port, admin), contextlib.ExitStack() as opened:
            _seconds_until_ready(admin, time.monotonic())
            before_mib = memory_mib(process_id)
            for _ in range(connections):
                opened.enter_context(_connection_after_request(port))
            grown_kib = (memory_mib(process_id) - before_mib) * 1024
        yield IdleConnections(
            proxy=proxy, connections=connections, kib_per_connection=grown_kib / connections
        )


@contextlib.contextmanager
def _started(proxy: str, size: int, folder: Path) -> Iterator[tuple[int, int, int]]:
    port, admin = free_port(), free_port()
    path = folder / f"scale-{proxy}-{size}.json"
    path.write_text(json.dumps(configuration(size, port, admin)))
    command = [present(proxy) or proxy, "-c", str(path), "--concurrency", "1", "-l", "error"]
    if proxy == "envoy":
        command.append("--use-dynamic-base-id")
    with running(command, admin, folder, cpu=None) as process:
        yield process.pid, port, admin


def _seconds_until_ready(admin: int, start: float) -> float:
    while time.monotonic() - start < READY_LIMIT_S:
        with contextlib.suppress(OSError):
            if _timed_fetch(f"http://127.0.0.1:{admin}/ready")[0].startswith(b"LIVE"):
                return time.monotonic() - start
        time.sleep(0.005)
    raise BenchError(f"not ready after {READY_LIMIT_S} s")


def _timed_fetch(url: str) -> tuple[bytes, float]:
    start = time.monotonic()
    with urllib.request.urlopen(url, timeout=READY_LIMIT_S) as response:
        body: bytes = response.read()
    return body, time.monotonic() - start


def _connection_after_request(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(b"GET / HTTP/1.1\r\nhost: probe.example\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(4096)
        if not piece:
            raise BenchError("the connection was closed before the response came")
        answer += piece
    if not re.match(rb"HTTP/1\.1 200 ", answer):
        raise BenchError(f"the response was {answer[:60]!r}")
    return connection


def raise_descriptor_limit(wanted: int) -> None:
    """So many files may be open. Raises BenchError if the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard < wanted:
            raise BenchError(f"{wanted} file descriptors needed, {hard} granted (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
