"""What requests say of themselves to rate limits (Envoy: `config.route.v3.RateLimit`), and buckets by it."""

from __future__ import annotations

from ferryman.config.model.address import CidrRange
from ferryman.config.model.format import Format
from ferryman.config.model.listener_filter import TokenBucket
from ferryman.config.model.match_tree import MatchInput
from ferryman.config.model.matcher import HeaderMatcher, QueryParameterMatcher
from ferryman.config.model.struct import Model, Tagged


class SourceCluster(Tagged, tag="source_cluster", frozen=True):
    """`source_cluster`: this proxy's own `node.cluster`."""


class DestinationCluster(Tagged, tag="destination_cluster", frozen=True):
    """`destination_cluster`: the cluster that the route chose."""


class RequestHeader(Tagged, tag="request_header", frozen=True):
    """The first of a request header (lower case); `skip_if_absent`: there is a descriptor without it."""

    header: str
    key: str
    skip_if_absent: bool


class QueryParameter(Tagged, tag="query_parameter", frozen=True):
    """The first query parameter of the name, decoded."""

    name: str
    key: str
    skip_if_absent: bool


class RemoteAddress(Tagged, tag="remote_address", frozen=True):
    """`remote_address`: the client's."""


class MaskedRemoteAddress(Tagged, tag="masked_remote_address", frozen=True):
    """`masked_remote_address`: the client's network, with its length."""

    v4_prefix_len: int
    v6_prefix_len: int


class GenericKey(Tagged, tag="generic_key", frozen=True):
    """Always the same."""

    key: str
    value: str


class HeaderValueMatch(Tagged, tag="header_value_match", frozen=True):
    """`value` if the headers match, or if they do not: as `expect_match` says."""

    key: str
    value: str
    expect_match: bool
    headers: list[HeaderMatcher]


class QueryValueMatch(Tagged, tag="query_value_match", frozen=True):
    """The same of decoded query parameters."""

    key: str
    value: str
    expect_match: bool
    query_parameters: list[QueryParameterMatcher]


class RemoteAddressMatch(Tagged, tag="remote_address_match", frozen=True):
    """`value`, or where that is empty `default_value`, if the client's address is in a range."""

    key: str
    value: Format
    default_value: Format
    ranges: list[CidrRange]
    invert: bool


class MetadataAction(Tagged, tag="metadata", frozen=True):
    """A text in metadata; `default_value` may be empty: there is none."""

    source: str  # dynamic | route_entry | cluster_entry
    key: str
    namespace: str
    path: list[str]
    default_value: str
    skip_if_absent: bool


class InputAction(Tagged, tag="input", frozen=True):
    """What a match tree could look at."""

    key: str
    input: MatchInput


RateLimitAction = (
    SourceCluster
    | DestinationCluster
    | RequestHeader
    | QueryParameter
    | RemoteAddress
    | MaskedRemoteAddress
    | GenericKey
    | HeaderValueMatch
    | QueryValueMatch
    | RemoteAddressMatch
    | MetadataAction
    | InputAction
)


class RateLimit(Model, frozen=True):
    """Makes one descriptor of a request: an entry for each action.

    `disable_key` not empty: the local rate limit passes it over. `hits_format`: how many tokens it takes, in
    the place of `hits`. `x_ratelimit_headers` None: as the filter says.
    """

    stage: int
    disable_key: str
    actions: list[RateLimitAction]
    hits: int
    hits_format: Format | None
    x_ratelimit_headers: bool | None


class DescriptorEntry(Model, frozen=True):
    """One entry; an empty `value` stands for any, each with a bucket of its own."""

    key: str
    value: str


class LocalRateLimitDescriptor(Model, frozen=True):
    """The bucket of a descriptor; `shadow_mode`: it counts, and lets pass."""

    entries: list[DescriptorEntry]
    token_bucket: TokenBucket
    shadow_mode: bool
