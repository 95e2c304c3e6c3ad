"""Filters of access logs: which requests and connections leave a line.

Owns AccessLogFilter and its 13 kinds. Header conditions are `matcher.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/accesslog/v3/accesslog.proto
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import refuse_typed_config
from ferryman.config.fields import Fields, word
from ferryman.config.matcher import lower_header_matcher
from ferryman.config.metadata_matcher import lower_metadata_matcher
from ferryman.config.runtime import lower_fractional_percent, lower_runtime_uint32

_FILTER = Fields(
    "envoy.config.accesslog.v3.AccessLogFilter",
    "status_code_filter duration_filter not_health_check_filter traceable_filter and_filter or_filter"
    " header_filter metadata_filter response_flag_filter grpc_status_filter log_type_filter runtime_filter",
    checked={"extension_filter": "no extension is built"},
)
_STATUS_CODE = Fields("envoy.config.accesslog.v3.StatusCodeFilter", "comparison")
_DURATION = Fields("envoy.config.accesslog.v3.DurationFilter", "comparison")
_COMPARISON = Fields("envoy.config.accesslog.v3.ComparisonFilter", "op value")
_RUNTIME = Fields(
    "envoy.config.accesslog.v3.RuntimeFilter", "runtime_key percent_sampled use_independent_randomness"
)
_RESPONSE_FLAG = Fields("envoy.config.accesslog.v3.ResponseFlagFilter", "flags")
_METADATA = Fields("envoy.config.accesslog.v3.MetadataFilter", "matcher match_if_key_not_found")
_HEADER = Fields("envoy.config.accesslog.v3.HeaderFilter", "header")
_AND = Fields("envoy.config.accesslog.v3.AndFilter", "filters")
_OR = Fields("envoy.config.accesslog.v3.OrFilter", "filters")

_GRPC_STATUS = Fields("envoy.config.accesslog.v3.GrpcStatusFilter", "statuses exclude")
_LOG_TYPE = Fields("envoy.config.accesslog.v3.LogTypeFilter", "types exclude")

_OPS: Final = ("eq", "ge", "le", "ne")


def lower_access_log_filter(cursor: Cursor) -> model.AccessLogFilter | None:
    """The filter of an access log; None when there is none, or with a problem."""
    fields = _FILTER.read(cursor)
    for name, lower in _FILTERS.items():
        if name in fields:
            return lower(cursor.child(name))
    if "extension_filter" in fields:
        refuse_typed_config(cursor.child("extension_filter"), "envoy.access_loggers.extension_filters")
    return None


def _lower_comparison(cursor: Cursor) -> model.Comparison:
    _COMPARISON.read(cursor)
    return model.Comparison(op=word(cursor, "op", _OPS), value=lower_runtime_uint32(cursor.child("value")))


def _lower_status_code(cursor: Cursor) -> model.AccessLogFilter:
    _STATUS_CODE.read(cursor)
    return model.StatusCodeFilter(comparison=_lower_comparison(cursor.child("comparison")))


def _lower_duration(cursor: Cursor) -> model.AccessLogFilter:
    _DURATION.read(cursor)
    return model.DurationFilter(comparison=_lower_comparison(cursor.child("comparison")))


def _lower_response_flag(cursor: Cursor) -> model.AccessLogFilter:
    return model.ResponseFlagFilter(flags=list(_RESPONSE_FLAG.read(cursor).get("flags", ())))


def _lower_grpc_status(cursor: Cursor) -> model.AccessLogFilter:
    fields = _GRPC_STATUS.read(cursor)
    return model.GrpcStatusFilter(
        statuses=list(fields.get("statuses", ())), exclude=fields.get("exclude", False)
    )


def _lower_log_type(cursor: Cursor) -> model.AccessLogFilter:
    fields = _LOG_TYPE.read(cursor)
    return model.LogTypeFilter(types=list(fields.get("types", ())), exclude=fields.get("exclude", False))


def _lower_header(cursor: Cursor) -> model.AccessLogFilter:
    _HEADER.read(cursor)
    return model.HeaderFilter(header=lower_header_matcher(cursor.child("header")))


def _lower_metadata(cursor: Cursor) -> model.AccessLogFilter:
    fields = _METADATA.read(cursor)
    if_missing = fields.get("match_if_key_not_found")
    return model.MetadataFilter(
        matcher=lower_metadata_matcher(cursor.child("matcher")) if "matcher" in fields else None,
        if_missing=True if if_missing is None else if_missing.value,
    )


def _lower_runtime(cursor: Cursor) -> model.AccessLogFilter:
    fields = _RUNTIME.read(cursor)
    return model.RuntimeFilter(
        percent=lower_fractional_percent(cursor.child("percent_sampled")),
        runtime_key=fields.get("runtime_key", ""),
        use_independent_randomness=fields.get("use_independent_randomness", False),
    )


def _lower_filters(cursor: Cursor) -> list[model.AccessLogFilter]:
    lowered = [lower_access_log_filter(item) for item in cursor.items("filters")]
    return [item for item in lowered if item is not None]


def _lower_and(cursor: Cursor) -> model.AccessLogFilter:
    _AND.read(cursor)
    return model.AndFilter(filters=_lower_filters(cursor))


def _lower_or(cursor: Cursor) -> model.AccessLogFilter:
    _OR.read(cursor)
    return model.OrFilter(filters=_lower_filters(cursor))


_FILTERS: Final[Mapping[str, Callable[[Any], model.AccessLogFilter]]] = {
    "status_code_filter": _lower_status_code,
    "duration_filter": _lower_duration,
    "not_health_check_filter": lambda _: model.NotHealthCheckFilter(),
    "traceable_filter": lambda _: model.TraceableFilter(),
    "and_filter": _lower_and,
    "or_filter": _lower_or,
    "header_filter": _lower_header,
    "metadata_filter": _lower_metadata,
    "response_flag_filter": _lower_response_flag,
    "grpc_status_filter": _lower_grpc_status,
    "log_type_filter": _lower_log_type,
    "runtime_filter": _lower_runtime,
}
