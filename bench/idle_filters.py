"""Ten HTTP filters that look at each request of the benchmark and find nothing to do.

A proxy at work has a chain like this: checks, faults for tests, guards for browsers, all of which leave an
ordinary request alone.
"""

from __future__ import annotations

from typing import Any

_GZIP = "type.googleapis.com/envoy.extensions.compression.gzip."
_TYPE = "type.googleapis.com/envoy.extensions.filters.http."


def idle_filters() -> list[dict[str, Any]]:
    """The filters, without the router that ends the list."""
    gzip = {"name": "gzip", "typed_config": {"@type": _GZIP + "compressor.v3.Gzip"}}
    gunzip = {"name": "gzip", "typed_config": {"@type": _GZIP + "decompressor.v3.Gzip"}}
    filters: list[tuple[str, str, dict[str, Any]]] = [
        ("health_check", "health_check.v3.HealthCheck", _health_check("/healthz")),
        ("fault", "fault.v3.HTTPFault", {"headers": [_absent()], "abort": _abort()}),
        ("cors", "cors.v3.Cors", {}),
        ("csrf", "csrf.v3.CsrfPolicy", {"filter_enabled": _percent(0)}),
        ("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", {"stat_prefix": "none"}),
        ("header_to_metadata", "header_to_metadata.v3.Config", {"request_rules": [_rule()]}),
        ("header_mutation", "header_mutation.v3.HeaderMutation", {}),
        ("custom_response", "custom_response.v3.CustomResponse", {}),
        ("compressor", "compressor.v3.Compressor", {"compressor_library": gzip}),
        ("decompressor", "decompressor.v3.Decompressor", {"decompressor_library": gunzip}),
    ]
    return [
        {"name": name, "typed_config": {"@type": _TYPE + kind, **settings}}
        for name, kind, settings in filters
    ]


def _health_check(path: str) -> dict[str, Any]:
    match = {"name": ":path", "string_match": {"exact": path}}
    return {"pass_through_mode": False, "headers": [match]}


def _absent() -> dict[str, Any]:
    return {"name": "x-absent", "present_match": True}


def _abort() -> dict[str, Any]:
    return {"http_status": 503, "percentage": _percent(100)["default_value"]}


def _percent(numerator: int) -> dict[str, Any]:
    return {"default_value": {"numerator": numerator, "denominator": "HUNDRED"}}


def _rule() -> dict[str, Any]:
    on_header_present = {"metadata_namespace": "bench", "key": "absent", "type": "STRING"}
    return {"header": "x-absent", "on_header_present": on_header_present, "remove": False}
