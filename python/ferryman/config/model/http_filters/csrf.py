"""The CSRF filter (Envoy: `csrf.v3`)."""

from __future__ import annotations

from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Tagged


class CsrfPolicy(Tagged, tag="csrf", frozen=True):
    """Which requests must come from this site or from `additional_origins` (host and port)."""

    filter_enabled: RuntimeFractionalPercent
    shadow_enabled: RuntimeFractionalPercent | None
    additional_origins: list[StringMatcher]
