"""The network filters before the last one of a chain, and the small ones that end it."""

from __future__ import annotations

from ferryman.config.model.address import CidrRange
from ferryman.config.model.filter_state import FilterStateValue
from ferryman.config.model.listener_filter import TokenBucket
from ferryman.config.model.match_tree import MatchTree
from ferryman.config.model.matcher import FilterStateMatcher, MetadataMatcher, StringMatcher
from ferryman.config.model.runtime import RuntimeFeatureFlag
from ferryman.config.model.struct import Model, Tagged
from ferryman.config.model.tls import SubjectAltNameMatcher


class NetworkDirectResponse(Tagged, tag="direct_response", frozen=True):
    """`envoy.filters.network.direct_response`."""

    response: bytes


class Echo(Tagged, tag="echo", frozen=True):
    """`envoy.filters.network.echo`."""


class ConnectionLimit(Tagged, tag="connection_limit", frozen=True):
    """`envoy.filters.network.connection_limit`; `delay_ms`: how long the refused ones wait."""

    stat_prefix: str
    max_connections: int
    delay_ms: int | None
    enabled: RuntimeFeatureFlag


class NetworkLocalRateLimit(Tagged, tag="local_ratelimit", frozen=True):
    """`envoy.filters.network.local_ratelimit`; of one `share_key`, equal buckets are one."""

    stat_prefix: str
    token_bucket: TokenBucket
    share_key: str
    enabled: RuntimeFeatureFlag


class RbacAny(Tagged, tag="any", frozen=True):
    """Every connection."""


class RbacNever(Tagged, tag="never", frozen=True):
    """No connection: what asks for a client certificate."""


class RbacNot(Tagged, tag="not", frozen=True):
    """Those for which the rule does not hold."""

    rule: RbacRule


class RbacAnd(Tagged, tag="and", frozen=True):
    """Those for which all rules hold."""

    rules: list[RbacRule]


class RbacOr(Tagged, tag="or", frozen=True):
    """Those for which any rule holds."""

    rules: list[RbacRule]


class RbacDestinationIp(Tagged, tag="destination_ip", frozen=True):
    """By the local address."""

    range: CidrRange


class RbacDestinationPort(Tagged, tag="destination_port", frozen=True):
    """A local port of at least `start` and less than `end`."""

    start: int
    end: int


class RbacRequestedServerName(Tagged, tag="requested_server_name", frozen=True):
    """By SNI, which is empty without TLS."""

    name: StringMatcher


class RbacRemoteIp(Tagged, tag="remote_ip", frozen=True):
    """By the client's address, as a PROXY protocol header may tell it."""

    range: CidrRange


class RbacDirectRemoteIp(Tagged, tag="direct_remote_ip", frozen=True):
    """By the address of the socket's peer."""

    range: CidrRange


class RbacMetadata(Tagged, tag="metadata", frozen=True):
    """By what listener and network filters said of the connection."""

    matcher: MetadataMatcher


class RbacFilterState(Tagged, tag="filter_state", frozen=True):
    """By what they left for others."""

    matcher: FilterStateMatcher


class RbacAuthenticated(Tagged, tag="authenticated", frozen=True):
    """By the names of the client's certificate; without a matcher by TLS alone."""

    name: StringMatcher | None


class RbacValidated(Tagged, tag="validated", frozen=True):
    """By a client certificate that is proven; without a matcher by any."""

    san: SubjectAltNameMatcher | None


RbacRule = (
    RbacAny
    | RbacNever
    | RbacNot
    | RbacAnd
    | RbacOr
    | RbacDestinationIp
    | RbacDestinationPort
    | RbacRequestedServerName
    | RbacRemoteIp
    | RbacDirectRemoteIp
    | RbacMetadata
    | RbacFilterState
    | RbacAuthenticated
    | RbacValidated
)


class RbacPolicy(Model, frozen=True):
    """Both must hold."""

    name: str
    permissions: RbacRule
    principals: RbacRule


class RbacRules(Tagged, tag="rules", frozen=True):
    """Policies by name; the first that matches counts."""

    action: str  # allow | deny | log
    policies: list[RbacPolicy]


class RbacTreeAction(Model, frozen=True):
    """What a tree may say."""

    name: str
    action: str  # allow | deny | log


class RbacTree(Tagged, tag="tree", frozen=True):
    """A tree in the place of policies; what it has no action for is denied."""

    tree: MatchTree
    actions: list[RbacTreeAction]


class NetworkRbac(Tagged, tag="rbac", frozen=True):
    """`envoy.filters.network.rbac`."""

    stat_prefix: str
    rules: RbacRules | RbacTree | None
    shadow_rules: RbacRules | RbacTree | None
    shadow_rules_stat_prefix: str
    continuous: bool
    delay_deny_ms: int | None


class NetworkSetFilterState(Tagged, tag="set_filter_state", frozen=True):
    """`envoy.filters.network.set_filter_state`."""

    on_new_connection: list[FilterStateValue]
