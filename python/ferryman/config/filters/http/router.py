"""`envoy.filters.http.router`: sends requests to clusters by the route table.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/router_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model, upstream_http_filters
from ferryman.config.access_log import lower_access_logs
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.http.router.v3.Router"

_ROUTER = Fields(
    TYPE,
    "dynamic_stats suppress_envoy_headers start_child_span strict_check_headers respect_expected_rq_timeout"
    " suppress_grpc_request_failure_code_stats reject_connect_request_early_data upstream_log"
    " upstream_log_options upstream_http_filters",
)
_LOG_OPTIONS = Fields(
    "envoy.extensions.filters.http.router.v3.Router.UpstreamAccessLogOptions",
    "flush_upstream_log_on_upstream_stream upstream_log_flush_interval",
)


def lower(cursor: Cursor) -> model.Router:
    """The router's configuration; `dynamic_stats` is on unless switched off."""
    fields = _ROUTER.read(cursor)
    early = fields.get("reject_connect_request_early_data")
    return model.Router(
        dynamic_stats=fields["dynamic_stats"].value if "dynamic_stats" in fields else True,
        suppress_envoy_headers=fields.get("suppress_envoy_headers", False),
        start_child_span=fields.get("start_child_span", False),
        strict_check_headers=list(fields.get("strict_check_headers", ())),
        respect_expected_rq_timeout=fields.get("respect_expected_rq_timeout", False),
        suppress_grpc_request_failure_code_stats=fields.get(
            "suppress_grpc_request_failure_code_stats", False
        ),
        reject_connect_request_early_data=early is not None and early.value,
        upstream_log=lower_access_logs(cursor, "upstream_log"),
        upstream_http_filters=upstream_http_filters.lower_upstream_http_filters(
            cursor, "upstream_http_filters"
        ),
        upstream_log_events=_lower_log_options(cursor.child("upstream_log_options")),
    )


def _lower_log_options(cursor: Cursor) -> model.AccessLogEvents:
    fields = _LOG_OPTIONS.read(cursor)
    interval = "upstream_log_flush_interval"
    return model.AccessLogEvents(
        on_start=False,
        on_connected=fields.get("flush_upstream_log_on_upstream_stream", False),
        flush_interval_ms=milliseconds(cursor, interval, fields, 0) if interval in fields else None,
    )
