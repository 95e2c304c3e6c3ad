"""How long a whole response waits for a client of HTTP/2 that opens no window: as with Envoy."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from harness.bootstrap import TYPE
from harness.http2_client import Http2Client
from harness.proxy_process import ProxyProcess, binary

_LOOPBACK = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
_WINDOW = 4
_INTERNAL_ERROR = 2
_SOON = "0.2s"
_LATE = "300s"
_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"
_GET = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "a")]


@pytest.fixture
def host() -> Iterator[int]:
    """The port of a server that answers each request at once."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while connection.recv(4096):
                connection.sendall(_RESPONSE)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _bootstrap(manager: dict[str, Any], action: dict[str, Any], port: int) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, **({"route": {"cluster": "up", **action}} if action else _DIRECT)}
    typed_config = {
        "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
        ],
        **manager,
    }
    chain = {"filters": [{"name": "web", "typed_config": typed_config}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    assignment = {"cluster_name": "up", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    return {
        "admin": {"address": _LOOPBACK},
        "static_resources": {
            "listeners": [{"name": "web", "address": _LOOPBACK, "filter_chains": [chain]}],
            "clusters": [{"name": "up", "load_assignment": assignment}],
        },
    }


_DIRECT = {"direct_response": {"status": 200, "body": {"inline_string": "body"}}}
_CASES = {
    "of the manager": ({"stream_idle_timeout": _LATE, "stream_flush_timeout": _SOON}, {"timeout": _LATE}),
    "of the route": ({"stream_flush_timeout": _LATE}, {"timeout": _LATE, "flush_timeout": _SOON}),
    "of a direct response": ({"stream_idle_timeout": _LATE, "stream_flush_timeout": _SOON}, {}),
    "as long as idle": ({"stream_idle_timeout": _SOON}, {"timeout": _LATE, "idle_timeout": _LATE}),
    "not the route's idle one": (
        {"stream_flush_timeout": _SOON},
        {"timeout": _LATE, "idle_timeout": "0s"},
    ),
}


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_a_response_that_waits_is_reset(
    which: str, case: tuple[dict[str, Any], dict[str, Any]], host: int, tmp_path: Path
) -> None:
    if not Path(binary(which)[0]).exists():
        pytest.skip(f"{which} is not installed beside this Python")
    manager, action = case
    proxy = ProxyProcess(which, _bootstrap(manager, action, host), tmp_path, [])
    with ExitStack() as stack:
        stack.callback(proxy.stop, signal.SIGKILL)
        client = Http2Client(proxy.listeners()["web"], timeout=60)
        stack.callback(client.close)
        client.h2.update_settings({_WINDOW: 0})
        client.flush()
        (answer,) = client.wait(client.request(_GET))
        assert (answer.reset, answer.body) == (_INTERNAL_ERROR, b"")
        assert answer.headers[0] == (":status", "200")
        timeouts = proxy.stats("timeout")
        told = "http2.tx_flush_timeout" if which == "envoy" else "http.web.downstream_rq_idle_timeout"
        assert timeouts[told] == 1, timeouts
