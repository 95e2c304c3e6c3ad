"""The requests of the demo: one for every route of `examples/front_proxy/ferryman.yaml`, and what must come.

Owns sending them, through the proxy and straight to the upstream, and timing both. What the table looks like
is `report.py`'s business.
"""

from __future__ import annotations

import http.client
import socket
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

REPEATS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request and what must come of it. `upstreams`: all that may answer; () if the proxy itself does."""

    route: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    upstreams: tuple[str, ...] = ()
    seen_path: str = ""
    """The path that the upstream must see; "" for the same."""
    says: str = ""
    """A line that the body must have."""

    @property
    def title(self) -> str:
        """The request as the table shows it."""
        extra = "".join(f"  {name}: {value}" for name, value in self.headers.items())
        return f"GET {self.path}{extra}"


PROBES = (
    Probe(route="ping", path="/ping", says="pong"),
    Probe(route="old-address", path="/shop/catalog", status=301),
    Probe(route="catalog", path="/catalog", upstreams=("catalog-1", "catalog-next-1")),
    Probe(route="beta", path="/catalog", headers={"x-beta": "yes"}, upstreams=("catalog-next-1",)),
    Probe(route="orders", path="/orders/7?show=x-shop", upstreams=("orders-1", "orders-2"),
          seen_path="/v2/7?show=x-shop", says="x-shop: front"),
    Probe(route="search", path="/search?q=tea&show=host", upstreams=("catalog-1",),
          says="host: search.internal"),
    Probe(route="report", path="/report/2026", upstreams=("orders-1", "orders-2")),
    Probe(route="report", path="/report/2026?delay_ms=400", status=504),
    Probe(route="staff", path="/", headers={"host": "staff.example"}, upstreams=("staff-1",)),
    Probe(route="", path="/nowhere", status=404),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to a probe. Times are medians in milliseconds; None where there is nothing to compare."""

    title: str
    route: str
    upstreams: str
    status: str
    direct_ms: float | None
    through_ms: float
    wrong: str = ""
    """Why this is not what must come; "" if it is."""

    @property
    def added_ms(self) -> float | None:
        """What the way through the proxy costs."""
        return None if self.direct_ms is None else self.through_ms - self.direct_ms


def send(probe: Probe, proxy: tuple[str, int], upstreams: dict[str, tuple[str, int]]) -> Outcome:
    """Sends a probe, REPEATS times if an upstream answers, each time straight to the upstream as well."""
    through = http.client.HTTPConnection(*proxy, timeout=10)
    direct = (
        http.client.HTTPConnection(*upstreams[probe.upstreams[0]], timeout=10) if probe.upstreams else None
    )
    direct_s, through_s, answered = [], [], Counter[str]()
    wrong = route = ""
    status = 0
    try:
        for _ in range(REPEATS if direct else 1):
            if direct:
                direct_s.append(_timed(direct, probe.seen_path or probe.path, probe.headers)[0])
            seconds, response, body = _timed(through, probe.path, probe.headers)
            through_s.append(seconds)
            answered[response.headers.get("x-upstream", "")] += 1
            status, route = response.status, response.headers.get("x-route", "")
            wrong = wrong or wrong_with(probe, response.status, dict(response.headers), body)
    except (OSError, http.client.HTTPException) as error:
        wrong = f"{type(error).__name__}: {error}"
    finally:
        through.close()
        if direct:
            direct.close()
    return Outcome(
        title=probe.title,
        route=route or "–",
        upstreams=_shares(answered) if probe.upstreams else "–",
        status=str(status or "–"),
        direct_ms=statistics.median(direct_s) * 1000 if direct_s else None,
        through_ms=statistics.median(through_s) * 1000 if through_s else 0.0,
        wrong=wrong,
    )


def send_tcp(proxy: tuple[str, int], upstream: tuple[str, int]) -> Outcome:
    """Sends lines through the TCP listener to the echo service, and straight to it."""
    wrong = ""
    direct_s, through_s = [], []
    try:
        with socket.create_connection(upstream, 10) as direct, socket.create_connection(proxy, 10) as through:
            for number in range(REPEATS):
                line = f"line {number}\n".encode()
                direct_s.append(_echoed(direct, line))
                through_s.append(_echoed(through, line))
    except OSError as error:
        wrong = str(error)
    return Outcome(
        title="TCP: 40 lines",
        route="tcp",
        upstreams="echo-1",
        status="closed" if wrong else "echoed",
        direct_ms=statistics.median(direct_s) * 1000 if direct_s else None,
        through_ms=statistics.median(through_s) * 1000 if through_s else 0.0,
        wrong=wrong,
    )


def _timed(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[float, http.client.HTTPResponse, str]:
    start = time.perf_counter()
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    return time.perf_counter() - start, response, body.decode(errors="replace")


def _echoed(connection: socket.socket, line: bytes) -> float:
    start = time.perf_counter()
    connection.sendall(line)
    answer = b""
    while len(answer) < len(line):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("the connection was closed before the echo came")
        answer += piece
    if answer != line:
        raise ConnectionError(f"echo of {line!r} was {answer!r}")
    return time.perf_counter() - start


def wrong_with(probe: Probe, status: int, headers: Mapping[str, str], body: str) -> str:
    """Why a response is not what must come; "" if it is."""
    route, upstream = headers.get("x-route", ""), headers.get("x-upstream", "")
    if status != probe.status:
        return f"status {status}, expected {probe.status}"
    if route != probe.route:
        return f"route '{route}', expected '{probe.route}'"
    if probe.upstreams and upstream not in probe.upstreams:
        return f"upstream '{upstream}', expected {' or '.join(probe.upstreams)}"
    first = f"{upstream}: GET {probe.seen_path or probe.path}"
    if probe.upstreams and body.split("\n")[0] != first:
        return f"body starts {body[:60]!r}, expected {first!r}"
    if probe.says and probe.says not in body.split("\n"):
        return f"body lacks {probe.says!r}"
    return ""


def _shares(answered: Counter[str]) -> str:
    if len(answered) == 1:
        return next(iter(answered))
    return ", ".join(f"{name} {count}×" for name, count in sorted(answered.items()))
