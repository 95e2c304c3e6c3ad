"""What happens to open connections while listeners drain: the same as with Envoy."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from harness.proxy_process import ProxyProcess, binary

_FILTERS = "type.googleapis.com/envoy.extensions.filters."
_HTTP = {
    "@type": _FILTERS + "network.http_connection_manager.v3.HttpConnectionManager",
    "stat_prefix": "web",
    "route_config": {
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
            }
        ]
    },
    "http_filters": [{"name": "router", "typed_config": {"@type": _FILTERS + "http.router.v3.Router"}}],
}
_TCP = {
    "@type": _FILTERS + "network.tcp_proxy.v3.TcpProxy",
    "stat_prefix": "echo",
    "cluster": "echo",
    "check_drain_close": True,
}


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    def answer(connection: socket.socket) -> None:
        # Whoever drains a session may reset what is on its way.
        with connection, suppress(ConnectionResetError):
            while data := connection.recv(1024):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _bootstrap(echo: int, **options: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(echo)}}
    cluster = {
        "name": "echo",
        "load_assignment": {"cluster_name": "echo", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listeners = [
        {
            "name": name,
            "address": _address(0),
            "filter_chains": [{"filters": [{"name": name, "typed_config": config}]}],
            **options,
        }
        for name, config in (("web", _HTTP), ("echo", _TCP))
    ]
    resources = {"clusters": [cluster], "listeners": listeners}
    return {"admin": {"address": _address(0)}, "static_resources": resources}


_INBOUND = {"traffic_direction": "INBOUND"}
_MODIFY_ONLY = {"drain_type": "MODIFY_ONLY"}


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
@pytest.mark.parametrize(
    ("page", "options", "drains", "listens"),
    [
        pytest.param("/drain_listeners?graceful", {}, True, True, id="graceful"),
        pytest.param("/drain_listeners", {}, True, False, id="at once"),
        pytest.param("/drain_listeners", _MODIFY_ONLY, True, False, id="modify only, at once"),
        pytest.param("/healthcheck/fail", {}, True, True, id="health check"),
        pytest.param("/healthcheck/fail", _MODIFY_ONLY, False, True, id="modify only, health check"),
        pytest.param("/drain_listeners?graceful&inboundonly", {}, False, True, id="not inbound"),
        pytest.param("/drain_listeners?graceful&inboundonly", _INBOUND, True, True, id="inbound"),
        pytest.param("/drain_listeners?inboundonly", {}, False, True, id="not inbound, at once"),
    ],
)
def test_open_connections_are_sent_away(
    which: str, page: str, options: dict[str, str], drains: bool, listens: bool, echo: int, tmp_path: Path
) -> None:
    if not Path(binary(which)[0]).exists():
        pytest.skip(f"{which} is not installed beside this Python")
    flags = ["--drain-strategy", "immediate", "--drain-time-s", "600"]
    proxy = ProxyProcess(which, _bootstrap(echo, **options), tmp_path, flags)
    with ExitStack() as stack:
        stack.callback(proxy.stop, signal.SIGKILL)
        addresses = proxy.listeners()
        web = http.client.HTTPConnection(*addresses["web"], timeout=20)
        stack.callback(web.close)
        session = stack.enter_context(socket.create_connection(addresses["echo"], 20))
        assert _header_of(web) is None
        assert _ping(session) == b"x"
        assert proxy.admin(page, "POST") == (200, "OK\n")
        # Workers are told by messages, each in its turn.
        while not listens and _accepts(addresses["web"]):
            pass
        assert _header_of(web) == ("close" if drains else None)
        assert _ping(session) == (b"" if drains else b"x")
        counted = proxy.stats("drain_close")
        closed = 1 if drains else 0
        assert counted.get("http.web.downstream_cx_drain_close", 0) == closed
        assert counted.get("tcp.echo.downstream_cx_drain_close", 0) == closed


def _header_of(web: http.client.HTTPConnection) -> str | None:
    web.request("GET", "/")
    response = web.getresponse()
    response.read()
    assert response.status == 200
    return response.getheader("connection")


def _ping(session: socket.socket) -> bytes:
    session.sendall(b"x")
    return session.recv(1)


def _accepts(address: Any) -> bool:
    try:
        socket.create_connection(address, 20).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        # One worker stopped listening with this connection half made; another may listen still.
        pass
    return True
