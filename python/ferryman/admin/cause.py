"""What a cause is, and the paths of the configuration that causes point at.

Owns the value, and finding clusters and their parts in the bootstrap. Which cause points where is the
business of `downstream_causes.py` and `upstream_causes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ferryman.admin.failed_stream import FailedStream
from ferryman.api import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a request ended in an error."""

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
    """A failed request, with the configuration that it met."""

    stream: FailedStream
    bootstrap: bytes
    """The envoy.config.bootstrap.v3.Bootstrap, serialized."""

    @property
    def manager(self) -> str:
        """The path of the HTTP connection manager."""
        return self.stream.manager_place

    @property
    def chain(self) -> str:
        """The path of the filter chain."""
        return self.manager.rpartition(".filters[")[0]

    @property
    def listener(self) -> str:
        """The path of the listener."""
        return self.chain.rpartition(".")[0]

    @property
    def action(self) -> str:
        """The path of the route's action that forwards; "" without a route."""
        return f"{self.stream.route.place}.route" if self.stream.route else ""

    @cached_property
    def _cluster(self) -> tuple[str, Any]:
        bootstrap: Any = schema.message_class("envoy.config.bootstrap.v3.Bootstrap").FromString(
            self.bootstrap
        )
        for index, cluster in enumerate(bootstrap.static_resources.clusters):
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
