"""How start-up, memory and a scrape grow with the configuration.

N clusters of two endpoints and N virtual hosts, from a JSON file, one worker.
"""

from __future__ import annotations

import contextlib
import json
import resource
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
            with _started(proxy, size, folder) as (process_id, admin):
                ready_s = seconds_until_ready(admin, start)
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


@contextlib.contextmanager
def _started(proxy: str, size: int, folder: Path) -> Iterator[tuple[int, int]]:
    admin = free_port()
    path = folder / f"scale-{proxy}-{size}.json"
    path.write_text(json.dumps(configuration(size, free_port(), admin)))
    with started(proxy, path, admin, folder) as process_id:
        yield process_id, admin


@contextlib.contextmanager
def started(proxy: str, path: Path, admin: int, folder: Path) -> Iterator[int]:
    """The number of a proxy's process while it runs with one worker on a file."""
    command = [present(proxy) or proxy, "-c", str(path), "--concurrency", "1", "-l", "error"]
    if proxy == "envoy":
        command.append("--use-dynamic-base-id")
    with running(command, admin, folder, cpu=None) as process:
        yield process.pid


def seconds_until_ready(admin: int, start: float) -> float:
    """Until `/ready` says that it is live. Raises BenchError if it never does."""
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


def raise_descriptor_limit(wanted: int) -> None:
    """So many files may be open. Raises BenchError if the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard < wanted:
            raise BenchError(f"{wanted} file descriptors needed, {hard} granted (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
