"""What `/config_dump` shows: the sections, and the resources in them.

Owns the way from the serialized bootstrap to the messages of Envoy's dump. Resources are made one by one, as
they are asked for. A section stands there even when it is empty, but those about routes only with an HTTP
connection manager, and the one about endpoints only when asked for and with a cluster.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/admin/v3/config_dump_shared.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ferryman.admin.endpoints import load_assignment
from ferryman.admin.node import introduce
from ferryman.admin.page import RunningConfig
from ferryman.api import schema

_ADMIN: Final = "envoy.admin.v3."
_HTTP_CONNECTION_MANAGER: Final = (
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)

Resources = Callable[[], Iterator[tuple[str, Any]]]
"""Name and message of each resource."""


@dataclass(slots=True)
class Section:
    """One of `configs`."""

    message: Any
    """The dump of this section without its resources."""
    resources: dict[str, Resources] = field(default_factory=dict)
    """By the name of their field."""


def sections(running: RunningConfig, *, include_endpoints: bool) -> list[Section]:
    """All sections, in the order of Envoy's."""
    dump = schema.new_message(_ADMIN + "BootstrapConfigDump")
    dump.bootstrap.MergeFromString(running.bootstrap)  # type: ignore[attr-defined]
    return [
        _bootstrap(dump, running),
        _clusters(dump, running.applied_at),
        *([_endpoints(dump)] if include_endpoints and _static(dump).clusters else []),
        _listeners(dump, running.applied_at),
        *(_routes(dump, running.applied_at) if _has_http_connection_manager(_static(dump)) else []),
        _secrets(dump),
    ]


def _static(dump: Any) -> Any:
    return dump.bootstrap.static_resources


def _new(name: str) -> Any:
    return schema.new_message(_ADMIN + name)


def _stamp(message: Any, moment: datetime) -> None:
    message.last_updated.FromDatetime(moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def _bootstrap(dump: Any, running: RunningConfig) -> Section:
    introduce(dump.bootstrap.node)
    _stamp(dump, running.loaded_at)
    return Section(dump)


def _clusters(dump: Any, moment: datetime) -> Section:
    def static() -> Iterator[tuple[str, Any]]:
        for cluster in _sorted_clusters(dump):
            shown = _new("ClustersConfigDump.StaticCluster")
            shown.cluster.Pack(cluster)
            _stamp(shown, moment)
            yield cluster.name, shown

    return Section(_new("ClustersConfigDump"), {"static_clusters": static})


def _sorted_clusters(dump: Any) -> list[Any]:
    """Envoy keeps clusters by name, and listeners in the order of the file."""
    return sorted(_static(dump).clusters, key=lambda cluster: str(cluster.name).encode())


def _endpoints(dump: Any) -> Section:
    def static() -> Iterator[tuple[str, Any]]:
        for cluster in _sorted_clusters(dump):
            shown = _new("EndpointsConfigDump.StaticEndpointConfig")
            shown.endpoint_config.Pack(load_assignment(cluster))
            yield cluster.name, shown

    return Section(_new("EndpointsConfigDump"), {"static_endpoint_configs": static})


def _listeners(dump: Any, moment: datetime) -> Section:
    def static() -> Iterator[tuple[str, Any]]:
        for listener in _static(dump).listeners:
            shown = _new("ListenersConfigDump.StaticListener")
            shown.listener.Pack(listener)
            _stamp(shown, moment)
            yield listener.name, shown

    return Section(_new("ListenersConfigDump"), {"static_listeners": static})


def _routes(dump: Any, moment: datetime) -> list[Section]:
    def static() -> Iterator[tuple[str, Any]]:
        for connection_manager in _http_connection_managers(_static(dump)):
            if connection_manager.HasField("route_config"):
                shown = _new("RoutesConfigDump.StaticRouteConfig")
                shown.route_config.Pack(connection_manager.route_config)
                _stamp(shown, moment)
                yield connection_manager.route_config.name, shown

    return [
        Section(_new("ScopedRoutesConfigDump")),
        Section(_new("RoutesConfigDump"), {"static_route_configs": static}),
    ]


def _secrets(dump: Any) -> Section:
    def static() -> Iterator[tuple[str, Any]]:
        for secret in _static(dump).secrets:
            shown = _new("SecretsConfigDump.StaticSecret")
            shown.name = secret.name
            shown.secret.Pack(secret)
            yield secret.name, shown

    return Section(_new("SecretsConfigDump"), {"static_secrets": static})


def _typed_configs(static: Any) -> Iterator[Any]:
    """The configuration of every network filter, as an Any."""
    for listener in static.listeners:
        chains = [*listener.filter_chains]
        if listener.HasField("default_filter_chain"):
            chains.append(listener.default_filter_chain)
        for chain in chains:
            for network_filter in chain.filters:
                yield network_filter.typed_config


def _is_http_connection_manager(typed_config: Any) -> bool:
    return schema.type_of_url(typed_config.type_url) == _HTTP_CONNECTION_MANAGER


def _has_http_connection_manager(static: Any) -> bool:
    return any(map(_is_http_connection_manager, _typed_configs(static)))


def _http_connection_managers(static: Any) -> Iterator[Any]:
    for typed_config in filter(_is_http_connection_manager, _typed_configs(static)):
        connection_manager = schema.new_message(_HTTP_CONNECTION_MANAGER)
        connection_manager.ParseFromString(typed_config.value)
        yield connection_manager
