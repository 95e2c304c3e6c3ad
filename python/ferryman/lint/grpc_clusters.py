"""`grpc-cluster-http1`: a gRPC service whose cluster speaks HTTP/1.1.

Owns the rule. Follows envoy.config.core.v3.GrpcService.EnvoyGrpc: gRPC needs HTTP/2, and a cluster speaks
HTTP/1.1 unless it is told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import short_name

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject

_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def _judge(subject: Subject) -> Iterator[Finding]:
    plain = {cluster.get("name"): cluster for cluster in subject.clusters if _speaks_http1(cluster)}
    told = set()
    for cursor in subject.messages:
        if short_name(cursor) != "EnvoyGrpc":
            continue
        name = cursor.get("cluster_name")
        if name in plain and name not in told:
            told.add(name)
            text = f"a gRPC service is called through cluster `{name}`, which speaks HTTP/1.1"
            hint = "add explicit_http_config.http2_protocol_options to its typed_extension_protocol_options"
            yield Finding(plain[name], text, hint, "name")


def _speaks_http1(cluster: Cursor) -> bool:
    if cluster.has("http2_protocol_options") or cluster.has("transport_socket_matches"):
        return False
    for key, entry in cluster.map_items("typed_extension_protocol_options"):
        if key != _OPTIONS:
            continue
        options = entry.unpack()
        if options is None or options.has("use_downstream_protocol_config") or options.has("auto_config"):
            return False
        return options.child("explicit_http_config").which("protocol_config") == "http_protocol_options"
    return True


GRPC_CLUSTERS: Final = Rule("grpc-cluster-http1", "a gRPC service whose cluster speaks HTTP/1.1", _judge)
