"""A configuration as the rules see it: its listeners, connection managers, routes and clusters.

Owns the walk over the messages and the few questions that several rules ask. Reads with the front half of
`config/`, so every place is known; judges nothing. A file that holds the resources of a control plane
(`resources:`, as Envoy reads them from a path) is read as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_LISTENER: Final = "envoy.config.listener.v3.Listener"
_CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
_TABLE: Final = "envoy.config.route.v3.RouteConfiguration"
_ANY: Final = "google.protobuf.Any"
_MANAGER: Final = "HttpConnectionManager"
_DOWNSTREAM_SECURITY: Final = ("DownstreamTlsContext", "QuicDownstreamTransport")


@dataclass(frozen=True, slots=True)
class HttpConnectionManager:
    """An HTTP connection manager, and the listener that it serves."""

    cursor: Cursor
    listener: Cursor
    chain: Cursor

    def filters(self) -> list[Cursor]:
        """The configurations of its HTTP filters, as far as they can be read."""
        found = [item.unpack("typed_config") for item in self.cursor.items("http_filters")]
        return [inner for inner in found if inner is not None]

    def has_filter(self, *ends: str) -> bool:
        """Whether one of its HTTP filters has a type of one of these short names."""
        return any(short_name(inner) in ends for inner in self.filters())

    @property
    def is_edge(self) -> bool:
        """Whether it is meant for clients that nobody knows: open to other hosts, and says so itself."""
        if not is_open(self.listener) or self.listener.get("traffic_direction"):
            return False
        return self.cursor.wrapped("use_remote_address") is True or self._is_encrypted

    @property
    def _is_encrypted(self) -> bool:
        if not self.chain.has("transport_socket"):
            return False
        inner = self.chain.child("transport_socket").unpack("typed_config")
        return inner is not None and short_name(inner) in _DOWNSTREAM_SECURITY


@dataclass(frozen=True, slots=True)
class Table:
    """A route configuration, and the connection manager that it stands in, if it does."""

    cursor: Cursor
    manager: HttpConnectionManager | None


@dataclass(frozen=True, slots=True)
class Route:
    """A route with what is around it."""

    cursor: Cursor
    host: Cursor
    table: Table

    @property
    def action(self) -> Cursor | None:
        """Its forwarding action; None for redirects and direct responses."""
        return self.cursor.child("route") if self.cursor.has("route") else None


class Subject:
    """One configuration."""

    def __init__(self, root: Cursor, *, is_unread: bool = False) -> None:
        """`is_unread`: there are parts that the schema does not know, such as somebody's own extension."""
        self.root = root
        self.is_unread = is_unread

    @cached_property
    def listeners(self) -> list[Cursor]:
        """Every listener that stands in the file."""
        return self._resources("listeners", _LISTENER)

    @cached_property
    def clusters(self) -> list[Cursor]:
        """Every cluster that stands in the file."""
        return self._resources("clusters", _CLUSTER)

    def _resources(self, field: str, type_name: str) -> list[Cursor]:
        if self._is_bootstrap:
            return self.root.child("static_resources").items(field)
        return [item for item in self._delivered if item.type_name == type_name]

    @property
    def _is_bootstrap(self) -> bool:
        return short_name(self.root) == "Bootstrap"

    @property
    def is_bootstrap(self) -> bool:
        """Whether it is a whole configuration, not the resources of a control plane."""
        return self._is_bootstrap

    @cached_property
    def _delivered(self) -> list[Cursor]:
        found = [item.unpack() for item in self.root.items("resources")]
        return [inner for inner in found if inner is not None]

    @cached_property
    def managers(self) -> list[HttpConnectionManager]:
        """Every HTTP connection manager."""
        return [
            HttpConnectionManager(inner, listener, chain)
            for listener in self.listeners
            for chain in chains_of(listener)
            for inner in network_filters(chain)
            if short_name(inner) == _MANAGER
        ]

    @cached_property
    def tables(self) -> list[Table]:
        """Every route configuration that stands in the file."""
        if not self._is_bootstrap:
            loose = [Table(item, None) for item in self._delivered if item.type_name == _TABLE]
        else:
            loose = []
        return loose + [
            Table(table, manager) for manager in self.managers for table in _inline(manager.cursor)
        ]

    def routes(self) -> Iterator[Route]:
        """Every route of every virtual host, in order."""
        for table in self.tables:
            for host in table.cursor.items("virtual_hosts"):
                for route in host.items("routes"):
                    yield Route(route, host, table)

    @cached_property
    def messages(self) -> list[Cursor]:
        """Every message of the file, those inside Anys too."""
        return list(walk(self.root))


def _inline(manager: Cursor) -> Iterator[Cursor]:
    if manager.has("route_config"):
        yield manager.child("route_config")
    if manager.has("scoped_routes"):
        for scope in (
            manager.child("scoped_routes")
            .child("scoped_route_configurations_list")
            .items("scoped_route_configurations")
        ):
            if scope.has("route_configuration"):
                yield scope.child("route_configuration")


def chains_of(listener: Cursor) -> Iterator[Cursor]:
    """A listener's filter chains, the default one too."""
    yield from listener.items("filter_chains")
    if listener.has("default_filter_chain"):
        yield listener.child("default_filter_chain")


def network_filters(chain: Cursor) -> Iterator[Cursor]:
    """The configurations of a chain's network filters, as far as they can be read."""
    for item in chain.items("filters"):
        inner = item.unpack("typed_config") if item.has("typed_config") else None
        if inner is not None:
            yield inner


def walk(cursor: Cursor) -> Iterator[Cursor]:
    """A message and every message below it, in the order of the schema."""
    if cursor.type_name == _ANY:
        inner = cursor.unpack()
        if inner is not None:
            yield from walk(inner)
        return
    yield cursor
    for field, value in cursor.message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for _, entry in cursor.map_items(field.name):
                    yield from walk(entry)
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from walk(cursor.below(item, field.name, index))
        else:
            yield from walk(cursor.below(value, field.name))


def short_name(cursor: Cursor) -> str:
    """The name of a message's type without its package."""
    return cursor.type_name.rpartition(".")[2]


def is_open(listener: Cursor) -> bool:
    """Whether other hosts can reach a listener: its address is neither a loopback one nor a path."""
    return is_open_address(listener.child("address"))


def is_open_address(address: Cursor) -> bool:
    """Whether other hosts can reach an envoy.config.core.v3.Address."""
    if not address.has("socket_address"):
        return False
    text = str(address.child("socket_address").get("address"))
    try:
        return not ip_address(text).is_loopback
    except ValueError:
        return text != "localhost"


def seconds(cursor: Cursor, field: str) -> float | None:
    """A Duration in seconds; None when it is not set."""
    if not cursor.has(field):
        return None
    duration = cursor.get(field)
    return float(duration.seconds) + float(duration.nanos) / 1e9


def named(cursor: Cursor) -> str:
    """A message's name in backquotes, with what kind it is."""
    kind = {"Cluster": "cluster", "Listener": "listener", "VirtualHost": "virtual host"}
    what = kind.get(short_name(cursor), "")
    name = getattr(cursor.message, "name", "")
    return f"{what} `{name}`" if name else f"this {what}"
