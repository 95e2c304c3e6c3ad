"""`envoy.filters.network.tcp_proxy`: relays bytes between a connection and a cluster.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/tcp_proxy_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.access_log import lower_access_log_events, lower_access_logs
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.fields import Fields
from ferryman.config.protocol_options import HOUR_MS
from ferryman.config.references import References

TYPE: Final = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_NO_SUBSETS: Final = "subset load balancing, which reads it, is not built"

_TCP_PROXY = Fields(
    TYPE,
    "stat_prefix cluster weighted_clusters idle_timeout max_downstream_connection_duration"
    " max_connect_attempts access_log access_log_options access_log_flush_interval"
    " flush_access_log_on_connected",
    no_effect={"metadata_match": _NO_SUBSETS},
)
_ACCESS_LOG_OPTIONS = Fields(
    f"{TYPE}.TcpAccessLogOptions",
    "access_log_flush_interval flush_access_log_on_connected flush_access_log_on_start",
)
_WEIGHTED = Fields(f"{TYPE}.WeightedCluster", "clusters")
_CLUSTER_WEIGHT = Fields(
    f"{TYPE}.WeightedCluster.ClusterWeight", "name weight", no_effect={"metadata_match": _NO_SUBSETS}
)


def lower(cursor: Cursor, references: References) -> model.TcpProxy:
    """The tcp_proxy's configuration. A cluster that does not exist is only warned of, as in Envoy."""
    fields = _TCP_PROXY.read(cursor)
    attempts = fields.get("max_connect_attempts")
    return model.TcpProxy(
        stat_prefix=fields.get("stat_prefix", ""),
        clusters=_lower_clusters(cursor, fields, references),
        idle_timeout_ms=off_if_zero(cursor, "idle_timeout", fields, HOUR_MS),
        max_downstream_connection_duration_ms=off_if_zero(
            cursor, "max_downstream_connection_duration", fields, None
        ),
        max_connect_attempts=1 if attempts is None else attempts.value,
        access_log=lower_access_logs(cursor),
        access_log_events=lower_access_log_events(cursor, fields, _ACCESS_LOG_OPTIONS),
    )


def _lower_clusters(cursor: Cursor, fields: dict[str, Any], references: References) -> list[model.TcpCluster]:
    if "weighted_clusters" not in fields:
        name = fields.get("cluster", "")
        references.mention_cluster(name, cursor, "cluster")
        return [model.TcpCluster(name=name, weight=1)]
    weighted = cursor.child("weighted_clusters")
    _WEIGHTED.read(weighted)
    clusters = []
    for item in weighted.items("clusters"):
        parts = _CLUSTER_WEIGHT.read(item)
        references.mention_cluster(parts.get("name", ""), item, "name")
        clusters.append(model.TcpCluster(name=parts.get("name", ""), weight=parts.get("weight", 1)))
    return clusters
