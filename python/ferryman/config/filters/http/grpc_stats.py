"""`envoy.filters.http.grpc_stats`: counts gRPC calls and their messages.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/grpc_stats_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"

_GRPC_STATS = Fields(
    TYPE,
    "emit_filter_state individual_method_stats_allowlist stats_for_all_methods enable_upstream_stats"
    " replace_dots_in_grpc_service_name",
    partly={"stats_for_all_methods": "10,000 methods are counted one by one, further ones together"},
)
_LIST = Fields("envoy.config.core.v3.GrpcMethodList", "services")
_SERVICE = Fields("envoy.config.core.v3.GrpcMethodList.Service", "name method_names")


def lower(cursor: Cursor) -> model.GrpcStats:
    """The filter's configuration. Where neither methods nor all of them are asked for, all count together."""
    fields = _GRPC_STATS.read(cursor)
    counts_all = "stats_for_all_methods" in fields and fields["stats_for_all_methods"].value
    return model.GrpcStats(
        emit_filter_state=fields.get("emit_filter_state", False),
        methods=None if counts_all else _methods(cursor, "individual_method_stats_allowlist" in fields),
        enable_upstream_stats=fields.get("enable_upstream_stats", False),
        replace_dots_in_service_name=fields.get("replace_dots_in_grpc_service_name", False),
    )


def _methods(cursor: Cursor, has_list: bool) -> list[tuple[str, str]]:
    if not has_list:
        return []
    listed = cursor.child("individual_method_stats_allowlist")
    _LIST.read(listed)
    methods = []
    for service in listed.items("services"):
        fields = _SERVICE.read(service)
        methods += [(fields.get("name", ""), method) for method in fields.get("method_names", ())]
    return methods
