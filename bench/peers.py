"""The benchmark against the peers: each case through each proxy, round by round.

The proxy is pinned to one CPU, load and upstream to another. A round is every case through every proxy, so
that a noisy minute hits all of them; the result is the median of the rounds.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cases import BODIES, Case
from bench.process_figures import cpu_s, memory_mib
from bench.proxies import PROXIES, nginx_command, nginx_http, nginx_start, takes_part
from bench.running import BenchError, free_port, running

PROXY_CPU, LOAD_CPU = 0, 1
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
    with nginx_upstream(folder) as upstream:
        for _ in range(rounds):
            for case in cases:
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
def nginx_upstream(folder: Path) -> Iterator[int]:
    """The port of an nginx that answers every path, those of `BODIES` with a body."""
    port = free_port()
    locations = 'location / { return 200 "hello world\\n"; }'
    # Passed on once all of the body is there.
    locations += f" location /sink {{ proxy_pass http://127.0.0.1:{port}/; }}"
    for path, size in BODIES.items():
        (folder / path.strip("/")).write_bytes(os.urandom(size))
        locations += f" location = {path} {{ alias {folder}{path}; }}"
    configuration = folder / "upstream.conf"
    configuration.write_text(
        f"{nginx_start('upstream', folder)}http {{ default_type text/plain; {nginx_http('upstream', folder)}"
        f"server {{ listen 127.0.0.1:{port} backlog=8192; {locations} }} }}\n"
    )
    with running(nginx_command(configuration), port, folder, cpu=LOAD_CPU):
        yield port


def _measure(proxy: str, case: Case, upstream: int, seconds: int, folder: Path) -> Measurement:
    port = free_port()
    command = PROXIES[proxy](case, port, upstream, folder)
    with running(command, port, folder, cpu=PROXY_CPU) as process:
        _load(case, port, WARM_UP_S)
        before_s = cpu_s(process.pid)
        said = _load(case, port, seconds)
        time.sleep(0.05)  # the last responses are still being accounted for
        used_s = cpu_s(process.pid) - before_s
        requests, failed = counted(said)
        if not requests:
            raise BenchError(f"{proxy} answered nothing in case {case.name}:\n{said}")
        return Measurement(
            case=case.name,
            proxy=proxy,
            cpu_us_per_request=used_s / requests * 1e6,
            requests_per_s=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
            p50=_found(r"50%\s+(\S+)", said),
            p99=_found(r"99%\s+(\S+)", said),
            memory_mib=memory_mib(process.pid),
            requests=requests,
            failed=failed,
        )


def _load(case: Case, port: int, seconds: int) -> str:
    extra = ["-H", "Connection: close"] if case.close else []
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "--latency", *extra]
    pinned = ["taskset", "-c", str(LOAD_CPU), *command, f"http://127.0.0.1:{port}{case.path}"]
    return subprocess.run(pinned, capture_output=True, text=True, check=True).stdout


def counted(said: str) -> tuple[int, int]:
    """How many requests wrk says that it made, and how many failed."""
    failures = re.findall(r"(?:connect|read|write|timeout|Non-2xx or 3xx responses:) (\d+)", said)
    return int(_found(r"(\d+) requests in", said)), sum(map(int, failures))


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise BenchError(f"wrk said something else than expected:\n{text}")
    return match[1]
