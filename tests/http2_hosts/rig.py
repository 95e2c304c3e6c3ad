"""A proxy with one cluster of HTTP/2 for each test, and hosts that wait with their answers.

Owns: the configuration, and hosts that answer when enough was asked. Does not own the hosts' wire format
(`harness.http2_upstream`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.bootstrap import LOOPBACK, TYPE
from harness.http2_client import Http2Client
from harness.http2_upstream import Answering, Http2Upstream, UpstreamSide, ok
from harness.proxy_process import ProxyProcess

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass
class Setup:
    """What a cluster is told, beside its host."""

    http2: dict[str, Any] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)


class Rig:
    """One proxy; each cluster has the route of its name and a host of its own."""

    def __init__(
        self,
        which: str,
        setups: dict[str, Setup],
        directory: Path,
        plain: tuple[str, ...] = (),
        downstream: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """`plain`: clusters whose hosts are but sockets; `downstream`: the options of listeners."""
        self.listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in plain}
        self.hosts = {name: Http2Upstream() for name in setups if name not in plain}
        self.directory = directory
        self.process = ProxyProcess(
            which, self._configuration(setups, downstream or {"main": {}}), directory, []
        )
        self.addresses = self.process.listeners()

    def close(self) -> None:
        """End all."""
        self.process.stop()
        for host in self.hosts.values():
            host.close()
        for listener in self.listeners.values():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def client(self, listener: str = "main") -> Http2Client:
        """A connection to the proxy."""
        address = self.addresses[listener]
        assert not isinstance(address, str)
        return Http2Client(address)

    def stats(self, cluster: str) -> dict[str, int]:
        """Those of a cluster, by what comes after its name."""
        prefix = f"cluster.{cluster}."
        found = self.process.stats(f"^cluster\\.{cluster}\\.")
        return {name.removeprefix(prefix): value for name, value in found.items()}

    def log_of(self, cluster: str, count: int) -> list[str]:
        """What the access log says of a cluster, sorted, once there are so many lines."""
        deadline = time.monotonic() + 10
        while True:
            lines = (self.directory / "log").read_text().splitlines()
            lines = sorted(line for line in lines if line.startswith(f"/{cluster}/"))
            if len(lines) >= count:
                return lines
            assert time.monotonic() < deadline, f"{lines}"
            time.sleep(0.01)

    def wait_for(self, cluster: str, is_there: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """The statistics of a cluster once they are as they should be."""
        deadline = time.monotonic() + 10
        while not is_there(stats := self.stats(cluster)):
            assert time.monotonic() < deadline, f"{stats}"
            time.sleep(0.01)
        return stats

    def _configuration(
        self, setups: dict[str, Setup], downstream: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        routes = [{"match": {"prefix": f"/{name}/"}, "route": {"cluster": name}} for name in setups]
        log = {
            "@type": f"{TYPE}access_loggers.file.v3.FileAccessLog",
            "path": str(self.directory / "log"),
            "log_format": {
                "text_format_source": {
                    "inline_string": "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"
                }
            },
        }
        manager = {
            "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
            "codec_type": "HTTP2",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            "access_log": [{"name": "file", "typed_config": log}],
            "http_filters": [
                {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
            ],
        }
        listeners = []
        for name, options in downstream.items():
            config = {**manager, "stat_prefix": name, "http2_protocol_options": options}
            chain = {"filters": [{"name": "manager", "typed_config": config}]}
            listeners.append({"name": name, "address": LOOPBACK, "filter_chains": [chain]})
        return {
            "admin": {"address": LOOPBACK},
            "static_resources": {
                "listeners": listeners,
                "clusters": [self._cluster(name, setup) for name, setup in setups.items()],
            },
        }

    def _cluster(self, name: str, setup: Setup) -> dict[str, Any]:
        listener = self.listeners[name] if name in self.listeners else self.hosts[name].listener
        port = listener.getsockname()[1]
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        protocol = {
            "@type": f"type.googleapis.com/{OPTIONS}",
            "explicit_http_config": {"http2_protocol_options": setup.http2},
            "common_http_protocol_options": setup.common,
        }
        return {
            "name": name,
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
            "typed_extension_protocol_options": {OPTIONS: protocol},
            **setup.cluster,
        }


def get(path: str) -> list[tuple[str, str]]:
    """A request's head."""
    return [(":method", "GET"), (":scheme", "http"), (":authority", "h.test"), (":path", path)]


def path_of(side: UpstreamSide, stream: int) -> str:
    """What was asked for on a stream."""
    return dict(side.streams[stream].headers)[":path"].rpartition("/")[2]


def waits_for(count: int) -> Answering:
    """Answers the last first, once so many streams of one connection are there."""

    def answer(side: UpstreamSide, stream: int) -> None:
        side.waiting = [*(number for number in side.waiting if side.streams[number].reset is None), stream]
        if len(side.waiting) >= count:
            for number in reversed(side.waiting):
                ok(side, number)
            side.waiting = []

    return answer


def statuses(client: Http2Client, streams: list[int]) -> list[str]:
    """The status that each stream got."""
    return [dict(answer.headers).get(":status", "none") for answer in client.wait(*streams)]
