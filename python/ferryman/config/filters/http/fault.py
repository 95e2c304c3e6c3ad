"""`envoy.filters.http.fault`: delays and aborts requests, and slows responses, on purpose.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/fault_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_header_matcher
from ferryman.config.metadata import lower_struct
from ferryman.config.runtime import lower_fractional_percent

TYPE: Final = "envoy.extensions.filters.http.fault.v3.HTTPFault"

_NO_CLUSTER_STATS: Final = "no statistics are kept for each downstream cluster, whose number has no limit"

_FAULT = Fields(
    TYPE,
    "delay abort response_rate_limit filter_metadata upstream_cluster headers downstream_nodes"
    " max_active_faults delay_percent_runtime abort_percent_runtime delay_duration_runtime"
    " abort_http_status_runtime abort_grpc_status_runtime max_active_faults_runtime"
    " response_rate_limit_percent_runtime",
    no_effect={"disable_downstream_cluster_stats": _NO_CLUSTER_STATS},
)
_DELAY = Fields("envoy.extensions.filters.common.fault.v3.FaultDelay", "fixed_delay header_delay percentage")
_ABORT = Fields(
    "envoy.extensions.filters.http.fault.v3.FaultAbort",
    "http_status grpc_status header_abort percentage response_body",
)
_RATE_LIMIT = Fields(
    "envoy.extensions.filters.common.fault.v3.FaultRateLimit", "fixed_limit header_limit percentage"
)
_FIXED_LIMIT = Fields("envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit", "limit_kbps")
_HEADER_LIMIT = Fields("envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit")
_HEADER_DELAY = Fields("envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay")
_HEADER_ABORT = Fields("envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort")


def lower(cursor: Cursor) -> model.Fault:
    """The filter's configuration, and what a route says to it: they have the same type."""
    fields = _FAULT.read(cursor)
    most = fields["max_active_faults"].value if "max_active_faults" in fields else None
    return model.Fault(
        delay=_lower_delay(cursor.child("delay"), fields) if "delay" in fields else None,
        abort=_lower_abort(cursor.child("abort"), fields) if "abort" in fields else None,
        response_rate_limit=_lower_rate_limit(cursor.child("response_rate_limit"), fields)
        if "response_rate_limit" in fields
        else None,
        filter_metadata=lower_struct(fields["filter_metadata"]) if "filter_metadata" in fields else None,
        upstream_cluster=fields.get("upstream_cluster", ""),
        headers=[lower_header_matcher(item) for item in cursor.items("headers")],
        downstream_nodes=list(fields.get("downstream_nodes", ())),
        max_active_faults=most,
        max_active_faults_runtime=_key(fields, "max_active_faults_runtime", "fault.http.max_active_faults"),
    )


def _key(fields: dict[str, Any], name: str, usual: str) -> str:
    key: str = fields.get(name, "")
    return key or usual


def _percentage(cursor: Cursor, key: str, by_header: bool) -> model.FaultPercentage:
    percent = lower_fractional_percent(cursor.child("percentage"))
    runtime = model.RuntimeFractionalPercent(default_value=percent, runtime_key=key)
    return model.FaultPercentage(percentage=runtime, by_header=by_header)


def _lower_delay(cursor: Cursor, of_filter: dict[str, Any]) -> model.FaultDelay:
    fields = _DELAY.read(cursor)
    by_header = "header_delay" in fields
    if by_header:
        _HEADER_DELAY.read(cursor.child("header_delay"))
    key = _key(of_filter, "delay_percent_runtime", "fault.http.delay.fixed_delay_percent")
    return model.FaultDelay(
        fixed_delay_ms=None if by_header else milliseconds(cursor, "fixed_delay", fields, 0),
        duration_runtime=_key(of_filter, "delay_duration_runtime", "fault.http.delay.fixed_duration_ms"),
        percentage=_percentage(cursor, key, by_header),
    )


def _lower_abort(cursor: Cursor, of_filter: dict[str, Any]) -> model.FaultAbort:
    fields = _ABORT.read(cursor)
    by_header = "header_abort" in fields
    if by_header:
        _HEADER_ABORT.read(cursor.child("header_abort"))
    key = _key(of_filter, "abort_percent_runtime", "fault.http.abort.abort_percent")
    return model.FaultAbort(
        http_status=None if by_header or "grpc_status" in fields else fields.get("http_status", 0),
        status_runtime=_key(of_filter, "abort_http_status_runtime", "fault.http.abort.http_status"),
        grpc_status=fields.get("grpc_status"),
        grpc_status_runtime=_key(of_filter, "abort_grpc_status_runtime", "fault.http.abort.grpc_status"),
        response_body=fields.get("response_body") or "fault filter abort",
        percentage=_percentage(cursor, key, by_header),
    )


def _lower_rate_limit(cursor: Cursor, of_filter: dict[str, Any]) -> model.FaultRateLimit:
    fields = _RATE_LIMIT.read(cursor)
    by_header = "header_limit" in fields
    if by_header:
        _HEADER_LIMIT.read(cursor.child("header_limit"))
    limit = {} if by_header else _FIXED_LIMIT.read(cursor.child("fixed_limit"))
    key = _key(of_filter, "response_rate_limit_percent_runtime", "fault.http.rate_limit.response_percent")
    return model.FaultRateLimit(
        limit_kbps=None if by_header else limit.get("limit_kbps", 0),
        percentage=_percentage(cursor, key, by_header),
    )
