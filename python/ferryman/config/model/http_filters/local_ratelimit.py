"""The local rate limit filter (Envoy: `local_ratelimit.v3`)."""

from __future__ import annotations

from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.listener_filter import TokenBucket
from ferryman.config.model.rate_limit import LocalRateLimitDescriptor, RateLimit
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Tagged


class HttpLocalRateLimit(Tagged, tag="local_ratelimit", frozen=True):
    """So many requests in a time.

    `token_bucket` None: there is no limit but those of descriptors. `filter_enabled`, `filter_enforced` None:
    never. `rate_limits` make the descriptors of a request; where there are none, those of its route and its
    virtual host do, as far as they have this `stage`.
    """

    stat_prefix: str
    status: int
    token_bucket: TokenBucket | None
    filter_enabled: RuntimeFractionalPercent | None
    filter_enforced: RuntimeFractionalPercent | None
    request_headers_to_add_when_not_enforced: list[HeaderValueOption]
    response_headers_to_add: list[HeaderValueOption]
    per_connection: bool
    x_ratelimit_headers: bool
    retry_after_header: bool
    resource_exhausted: bool
    descriptors: list[LocalRateLimitDescriptor]
    rate_limits: list[RateLimit]
    stage: int
    vh_rate_limits: (
        str  # override | include | ignore: when those of the virtual host count beside the route's
    )
    always_consume_default_token_bucket: bool
    max_dynamic_descriptors: int
