"""A listener that balances exactly gives each worker as many connections as the others have."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness.proxy_process import ProxyProcess, binary

_ECHO = {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
@pytest.mark.parametrize("kind", ["tcp", "pipe"])
def test_each_worker_has_as_many(which: str, kind: str, tmp_path: Path) -> None:
    if not Path(binary(which)[0]).exists():
        pytest.skip(f"{which} is not installed beside this Python")
    path = str(tmp_path / "listener.sock")
    address = {
        "tcp": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "pipe": {"pipe": {"path": path}},
    }
    listener = {
        "name": "balanced",
        "stat_prefix": "balanced",
        "address": address[kind],
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"filters": [{"name": "echo", "typed_config": _ECHO}]}],
    }
    admin = {"address": address["tcp"]}
    bootstrap = {"admin": admin, "static_resources": {"listeners": [listener]}}
    proxy = ProxyProcess(which, bootstrap, tmp_path, ["--concurrency", "3"])
    with ExitStack() as stack:
        stack.callback(proxy.stop, signal.SIGKILL)
        target = proxy.listeners()["balanced"]

        def connect() -> socket.socket:
            family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
            connection = stack.enter_context(socket.socket(family))
            connection.settimeout(20)
            connection.connect(target)
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            return connection

        connections = [connect() for _ in range(9)]
        assert _active(proxy) == [3, 3, 3]
        for connection in connections[:3]:
            connection.close()
        while sum(_active(proxy)) > 6:
            pass
        for _ in range(6):
            connect()
        assert _active(proxy) == [4, 4, 4]


def _active(proxy: ProxyProcess) -> list[int]:
    stats = proxy.stats("listener.balanced.worker_")
    return [stats.get(f"listener.balanced.worker_{worker}.downstream_cx_active", 0) for worker in range(3)]
