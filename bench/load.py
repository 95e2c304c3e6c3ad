"""The programs that send the load: wrk for HTTP/1.1, h2load for HTTP/2."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from bench.cases import Case
from bench.running import BenchError

LOAD_CPU = 1
HTTP2_CONNECTIONS, HTTP2_STREAMS = 8, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the program says of what it sent."""

    requests: int
    failed: int
    requests_per_s: float
    p50: str
    p99: str
    """h2load tells no quantiles: its mean and its longest stand for them."""


def send(case: Case, port: int, seconds: int) -> Load:
    """Sends the requests of a case for so many seconds."""
    url = f"{'https' if case.tls else 'http'}://127.0.0.1:{port}{case.path}"
    return _h2load(url, seconds) if case.http2 else _wrk(case, url, seconds)


def counted(said: str) -> tuple[int, int]:
    """How many requests wrk says that it made, and how many failed."""
    failures = re.findall(r"(?:connect|read|write|timeout|Non-2xx or 3xx responses:) (\d+)", said)
    return int(_found(r"(\d+) requests in", said)), sum(map(int, failures))


def _wrk(case: Case, url: str, seconds: int) -> Load:
    extra = ["-H", "Connection: close"] if case.close else []
    said = _run("wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "--latency", *extra, url)
    requests, failed = counted(said)
    return Load(
        requests=requests,
        failed=failed,
        requests_per_s=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50=_found(r"50%\s+(\S+)", said),
        p99=_found(r"99%\s+(\S+)", said),
    )


def _h2load(url: str, seconds: int) -> Load:
    shape = [f"-c{HTTP2_CONNECTIONS}", f"-m{HTTP2_STREAMS}", "-t1"]
    said = _run("h2load", *shape, "-D", str(seconds), url)
    succeeded, failed = (int(_found(rf"requests: .*?(\d+) {word}", said)) for word in ("succeeded", "failed"))
    answered = int(_found(r"status codes: (\d+) 2xx", said))
    times = re.search(r"time for request:\s+(\S+)\s+(\S+)\s+(\S+)", said)
    return Load(
        requests=answered,
        failed=failed + max(succeeded - answered, 0),
        requests_per_s=float(_found(r"finished in [\d.]+m?s, ([\d.]+) req/s", said)),
        p50=times[3] if times else "?",
        p99=times[2] if times else "?",
    )


def _run(*command: str) -> str:
    pinned = ["taskset", "-c", str(LOAD_CPU), *command]
    return subprocess.run(pinned, capture_output=True, text=True, check=True).stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise BenchError(f"the load generator said something else than expected:\n{text}")
    return match[1]
