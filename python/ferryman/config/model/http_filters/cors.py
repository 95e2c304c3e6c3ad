"""The CORS filter (Envoy: `cors.v3`)."""

from __future__ import annotations

from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Tagged


class Cors(Tagged, tag="cors", frozen=True):
    """Does what the policies of the routes say."""


class CorsPolicy(Tagged, tag="cors", frozen=True):
    """Who may do what; None or an empty value: the level above says it."""

    allow_origins: list[StringMatcher]
    allow_methods: str
    allow_headers: str
    expose_headers: str
    max_age: str
    allow_credentials: bool | None
    filter_enabled: RuntimeFractionalPercent | None
    shadow_enabled: RuntimeFractionalPercent | None
    allow_private_network_access: bool | None
    forward_not_matching_preflights: bool | None
