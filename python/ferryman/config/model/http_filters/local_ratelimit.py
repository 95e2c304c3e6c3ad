"""The local rate limit filter (Envoy: `local_ratelimit.v3`)."""

from __future__ import annotations

from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.listener_filter import TokenBucket
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Tagged


class HttpLocalRateLimit(Tagged, tag="local_ratelimit", frozen=True):
    """So many requests in a time.

    `token_bucket` None: there is no limit. `filter_enabled`, `filter_enforced` None: never.
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
