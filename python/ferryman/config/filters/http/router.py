"""`envoy.filters.http.router`: sends requests to clusters by the route table.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/router_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import EMPTY, Fields
from ferryman.config.upstream_http_filters import check_upstream_filters

TYPE: Final = "envoy.extensions.filters.http.router.v3.Router"

_ROUTER = Fields(
    TYPE,
    "dynamic_stats suppress_envoy_headers start_child_span strict_check_headers respect_expected_rq_timeout"
    " suppress_grpc_request_failure_code_stats reject_connect_request_early_data",
    checked={"upstream_http_filters": "upstream_codec alone, which is there in any case"},
    same={"upstream_log_options": EMPTY},
)


def lower(cursor: Cursor) -> model.Router:
    """The router's configuration; `dynamic_stats` is on unless switched off."""
    fields = _ROUTER.read(cursor)
    check_upstream_filters(cursor, "upstream_http_filters")
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
    )
