"""`envoy.filters.http.local_ratelimit`: so many requests in a time.

Descriptors have buckets of their own, by what rate limit actions (`rate_limit.py`) say of a request.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/local_rate_limit_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word
from ferryman.config.header import lower_header_options
from ferryman.config.rate_limit import lower_filter_rate_limits
from ferryman.config.runtime import lower_runtime_fraction
from ferryman.config.token_bucket import lower_token_bucket

TYPE: Final = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

_LOCAL_RATE_LIMIT = Fields(
    TYPE,
    "stat_prefix status token_bucket filter_enabled filter_enforced request_headers_to_add_when_not_enforced"
    " response_headers_to_add local_rate_limit_per_downstream_connection enable_x_ratelimit_headers"
    " rate_limited_as_resource_exhausted enable_retry_after_header descriptors rate_limits stage"
    " vh_rate_limits always_consume_default_token_bucket max_dynamic_descriptors",
)
_DESCRIPTOR = Fields(
    "envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor", "entries token_bucket shadow_mode"
)
_ENTRY = Fields("envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry", "key value")
_STATUS = Fields("envoy.type.v3.HttpStatus", "code")

_X_RATELIMIT: Final = ("off", "draft_version_03")
_VH_RATE_LIMITS: Final = ("override", "include", "ignore")
_TOO_MANY_REQUESTS: Final = 429
_MAX_DYNAMIC_DESCRIPTORS: Final = 20


def lower(cursor: Cursor) -> model.HttpLocalRateLimit:
    """The filter's configuration, and what a route says to it: they have the same type."""
    fields = _LOCAL_RATE_LIMIT.read(cursor)
    bucket = lower_token_bucket(cursor.child("token_bucket")) if "token_bucket" in fields else None
    enabled, enforced = (
        lower_runtime_fraction(cursor.child(name)) if name in fields else None
        for name in ("filter_enabled", "filter_enforced")
    )
    to_request = "request_headers_to_add_when_not_enforced"
    return model.HttpLocalRateLimit(
        stat_prefix=fields.get("stat_prefix", ""),
        status=_status(cursor, fields),
        token_bucket=bucket,
        filter_enabled=enabled,
        filter_enforced=enforced,
        request_headers_to_add_when_not_enforced=lower_header_options(cursor, to_request),
        response_headers_to_add=lower_header_options(cursor, "response_headers_to_add"),
        per_connection=fields.get("local_rate_limit_per_downstream_connection", False),
        x_ratelimit_headers=word(cursor, "enable_x_ratelimit_headers", _X_RATELIMIT) != "off",
        retry_after_header=fields.get("enable_retry_after_header", False),
        resource_exhausted=fields.get("rate_limited_as_resource_exhausted", False),
        descriptors=_descriptors(cursor, fields),
        rate_limits=lower_filter_rate_limits(cursor, fields),
        stage=fields.get("stage", 0),
        vh_rate_limits=word(cursor, "vh_rate_limits", _VH_RATE_LIMITS),
        always_consume_default_token_bucket=_wrapped(fields, "always_consume_default_token_bucket", True),
        max_dynamic_descriptors=_wrapped(fields, "max_dynamic_descriptors", _MAX_DYNAMIC_DESCRIPTORS),
    )


def _wrapped(fields: dict[str, Any], name: str, default: Any) -> Any:
    return fields[name].value if name in fields else default


def _descriptors(cursor: Cursor, fields: dict[str, Any]) -> list[model.LocalRateLimitDescriptor]:
    lowered = []
    seen: set[tuple[tuple[str, str], ...]] = set()
    for place, item in enumerate(cursor.items("descriptors") if "descriptors" in fields else []):
        read = _DESCRIPTOR.read(item)
        entries = [_ENTRY.read(entry) for entry in item.items("entries")]
        pairs = tuple((entry.get("key", ""), entry.get("value", "")) for entry in entries)
        if pairs in seen:
            shown = ", ".join(f"{key}={value}" for key, value in pairs)
            cursor.problem(f"the descriptor {shown} stands twice", None, "descriptors", "duplicate", place)
        seen.add(pairs)
        lowered.append(
            model.LocalRateLimitDescriptor(
                entries=[model.DescriptorEntry(key=key, value=value) for key, value in pairs],
                token_bucket=lower_token_bucket(item.child("token_bucket")),
                shadow_mode=read.get("shadow_mode", False),
            )
        )
    return lowered


def lower_per_route(cursor: Cursor) -> model.HttpLocalRateLimit:
    """What a route says in the filter's place."""
    if not cursor.has("token_bucket"):
        cursor.problem("token_bucket is required here", "a filter alone may do without", code="required")
    return lower(cursor)


def _status(cursor: Cursor, fields: dict[str, Any]) -> int:
    """The status; Envoy takes none that is no error."""
    code: int = _STATUS.read(cursor.child("status")).get("code", 0) if "status" in fields else 0
    return code if code >= 400 else _TOO_MANY_REQUESTS
