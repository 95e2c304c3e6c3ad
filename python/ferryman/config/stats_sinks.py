"""Statistics sinks: statsd over UDP or TCP, and its kin with tags.

Owns StatsdSink, DogStatsdSink and GraphiteStatsdSink. How lines look and leave is the data plane's business.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/metrics/v3/stats.proto
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.address import lower_address
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.references import References

_MILLISECONDS: Final = {
    "scale_histogram_units_to_milliseconds": "every histogram of times that is built counts milliseconds"
}
_SINK = Fields(
    "envoy.config.metrics.v3.StatsSink",
    "typed_config",
    no_effect={"name": "the type of typed_config says which sink it is"},
)
_STATSD = Fields(
    "envoy.config.metrics.v3.StatsdSink", "address tcp_cluster_name prefix", no_effect=_MILLISECONDS
)
_DOG_STATSD = Fields(
    "envoy.config.metrics.v3.DogStatsdSink", "address prefix max_bytes_per_datagram", no_effect=_MILLISECONDS
)
_GRAPHITE_STATSD = Fields(
    "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink",
    "address prefix max_bytes_per_datagram",
    no_effect=_MILLISECONDS,
)
_PREFIX: Final = "envoy"


def lower_stats_sinks(cursor: Cursor, references: References) -> list[model.StatsSink]:
    """The `stats_sinks` of a bootstrap."""
    sinks = []
    for item in cursor.items("stats_sinks"):
        _SINK.read(item)
        opened = open_extension(item, "envoy.stats_sinks", BUILT)
        sink = opened[1](opened[0], references) if opened is not None else None
        if sink is not None:
            sinks.append(sink)
    return sinks


def _lower_statsd(cursor: Cursor, references: References) -> model.StatsSink | None:
    fields = _STATSD.read(cursor)
    if "tcp_cluster_name" not in fields:
        return _to_address(cursor, fields, "statsd")
    name = fields["tcp_cluster_name"]
    references.use_cluster(name, cursor, "tcp_cluster_name")
    return _sink(fields, "statsd", model.Stream(cluster=name))


def _lower_dog_statsd(cursor: Cursor, references: References) -> model.StatsSink | None:
    return _to_address(cursor, _DOG_STATSD.read(cursor), "dog_statsd")


def _lower_graphite_statsd(cursor: Cursor, references: References) -> model.StatsSink | None:
    return _to_address(cursor, _GRAPHITE_STATSD.read(cursor), "graphite_statsd")


def _to_address(cursor: Cursor, fields: dict[str, Any], dialect: str) -> model.StatsSink | None:
    address = lower_address(cursor.child("address"), datagrams=True) if "address" in fields else None
    if address is None:
        return None
    most = fields["max_bytes_per_datagram"].value if "max_bytes_per_datagram" in fields else 0
    return _sink(fields, dialect, model.Datagrams(address=address, max_bytes=most))


def _sink(
    fields: dict[str, Any], dialect: str, destination: model.Datagrams | model.Stream
) -> model.StatsSink:
    return model.StatsSink(dialect=dialect, destination=destination, prefix=fields.get("prefix") or _PREFIX)


BUILT: Final[Mapping[str, Callable[[Cursor, References], model.StatsSink | None]]] = {
    _STATSD.message: _lower_statsd,
    _DOG_STATSD.message: _lower_dog_statsd,
    _GRAPHITE_STATSD.message: _lower_graphite_statsd,
}
"""The sinks that are built, by the type of their configuration."""
