"""Ten HTTP filters that look at each request of the benchmark and find nothing to do.

A proxy at work has a chain like this: checks, faults for tests, guards for browsers, all of which leave an
ordinary request alone.
"""

from __future__ import annotations

from typing import Any

_TYPE = "type.googleapis.com/envoy.extensions.filters.http."


def idle_filters() -> list[dict[str, Any]]:
    """The filters, without the router that ends the list."""
    return [
        {"name": name, "typed_config": {"@type": _TYPE + kind, **settings}}
        for name, kind, settings in (
            ("health_check", "health_check.v3.HealthCheck", _health_check("/healthz")),
            ("health_check_2", "health_check.v3.HealthCheck", _health_check("/ready")),
            ("fault", "fault.v3.HTTPFault", {"headers": [_absent()], "abort": _abort()}),
            ("fault_2", "fault.v3.HTTPFault", {"headers": [_absent()], "abort": _abort()}),
            ("cors", "cors.v3.Cors", {}),
            ("csrf", "csrf.v3.CsrfPolicy", {"filter_enabled": _percent(0)}),
            ("header_to_metadata", "header_to_metadata.v3.Config", {"request_rules": [_rule()]}),
            ("header_to_metadata_2", "header_to_metadata.v3.Config", {"request_rules": [_rule()]}),
            ("header_mutation", "header_mutation.v3.HeaderMutation", {}),
            ("header_mutation_2", "header_mutation.v3.HeaderMutation", {}),
        )
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
