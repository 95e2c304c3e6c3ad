"""Route tables (Envoy: `config.route.v3.RouteConfiguration`)."""

from __future__ import annotations

from ferryman.config.model.format import Format
from ferryman.config.model.header import HeaderMutations
from ferryman.config.model.http_filters import RouteFilterConfig
from ferryman.config.model.local_reply import BodyFormat
from ferryman.config.model.match_tree import MatchTree
from ferryman.config.model.matcher import (
    CookieMatcher,
    FilterStateMatcher,
    HeaderMatcher,
    MetadataMatcher,
    QueryParameterMatcher,
    RegexRewrite,
)
from ferryman.config.model.metadata import Metadata
from ferryman.config.model.rate_limit import RateLimit
from ferryman.config.model.redirect import RedirectAction
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Model, Tagged
from ferryman.config.model.upstream_connection import UpstreamProxyProtocol


class PathPrefix(Tagged, tag="prefix", frozen=True):
    """`:path` without query starts so."""

    value: str
    case_sensitive: bool


class PathExact(Tagged, tag="path", frozen=True):
    """`:path` without query is equal."""

    value: str
    case_sensitive: bool


class PathRegex(Tagged, tag="safe_regex", frozen=True):
    """`:path` without query matches as a whole."""

    regex: str


class PathSeparatedPrefix(Tagged, tag="path_separated_prefix", frozen=True):
    """`:path` is equal or goes on with `/` after it."""

    value: str
    case_sensitive: bool


class PathConnect(Tagged, tag="connect", frozen=True):
    """There is no `:path`: the request is a CONNECT."""


PathMatch = PathPrefix | PathExact | PathRegex | PathSeparatedPrefix | PathConnect


class RouteMatch(Model, frozen=True):
    """All conditions of a route; every one must hold."""

    path: PathMatch
    headers: list[HeaderMatcher]
    query_parameters: list[QueryParameterMatcher]
    runtime_fraction: RuntimeFractionalPercent | None
    cookies: list[CookieMatcher]
    grpc: bool  # `content-type` says gRPC
    tls_presented: bool | None  # whether the client showed a certificate; None: it does not matter
    tls_validated: bool | None  # whether that was validated
    dynamic_metadata: list[MetadataMatcher]
    filter_state: list[FilterStateMatcher]


class ClusterName(Tagged, tag="cluster", frozen=True):
    """One fixed cluster."""

    name: str


class ClusterHeader(Tagged, tag="cluster_header", frozen=True):
    """The request header (lower case) that names the cluster."""

    name: str


class WeightedCluster(Model, frozen=True):
    """One choice of several, taken `weight` times in the sum of all weights.

    `cluster_header`: the request header (lower case) that names the cluster; `name` is empty then.
    """

    name: str
    cluster_header: str | None
    weight: int
    headers: HeaderMutations
    host_rewrite_literal: str | None
    filter_config: list[RouteFilterConfig]


class WeightedClusters(Tagged, tag="weighted_clusters", frozen=True):
    """Several clusters, weights > 0 in sum. `header_name`: a request header that holds the random value.

    With a `runtime_key_prefix` that is not empty, `PREFIX.CLUSTER` in the runtime is a cluster's weight.
    """

    clusters: list[WeightedCluster]
    header_name: str | None
    runtime_key_prefix: str


class ClusterMatcher(Tagged, tag="matcher", frozen=True):
    """The cluster that a match tree names by its place in `clusters`; none matches: there is no cluster."""

    tree: MatchTree
    clusters: list[str]


class NoCluster(Tagged, tag="none", frozen=True):
    """Left by a plugin that was skipped: requests have no route then."""


ClusterSpecifier = ClusterName | ClusterHeader | WeightedClusters | ClusterMatcher | NoCluster


class HostRewriteLiteral(Tagged, tag="literal", frozen=True):
    """Host becomes this."""

    value: str


class HostRewriteAuto(Tagged, tag="auto", frozen=True):
    """Host becomes the chosen endpoint's hostname, if it has one."""


class HostRewriteHeader(Tagged, tag="header", frozen=True):
    """Host becomes this request header's value, if it is there."""

    name: str


class HostRewritePathRegex(Tagged, tag="path_regex", frozen=True):
    """Host is made from the path without query."""

    rewrite: RegexRewrite


class HostRewriteFormat(Tagged, tag="format", frozen=True):
    """Host becomes what the format makes, unless that is nothing."""

    format: Format


HostRewrite = (
    HostRewriteLiteral | HostRewriteAuto | HostRewriteHeader | HostRewritePathRegex | HostRewriteFormat
)


class ConnectConfig(Model, frozen=True):
    """CONNECT, and with `allow_post` POST, ends here: its body is the payload of a TCP connection."""

    allow_post: bool
    proxy_protocol: UpstreamProxyProtocol | None


class RouteUpgradeConfig(Model, frozen=True):
    """Whether an upgrade is allowed on the route; wins over the connection manager's word."""

    upgrade_type: str
    enabled: bool
    connect_config: ConnectConfig | None


class SafeCrossScheme(Tagged, tag="safe_cross_scheme", frozen=True):
    """The redirect does not lead from HTTP to HTTPS."""


class AllowListedRoutes(Tagged, tag="allow_listed_routes", frozen=True):
    """The route that the redirect leads to has one of these names."""

    names: list[str]


class PreviousRoutes(Tagged, tag="previous_routes", frozen=True):
    """No redirect of this route led to the same route before, for the same request."""


class RedirectsOfFilterState(Tagged, tag="filter_state", frozen=True):
    """A filter has left `true` under `key`; where there is nothing, `if_absent` counts."""

    key: str
    if_absent: bool


InternalRedirectPredicate = SafeCrossScheme | AllowListedRoutes | PreviousRoutes | RedirectsOfFilterState


class InternalRedirectPolicy(Model, frozen=True):
    """Which redirects of the upstream are followed: all predicates hold.

    `response_headers_to_copy`: the fields (lower case) that the request gets from the response.
    """

    max_internal_redirects: int
    redirect_response_codes: list[int]
    allow_cross_scheme_redirect: bool
    response_headers_to_copy: list[str]
    predicates: list[InternalRedirectPredicate]


class RouteAction(Tagged, tag="route", frozen=True):
    """Forward to a cluster."""

    cluster: ClusterSpecifier
    cluster_not_found_response_code: int  # 404 | 500 | 503
    prefix_rewrite: str | None
    regex_rewrite: RegexRewrite | None
    path_rewrite: Format | None  # made for the place of the path, the query stays
    host_rewrite: HostRewrite | None
    append_x_forwarded_host: bool
    timeout_ms: int | None
    idle_timeout_ms: int | None  # the route's own; None: the connection manager's stream_idle_timeout holds
    idle_timeout_set: bool  # True with idle_timeout_ms None: switched off for this route
    flush_timeout_ms: int | None  # the route's own, of a whole response that waits for a window of HTTP/2
    flush_timeout_set: bool  # True with flush_timeout_ms None: switched off for this route
    max_stream_duration_ms: int | None  # the route's own; None: the connection manager's holds
    max_stream_duration_set: bool  # True with max_stream_duration_ms None: switched off for this route
    max_grpc_timeout_ms: int | None  # None: `grpc-timeout` says nothing to the response timeout; 0: no limit
    grpc_timeout_offset_ms: int  # taken off what `grpc-timeout` says
    grpc_timeout_header_max_ms: int | None  # the same for the stream's duration
    grpc_timeout_header_offset_ms: int
    priority: str  # default | high
    upgrade_configs: list[RouteUpgradeConfig]
    internal_redirect: InternalRedirectPolicy | None  # None: redirects of the upstream are passed on
    rate_limits: list[RateLimit]
    include_vh_rate_limits: bool


class DirectResponseAction(Tagged, tag="direct_response", frozen=True):
    """Answer from the configuration; the body is read at load.

    `body_format` makes the body of that one; its content type may be empty, and is plain text then.
    """

    status: int
    body: bytes
    body_format: BodyFormat | None


class Route(Model, frozen=True):
    """One route of a virtual host; `name` may be empty. `place` is where it stands in the configuration.

    `stat_prefix` is what stands after `vhost.<virtual host>.route.`; empty: the route has no statistics.
    """

    name: str
    metadata: Metadata | None
    place: str
    match: RouteMatch
    action: RouteAction | RedirectAction | DirectResponseAction
    headers: HeaderMutations
    filter_config: list[RouteFilterConfig]
    request_body_buffer_limit_bytes: int | None
    stat_prefix: str


class VirtualCluster(Model, frozen=True):
    """Requests that are counted together, whatever their route: all `headers`, at least one, match them."""

    name: str
    headers: list[HeaderMatcher]


class RouteMatcher(Model, frozen=True):
    """A match tree that leads to lists of routes; of such a list too the first match wins."""

    tree: MatchTree
    actions: list[list[Route]]


class VirtualHost(Model, frozen=True):
    """A set of domains and its routes, first match wins. Domains are lower case.

    `matcher` stands in the place of `routes`, which are empty then.

    A request is counted in the first virtual cluster that takes it, else in `other`; without any, nowhere.
    """

    name: str
    metadata: Metadata | None
    domains: list[str]
    routes: list[Route]
    matcher: RouteMatcher | None
    include_request_attempt_count: bool
    include_attempt_count_in_response: bool
    headers: HeaderMutations
    require_tls: str  # none | external_only | all
    filter_config: list[RouteFilterConfig]
    virtual_clusters: list[VirtualCluster]
    rate_limits: list[RateLimit]


class ScopeKeyFragment(Model, frozen=True):
    """One part of a scope's key: an element of a request header (lower case); of several headers the first.

    No `element_separator`: the whole header is the one element. `key`: the part behind the `key_separator` of
    the first element whose part before it is this; None: the element of `index`.
    """

    header: str
    element_separator: str
    index: int
    key: str | None
    key_separator: str


class RouteScope(Model, frozen=True):
    """A route table for requests that say `key`. No two have the same."""

    name: str
    key: list[str]
    route_config: RouteConfiguration


class ScopedRoutes(Model, frozen=True):
    """The table is that of the scope whose key is what the fragments make of a request, or there is none."""

    fragments: list[ScopeKeyFragment]
    scopes: list[RouteScope]


class RouteConfiguration(Model, frozen=True):
    """A route table."""

    name: str
    filter_config: list[RouteFilterConfig]
    virtual_hosts: list[VirtualHost]
    headers: HeaderMutations
    internal_only_headers: list[str]
    most_specific_header_mutations_wins: bool
    ignore_port_in_host_matching: bool
    vhost_header: str | None  # the request header (lower case) that stands for the host
    ignore_path_parameters_in_path_matching: bool
    max_direct_response_body_size_bytes: int
