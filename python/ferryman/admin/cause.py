"""What a cause is, and the paths of the configuration that causes point at.

Owns the value, and finding clusters and their parts in the bootstrap. Which cause points where is the
business of `downstream_causes.py`, `upstream_causes.py` and `session_causes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ferryman.admin.failed_stream import FailedStream
from ferryman.api import schema

_TCP_PROXY: Final = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a stream ended in an error."""

    what: str
    """What happened: a sentence without its full stop."""
    advice: str
    """What to change."""
    path: str = ""
    """The part of the configuration that decides it; "" where none does."""
    default: str = ""
    """What holds where the configuration does not say it."""


def seconds(milliseconds: int | None) -> str:
    """A time as the configuration writes it: `15s`, `0.25s`."""
    return f"{(milliseconds or 0) / 1000:g}s"


@dataclass(frozen=True)
class Failure:
    """A failed request, session or connection, with the configuration that it met."""

    stream: FailedStream
    bootstrap: bytes
    """The envoy.config.bootstrap.v3.Bootstrap, serialized."""

    @property
    def manager(self) -> str:
        """The path of the HTTP connection manager, or of the TCP or UDP proxy; "" if none was reached."""
        return self.stream.network_filter_place if self.stream.kind != "connection" else ""

    @property
    def chain(self) -> str:
        """The path of the filter chain; "" if it is not known, or there are none."""
        if self.stream.kind == "udp":
            return ""
        return self.manager.rpartition(".filters[")[0] or self._chain_by_name

    @property
    def listener(self) -> str:
        """The path of the listener."""
        known = self.stream.network_filter_place
        if self.stream.kind == "udp":
            return known.rpartition(".listener_filters[")[0]
        return self.chain.rpartition(".")[0] if self.stream.kind != "connection" else known

    @property
    def _chain_by_name(self) -> str:
        name, path = self.stream.filter_chain, self.listener
        for index, chain in enumerate(self._listener.filter_chains if name and self._listener else ()):
            if chain.name == name:
                return f"{path}.filter_chains[{index}]"
        default = name and self._listener and self._listener.default_filter_chain.name == name
        return f"{path}.default_filter_chain" if default else ""

    def network_filter(self, type_name: str) -> str:
        """The path of the first network filter of this type that the connection may have met."""
        for path, configuration in self._network_filters():
            if path.startswith(self.chain) and configuration.type_url.endswith(f".{type_name}"):
                return path
        return self.chain or self.listener

    @property
    def session_cluster(self) -> str:
        """The path where the TCP or UDP proxy names the cluster of the session."""
        if self.stream.kind == "udp":
            return f"{self.manager}.matcher"
        configuration = dict(self._network_filters()).get(self.manager)
        proxy: Any = schema.message_class(_TCP_PROXY).FromString(
            configuration.value if configuration else b""
        )
        for index, item in enumerate(proxy.weighted_clusters.clusters):
            if item.name == self.stream.cluster:
                return f"{self.manager}.weighted_clusters.clusters[{index}].name"
        return f"{self.manager}.cluster"

    def _network_filters(self) -> Iterator[tuple[str, Any]]:
        """Path and `typed_config` of the network filters of the listener."""
        if self._listener is None:
            return
        chains = [(f"filter_chains[{index}]", one) for index, one in enumerate(self._listener.filter_chains)]
        for name, chain in [*chains, ("default_filter_chain", self._listener.default_filter_chain)]:
            for index, item in enumerate(chain.filters):
                yield f"{self.listener}.{name}.filters[{index}].typed_config", item.typed_config

    @property
    def action(self) -> str:
        """The path of the route's action that forwards; "" without a route."""
        return f"{self.stream.route.place}.route" if self.stream.route else ""

    @cached_property
    def _message(self) -> Any:
        return schema.message_class("envoy.config.bootstrap.v3.Bootstrap").FromString(self.bootstrap)

    @cached_property
    def _listener(self) -> Any:
        """The listener; None if it is not there."""
        for index, listener in enumerate(self._message.static_resources.listeners):
            if self.listener == f"static_resources.listeners[{index}]":
                return listener
        return None

    @cached_property
    def _cluster(self) -> tuple[str, Any]:
        for index, cluster in enumerate(self._message.static_resources.clusters):
            if cluster.name == self.stream.cluster:
                return f"static_resources.clusters[{index}]", cluster
        return "", None

    @property
    def cluster(self) -> str:
        """The path of the cluster; "" if there is none."""
        return self._cluster[0]

    @property
    def thresholds(self) -> str:
        """The path of the circuit breakers of the route's priority, or of where they would stand."""
        path, cluster = self._cluster
        priority = 1 if self.stream.route and self.stream.route.is_high_priority else 0
        for index, thresholds in enumerate(cluster.circuit_breakers.thresholds if cluster else ()):
            if thresholds.priority == priority:
                return f"{path}.circuit_breakers.thresholds[{index}]"
        return f"{path}.circuit_breakers.thresholds"

    @property
    def endpoint(self) -> str:
        """The path of the host that was picked, or of all hosts."""
        path, cluster = self._cluster
        path = f"{path}.load_assignment"
        host = self.stream.upstream.host if self.stream.upstream else None
        for group, locality in enumerate(cluster.load_assignment.endpoints if cluster and host else ()):
            for index, item in enumerate(locality.lb_endpoints):
                if host and _address(item.endpoint.address) == host.address:
                    return f"{path}.endpoints[{group}].lb_endpoints[{index}].endpoint.address"
        return path


def _address(address: Any) -> str:
    if address.WhichOneof("address") == "pipe":
        return str(address.pipe.path)
    ip, port = address.socket_address.address, address.socket_address.port_value
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
