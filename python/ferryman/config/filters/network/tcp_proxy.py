"""`envoy.filters.network.tcp_proxy`: relays bytes between a connection and a cluster.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/tcp_proxy_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.access_log import lower_access_log_events, lower_access_logs
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds, off_if_zero
from ferryman.config.fields import Fields, word
from ferryman.config.protocol_options import HOUR_MS
from ferryman.config.proxy_protocol import lower_tlvs
from ferryman.config.references import References
from ferryman.config.tcp_tunneling import lower_tcp_tunneling

TYPE: Final = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_NO_SUBSETS: Final = "subset load balancing, which reads it, is not built"

_TCP_PROXY = Fields(
    TYPE,
    "stat_prefix cluster weighted_clusters idle_timeout max_downstream_connection_duration"
    " max_connect_attempts access_log access_log_options access_log_flush_interval"
    " flush_access_log_on_connected max_downstream_connection_duration_jitter_percentage backoff_options"
    " upstream_connect_mode max_early_data_bytes check_drain_close proxy_protocol_tlvs"
    " proxy_protocol_tlv_merge_policy tunneling_config",
    no_effect={
        "metadata_match": _NO_SUBSETS,
        "hash_policy": "the policies that read the hash (ring_hash, maglev) are not built",
        "downstream_idle_timeout": "Envoy 1.40 does not read it",
        "upstream_idle_timeout": "Envoy 1.40 does not read it",
    },
)
_JITTER = Fields("envoy.type.v3.Percent", "value", where="of a connection's duration")
_BACKOFF = Fields(
    "envoy.config.core.v3.BackoffStrategy", "base_interval max_interval", where="of a TCP proxy"
)
_ACCESS_LOG_OPTIONS = Fields(
    f"{TYPE}.TcpAccessLogOptions",
    "access_log_flush_interval flush_access_log_on_connected flush_access_log_on_start",
)
_WEIGHTED = Fields(f"{TYPE}.WeightedCluster", "clusters")
_CLUSTER_WEIGHT = Fields(
    f"{TYPE}.WeightedCluster.ClusterWeight", "name weight", no_effect={"metadata_match": _NO_SUBSETS}
)


_CONNECT_MODES: Final = ("immediate", "on_downstream_data", "on_downstream_tls_handshake")
_MERGE_POLICIES: Final = ("add_if_absent", "overwrite_by_type", "append")
_MAX_INTERVAL_FACTOR: Final = 10


def lower(cursor: Cursor, references: References) -> model.TcpProxy:
    """The tcp_proxy's configuration. A cluster that does not exist is only warned of, as in Envoy."""
    fields = _TCP_PROXY.read(cursor)
    attempts = fields.get("max_connect_attempts")
    mode = word(cursor, "upstream_connect_mode", _CONNECT_MODES)
    early = fields.get("max_early_data_bytes")
    if mode != "immediate" and early is None:
        text = "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE"
        cursor.problem(text, field="upstream_connect_mode")
    return model.TcpProxy(
        place=cursor.path_text,
        stat_prefix=fields.get("stat_prefix", ""),
        clusters=_lower_clusters(cursor, fields, references),
        idle_timeout_ms=off_if_zero(cursor, "idle_timeout", fields, HOUR_MS),
        max_downstream_connection_duration_ms=off_if_zero(
            cursor, "max_downstream_connection_duration", fields, None
        ),
        max_downstream_connection_duration_jitter_percentage=_lower_jitter(cursor, fields),
        max_connect_attempts=1 if attempts is None else attempts.value,
        backoff=_lower_backoff(cursor.child("backoff_options")) if "backoff_options" in fields else None,
        # Without TLS there is no handshake to wait for.
        connects_on_data=mode == "on_downstream_data",
        max_early_data_bytes=None if early is None else early.value,
        proxy_protocol_tlvs=lower_tlvs(cursor, "proxy_protocol_tlvs"),
        proxy_protocol_tlv_merge_policy=word(cursor, "proxy_protocol_tlv_merge_policy", _MERGE_POLICIES),
        tunneling=lower_tcp_tunneling(cursor) if "tunneling_config" in fields else None,
        check_drain_close="check_drain_close" in fields and fields["check_drain_close"].value,
        access_log=lower_access_logs(cursor),
        access_log_events=lower_access_log_events(cursor, fields, _ACCESS_LOG_OPTIONS),
    )


def _lower_jitter(cursor: Cursor, fields: dict[str, Any]) -> float:
    name = "max_downstream_connection_duration_jitter_percentage"
    return float(_JITTER.read(cursor.child(name)).get("value", 0.0)) if name in fields else 0.0


def _lower_backoff(cursor: Cursor) -> model.Backoff:
    fields = _BACKOFF.read(cursor)
    base = milliseconds(cursor, "base_interval", fields, 1)
    longest = milliseconds(cursor, "max_interval", fields, base * _MAX_INTERVAL_FACTOR)
    if longest < base:
        cursor.problem(
            "max_interval must be greater than or equal to the base_interval", field="max_interval"
        )
    return model.Backoff(base_interval_ms=base, max_interval_ms=longest)


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
