"""What a connection costs that is open and waits: HTTP/1.1, TLS, HTTP/2 with open streams."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.certificates import transport_socket
from bench.process_figures import memory_mib
from bench.proxies import address
from bench.running import BenchError, free_port
from bench.scale import raise_descriptor_limit, seconds_until_ready, started

STREAMS = 100
"""On each HTTP/2 connection, each of a request whose body does not end."""
_TYPED = "type.googleapis.com/envoy.extensions.filters."
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS, _PING, _ACK, _END_HEADERS = 1, 4, 6, 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleConnections:
    """What open connections of one kind cost that wait."""

    proxy: str
    kind: str
    connections: int
    kib_per_connection: float


Opener = Callable[[int], socket.socket]
"""Opens a connection to a port and brings it to where it waits."""


def idle_connections(
    counts: Sequence[int], proxies: Sequence[str], folder: Path
) -> Iterator[IdleConnections]:
    """Memory of each proxy for each of so many connections: HTTP/1.1, TLS, HTTP/2."""
    for (kind, opener), connections in zip(_KINDS.items(), counts, strict=True):
        raise_descriptor_limit(connections + 200)
        for proxy in proxies:
            yield _measured(proxy, kind, opener, connections, folder)


def _measured(proxy: str, kind: str, opener: Opener, connections: int, folder: Path) -> IdleConnections:
    port, admin = free_port(), free_port()
    path = folder / f"idle-{proxy}-{port}.json"
    path.write_text(json.dumps(configuration(port, admin, folder if kind == TLS else None)))
    with started(proxy, path, admin, folder) as process_id, contextlib.ExitStack() as opened:
        seconds_until_ready(admin, time.monotonic())
        before_mib = memory_mib(process_id)
        for _ in range(connections):
            opened.enter_context(opener(port))
        grown_kib = (memory_mib(process_id) - before_mib) * 1024
    return IdleConnections(
        proxy=proxy, kind=kind, connections=connections, kib_per_connection=grown_kib / connections
    )


def configuration(port: int, admin: int, certificates: Path | None) -> dict[str, Any]:
    """One route that the proxy answers itself, once it has the whole request.

    With TLS if there is a folder for its certificate.
    """
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    buffer = {"@type": _TYPED + "http.buffer.v3.Buffer", "max_request_bytes": 1 << 16}
    manager = {
        "@type": _TYPED + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "buffer", "typed_config": buffer},
            {"name": "router", "typed_config": {"@type": _TYPED + "http.router.v3.Router"}},
        ],
    }
    chain: dict[str, Any] = {"filters": [{"name": "hcm", "typed_config": manager}]}
    if certificates:
        chain["transport_socket"] = transport_socket(certificates)
    listener = {"name": "l", "address": address(port), "filter_chains": [chain]}
    return {"admin": {"address": address(admin)}, "static_resources": {"listeners": [listener]}}


def _after_request(port: int) -> socket.socket:
    return _asked(socket.create_connection(("127.0.0.1", port), 10))


def _after_request_over_tls(port: int) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return _asked(context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10)))


def _asked(connection: socket.socket) -> socket.socket:
    connection.sendall(b"GET / HTTP/1.1\r\nhost: probe.example\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise BenchError(f"the response was {answer[:60]!r}")
    return connection


def _with_streams(port: int) -> socket.socket:
    """Waits until a ping comes back, so that all streams before it are open."""
    connection = socket.create_connection(("127.0.0.1", port), 10)
    # :method POST, :scheme http, :path / from the static table; :authority, not indexed.
    head = b"\x83\x86\x84\x01\x0dprobe.example"
    requests = (_frame(_HEADERS, _END_HEADERS, 2 * number + 1, head) for number in range(STREAMS))
    connection.sendall(_PREFACE + _frame(_SETTINGS, 0, 0) + b"".join(requests))
    connection.sendall(_frame(_PING, 0, 0, b"are open"))
    answer = b""
    while _frame(_PING, _ACK, 0, b"are open") not in answer:
        answer += _received(connection)
    return connection


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113 section 4.1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _received(connection: socket.socket) -> bytes:
    piece = connection.recv(4096)
    if not piece:
        raise BenchError("the connection was closed before the response came")
    return piece


TLS = "TLS with H1"
_KINDS: dict[str, Opener] = {
    "H1": _after_request,
    TLS: _after_request_over_tls,
    f"H2 with {STREAMS} open streams": _with_streams,
}
