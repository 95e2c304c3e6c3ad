"""The benchmark against the peers: each case through each proxy, round by round.

The proxy is pinned to one CPU, load and upstream to another. A round is every case through every proxy, so
that a noisy minute hits all of them; the result is the median of the rounds.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cases import BODIES, Case
from bench.load import LOAD_CPU, send
from bench.process_figures import cpu_s, memory_mib
from bench.proxies import PROXIES, nginx_command, nginx_http, nginx_start, takes_part
from bench.running import BenchError, free_port, running

PROXY_CPU = 0
WARM_UP_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One proxy, one case, one round."""

    case: str
    proxy: str
    cpu_us_per_request: float
    requests_per_s: float
    p50: str
    p99: str
    memory_mib: float
    requests: int
    failed: int


def compare(
    cases: Sequence[Case], proxies: Sequence[str], rounds: int, seconds: int, folder: Path
) -> Iterator[Measurement]:
    """Every measurement as it is made."""
    with nginx_upstream(folder) as http1, nginx_upstream(folder, http2=True) as http2:
        for _ in range(rounds):
            for case in cases:
                upstream = http2 if case.http2_upstream else http1
                for proxy in (name for name in proxies if takes_part(name, case)):
                    yield _measure(proxy, case, upstream, seconds, folder)


def medians(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """Case to proxy to the median of CPU microseconds a request."""
    table: dict[str, dict[str, list[float]]] = {}
    for one in measurements:
        table.setdefault(one.case, {}).setdefault(one.proxy, []).append(one.cpu_us_per_request)
    return {
        case: {proxy: statistics.median(values) for proxy, values in row.items()}
        for case, row in table.items()
    }


@contextmanager
def nginx_upstream(folder: Path, *, http2: bool = False) -> Iterator[int]:
    """The port of an nginx that answers every path, those of `BODIES` with a body."""
    port = free_port()
    name, version = f"upstream-{port}", "http2 " if http2 else ""
    locations = 'location / { return 200 "hello world\\n"; }'
    # Passed on once all of the body is there.
    locations += f" location /sink {{ proxy_pass http://127.0.0.1:{port}/; }}"
    for path, size in BODIES.items():
        (folder / path.strip("/")).write_bytes(os.urandom(size))
        locations += f" location = {path} {{ alias {folder}{path}; }}"
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        f"{nginx_start(name, folder)}http {{ default_type text/plain; {nginx_http(name, folder)}"
        f"server {{ listen 127.0.0.1:{port} {version}backlog=8192; {locations} }} }}\n"
    )
    with running(nginx_command(configuration), port, folder, cpu=LOAD_CPU):
        yield port


def _measure(proxy: str, case: Case, upstream: int, seconds: int, folder: Path) -> Measurement:
    port = free_port()
    command = PROXIES[proxy](case, port, upstream, folder)
    with running(command, port, folder, cpu=PROXY_CPU) as process:
        send(case, port, WARM_UP_S)
        before_s = cpu_s(process.pid)
        load = send(case, port, seconds)
        time.sleep(0.05)  # the last responses are still being accounted for
        used_s = cpu_s(process.pid) - before_s
        if not load.requests:
            raise BenchError(f"{proxy} answered nothing in case {case.name}")
        return Measurement(
            case=case.name,
            proxy=proxy,
            cpu_us_per_request=used_s / load.requests * 1e6,
            requests_per_s=load.requests_per_s,
            p50=load.p50,
            p99=load.p99,
            memory_mib=memory_mib(process.pid),
            requests=load.requests,
            failed=load.failed,
        )
