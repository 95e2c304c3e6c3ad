"""`envoy.filters.http.health_check`: answers the health checks that others make of this proxy.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/health_check_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_header_matcher

TYPE: Final = "envoy.extensions.filters.http.health_check.v3.HealthCheck"

_HEALTH_CHECK = Fields(TYPE, "pass_through_mode cluster_min_healthy_percentages headers")
_PERCENT = Fields("envoy.type.v3.Percent", "value", where="health_check")


def lower(cursor: Cursor) -> model.HealthCheck:
    """The filter's configuration. `cache_time` needs a cache of answers, which is not built."""
    fields = _HEALTH_CHECK.read(cursor)
    pass_through: bool = fields["pass_through_mode"].value if "pass_through_mode" in fields else False
    clusters = cursor.map_items("cluster_min_healthy_percentages")
    percentages = [(name, float(_PERCENT.read(item).get("value", 0.0))) for name, item in clusters]
    if pass_through and percentages:
        hint = "a filter that passes through does not look at clusters"
        cursor.warn("has no effect", hint, "cluster_min_healthy_percentages", "no-effect")
    return model.HealthCheck(
        pass_through_mode=pass_through,
        headers=[lower_header_matcher(item) for item in cursor.items("headers")],
        cluster_min_healthy_percentages=[] if pass_through else percentages,
    )
