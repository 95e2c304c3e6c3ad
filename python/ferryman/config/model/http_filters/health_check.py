"""The health check filter (Envoy: `health_check.v3`)."""

from __future__ import annotations

from ferryman.config.model.matcher import HeaderMatcher
from ferryman.config.model.struct import Tagged


class HealthCheck(Tagged, tag="health_check", frozen=True):
    """Requests that match all `headers` are health checks; upstreams see them in `pass_through_mode` only.

    Without it, each cluster must have at least its percentage of healthy endpoints.
    """

    pass_through_mode: bool
    headers: list[HeaderMatcher]
    cluster_min_healthy_percentages: list[tuple[str, float]]
