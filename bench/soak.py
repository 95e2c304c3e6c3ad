"""The soak: half of the load that the proxy can carry, with churn, for long; what grows is a leak.

Half of the requests a second that it reaches flat out come over kept connections. Beside them clients come
and go in every way that a client can: they close, abort in the middle of a response, leave half a request,
send what is no HTTP, read nothing. The upstream breaks connections too. Logs are reopened, statistics are
scraped.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import LOAD_CPU, counted
from bench.peers import PROXY_CPU, nginx_upstream
from bench.process_figures import anonymous_mib
from bench.proxies import address, present
from bench.running import BenchError, free_port, running

_TYPED = "type.googleapis.com/envoy.extensions."
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
LOG = "soak.log"
_CONNECTIONS = 256
_CHURN_PAUSE_S = 0.01
_SAMPLE_S = 5.0
_QUIET_S = 10.0
_GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
_LARGE = b"GET /1m HTTP/1.1\r\nhost: a\r\n\r\n"
_BROKEN = b"GET /broken HTTP/1.1\r\nhost: a\r\n\r\n"
_POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The process at one moment of the soak."""

    at_s: float
    memory_mib: float
    """What it has allocated."""
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What a soak showed."""

    proxy: str
    minutes: float
    requests: int
    failed: int
    churned: int
    mib_per_hour: float
    """Growth of memory: least squares over the second half."""
    memory_mib: float
    memory_curve_mib: list[float]
    """At each twentieth of the time: whether growth comes to an end."""
    descriptors: tuple[int, int]
    """Fewest and most in the second half."""
    threads: tuple[int, int]
    gauges_left: dict[str, int]
    """Gauges of what is active or buffered that are not 0 when all clients have gone."""


def configuration(http: int, tcp: int, admin: int, ports: tuple[int, int], folder: Path) -> dict[str, Any]:
    """HTTP and TCP listeners; idle connections to upstreams close after a second."""
    log = {
        "name": "file",
        "typed_config": {
            "@type": _TYPED + "access_loggers.file.v3.FileAccessLog",
            "path": f"{folder}/soak.log",
        },
    }
    manager = {
        "@type": _TYPED + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "access_log": [log],
        "stream_idle_timeout": "2s",
        "request_timeout": "2s",
        "common_http_protocol_options": {"idle_timeout": "2s"},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": _TYPED + "filters.http.router.v3.Router"}}
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"path": "/broken"}, "route": {"cluster": "broken"}},
                        {"match": {"prefix": "/"}, "route": {"cluster": "sound"}},
                    ],
                }
            ]
        },
    }
    tcp_proxy = {
        "@type": _TYPED + "filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "t",
        "cluster": "sound",
        "idle_timeout": "2s",
    }
    listeners = [
        {
            "name": name,
            "address": address(port),
            "filter_chains": [{"filters": [{"name": name, "typed_config": typed_config}]}],
        }
        for name, port, typed_config in (("http", http, manager), ("tcp", tcp, tcp_proxy))
    ]
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": listeners,
            "clusters": [_cluster(name, port) for name, port in zip(("sound", "broken"), ports, strict=True)],
        },
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    options = {
        "@type": "type.googleapis.com/" + _OPTIONS,
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"idle_timeout": "1s"},
    }
    return {
        "name": name,
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
    }


def soak(proxy: str, minutes: float, share: float, folder: Path) -> Soak:
    """Runs it. `share` is of the load that the proxy carries flat out."""
    http, tcp, admin = free_port(), free_port(), free_port()
    with nginx_upstream(folder) as sound, _broken_upstream() as broken:
        path = folder / "soak.json"
        path.write_text(json.dumps(configuration(http, tcp, admin, (sound, broken), folder)))
        command = [present(proxy) or proxy, "-c", str(path), "--concurrency", "1", "-l", "error"]
        if proxy == "envoy":
            command.append("--use-dynamic-base-id")
        with running(command, admin, folder, cpu=PROXY_CPU) as process:
            rate = _flat_out(http) * share
            with _churning(http, tcp) as churned, _tending(process.pid, admin, folder) as samples:
                requests, failed = _steady_load(http, rate, minutes, folder)
            time.sleep(_QUIET_S)  # idle timeouts close what is left
            left = _gauges_left(admin)
    second_half = samples[len(samples) // 2 :]
    descriptors = [sample.descriptors for sample in second_half]
    threads = [sample.threads for sample in second_half]
    return Soak(
        proxy=proxy, minutes=minutes, requests=requests, failed=failed, churned=churned[0],
        mib_per_hour=slope(second_half) * 3600, memory_mib=second_half[-1].memory_mib,
        memory_curve_mib=[round(one.memory_mib, 2) for one in samples[:: max(1, len(samples) // 20)]],
        descriptors=(min(descriptors), max(descriptors)), threads=(min(threads), max(threads)),
        gauges_left=left,
    )  # fmt: skip


def _flat_out(port: int) -> float:
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{_CONNECTIONS}", "-d3s"]
    said = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said.stdout)
    if found is None:
        raise BenchError(f"wrk said something else than expected:\n{said.stdout}")
    return float(found[1])


def _steady_load(port: int, rate: float, minutes: float, folder: Path) -> tuple[int, int]:
    """Requests made and failed.

    Each client waits for its response and then for a while: nothing piles up where the machine is too busy.
    """
    pause_ms = _CONNECTIONS / rate * 1000
    script = folder / "pace.lua"
    script.write_text(f"function delay() return math.random() * {2 * pause_ms:.3f} end\n")
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{round(minutes * 60)}s"]
    command += ["-s", str(script), f"http://127.0.0.1:{port}/"]
    return counted(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@contextlib.contextmanager
def _broken_upstream() -> Iterator[int]:
    """Answers each connection with the beginning of a response, nonsense or nothing, then resets it."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        answers = (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with contextlib.suppress(OSError):
                        connection.settimeout(2)
                        connection.recv(4096)
                        connection.sendall(random.choice(answers))
                        _reset(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _ask(connection: socket.socket, *requests: bytes) -> None:
    for request in requests:
        connection.sendall(request)
    connection.recv(65536)


def _leave(connection: socket.socket, *sent: bytes) -> None:
    for data in sent:
        connection.sendall(data)
    random.choice((connection.close, lambda: _reset(connection)))()


_HTTP_CLIENTS: Sequence[Callable[[socket.socket], None]] = (
    lambda connection: _ask(connection, _GET),
    lambda connection: _ask(connection, _GET * 3),
    lambda connection: _ask(connection, _BROKEN),
    lambda connection: _ask(connection, _LARGE),  # and leaves the rest of the response
    lambda connection: _ask(connection, b"\x16\x03\x01 no HTTP\r\n\r\n"),
    lambda connection: _leave(connection),
    lambda connection: _leave(connection, _GET[:20]),
    lambda connection: _leave(connection, _LARGE),
    lambda connection: _leave(connection, _POST, b"x" * 50_000),
)


@contextlib.contextmanager
def _churning(http: int, tcp: int) -> Iterator[list[int]]:
    """Clients that come and go; counts them. Some stay until the proxy cuts them."""
    count, ended = [0], threading.Event()

    def churn() -> None:
        silent: list[socket.socket] = []
        while not ended.wait(_CHURN_PAUSE_S):
            port = random.choice((http, http, http, tcp))
            with contextlib.suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", port), 5)
                count[0] += 1
                if random.random() < 0.1:
                    connection.sendall(random.choice((b"", _GET[:9], _LARGE, _POST)))
                    silent.append(connection)
                    if len(silent) > 50:
                        silent.pop(0).close()
                    continue
                with connection:
                    random.choice(_HTTP_CLIENTS)(connection)
        for connection in silent:
            connection.close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _tending(process_id: int, admin: int, folder: Path) -> Iterator[list[Sample]]:
    """Scrapes, moves the log away, and takes samples."""
    samples: list[Sample] = []
    ended, start = threading.Event(), time.monotonic()

    def tend() -> None:
        while not ended.wait(_SAMPLE_S):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats/prometheus", timeout=10).read()
            (folder / LOG).replace(folder / "soak.log.1")
            os.kill(process_id, signal.SIGUSR1)
            process = Path(f"/proc/{process_id}")
            samples.append(
                Sample(
                    at_s=time.monotonic() - start,
                    memory_mib=anonymous_mib(process_id),
                    descriptors=len(list((process / "fd").iterdir())),
                    threads=len(list((process / "task").iterdir())),
                )
            )

    thread = threading.Thread(target=tend)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
    if len(samples) < 4:
        raise BenchError("the soak was too short to say anything: at least half a minute")


def _gauges_left(admin: int) -> dict[str, int]:
    url = f"http://127.0.0.1:{admin}/stats?format=json&type=Gauges"
    listed = json.load(urllib.request.urlopen(url, timeout=10))["stats"]
    return {
        stat["name"]: stat["value"]
        for stat in listed
        if re.search(r"_(active|buffered|open)$", stat.get("name", "")) and stat["value"]
        and not re.search(r"\.admin\.|^listener_manager", stat["name"])
    }  # fmt: skip


def slope(samples: Sequence[Sample]) -> float:
    """Growth of memory in MiB a second: least squares."""
    times = [sample.at_s for sample in samples]
    sizes = [sample.memory_mib for sample in samples]
    mean_time, mean_size = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((moment - mean_time) ** 2 for moment in times)
    return sum((t - mean_time) * (s - mean_size) for t, s in zip(times, sizes, strict=True)) / spread
