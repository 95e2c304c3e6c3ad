"""Internal listeners cost nothing while nothing happens, and do not hold up the end of the process."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Any

from harness.proxy_process import ProxyProcess

TYPES = "type.googleapis.com/envoy.extensions"
WATCHED_S = 2.0
EXIT_S = 2.0
QUIET = ["--file-flush-interval-msec", "10000"]
"""Else flushing is all that is seen."""


def tcp_proxy(cluster: str) -> dict[str, Any]:
    proxy = {
        "@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "a",
        "cluster": cluster,
    }
    return {"filters": [{"name": "tcp", "typed_config": proxy}]}


def cluster(name: str, address: dict[str, Any]) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def configuration(port: int, is_nested: bool) -> dict[str, Any]:
    """A TCP proxy to this port, directly or through an internal listener."""
    anywhere = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    first = "inside" if is_nested else "host"
    listeners: list[dict[str, Any]] = [
        {"name": "out", "address": anywhere, "filter_chains": [tcp_proxy(first)]}
    ]
    clusters = [cluster("host", {"socket_address": {"address": "127.0.0.1", "port_value": port}})]
    extension = f"{TYPES}.bootstrap.internal_listener.v3.InternalListener"
    if is_nested:
        listeners.append({"name": "mid", "internal_listener": {}, "filter_chains": [tcp_proxy("host")]})
        clusters.append(cluster("inside", {"envoy_internal_address": {"server_listener_name": "mid"}}))
    return {
        "admin": {"address": anywhere},
        "bootstrap_extensions": [{"name": "internal", "typed_config": {"@type": extension}}],
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def wakeups(process: ProxyProcess) -> int:
    """How often the threads have waited and gone on."""
    states = [task / "status" for task in Path(f"/proc/{process.process.pid}/task").iterdir()]
    lines = [line for state in states for line in state.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_as_quiet_and_as_prompt_as_without(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        host.settimeout(10)
        processes, ends = [], []
        for is_nested in (False, True):
            directory = tmp_path / str(is_nested)
            directory.mkdir()
            process = ProxyProcess(
                "ferryman", configuration(host.getsockname()[1], is_nested), directory, QUIET
            )
            stack.callback(process.stop)
            processes.append(process)
            client = stack.enter_context(socket.create_connection(process.listeners()["out"]))  # type: ignore[arg-type]
            server = stack.enter_context(host.accept()[0])
            ends += [client, server]
            client.sendall(b"hello")
            assert server.recv(10) == b"hello"
        before = [wakeups(process) for process in processes]
        # What is counted is what happens in a time in which nothing is to happen.
        time.sleep(WATCHED_S)
        plain, nested = (wakeups(process) - count for process, count in zip(processes, before, strict=True))
        # Timers of the process are the same in both; a tenth more is a matter of when the watch began.
        assert nested <= plain * 1.1 + 10
        for end in ends:
            end.close()
        for process in processes:
            begun = time.monotonic()
            assert process.stop() == 0
            assert time.monotonic() - begun < EXIT_S
