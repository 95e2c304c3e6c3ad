"""HTTP filters and their configuration on routes: one line in each list a filter."""

from __future__ import annotations

from ferryman.config.model.access_log import AccessLog, AccessLogEvents
from ferryman.config.model.http_filters.basic_auth import BasicAuth, BasicAuthPerRoute
from ferryman.config.model.http_filters.buffer import Buffer, BufferPerRoute
from ferryman.config.model.http_filters.compressor import Compressor, CompressorDirection, CompressorPerRoute
from ferryman.config.model.http_filters.cors import Cors, CorsPolicy
from ferryman.config.model.http_filters.csrf import CsrfPolicy
from ferryman.config.model.http_filters.custom_response import (
    CustomResponse,
    LocalResponsePolicy,
    RedirectPolicy,
    RedirectUri,
)
from ferryman.config.model.http_filters.decompressor import Decompressor, DecompressorDirection
from ferryman.config.model.http_filters.fault import (
    Fault,
    FaultAbort,
    FaultDelay,
    FaultPercentage,
    FaultRateLimit,
)
from ferryman.config.model.http_filters.grpc import GrpcHttp1Bridge, GrpcStats, GrpcWeb
from ferryman.config.model.http_filters.header_mutation import (
    AppendHeader,
    AppendQueryParameter,
    HeaderEdit,
    HeaderMutation,
    HeaderMutationPerRoute,
    Mutations,
    RemoveHeader,
    RemoveHeadersOnMatch,
    RemoveQueryParameter,
)
from ferryman.config.model.http_filters.header_to_metadata import (
    CookieSelector,
    HeaderSelector,
    HeaderToMetadata,
    HeaderToMetadataRule,
    MetadataKeyValue,
)
from ferryman.config.model.http_filters.health_check import HealthCheck
from ferryman.config.model.http_filters.local_ratelimit import HttpLocalRateLimit
from ferryman.config.model.http_filters.set_filter_state import HttpSetFilterState
from ferryman.config.model.http_filters.set_metadata import MetadataEntry, SetMetadata
from ferryman.config.model.struct import Model, Tagged


class Router(Tagged, tag="router", frozen=True):
    """`envoy.filters.http.router`."""

    dynamic_stats: bool
    suppress_envoy_headers: bool
    start_child_span: bool
    strict_check_headers: list[str]  # names of the five headers that may be checked
    respect_expected_rq_timeout: bool
    suppress_grpc_request_failure_code_stats: bool
    reject_connect_request_early_data: bool
    upstream_log: list[AccessLog]
    upstream_log_events: AccessLogEvents  # on_connected: the pool gave a connection
    upstream_http_filters: list[HttpFilter] | None  # without the codec; None: there is no list


HttpFilterConfig = (
    Router
    | Buffer
    | BasicAuth
    | Compressor
    | Cors
    | CsrfPolicy
    | Decompressor
    | CustomResponse
    | Fault
    | GrpcHttp1Bridge
    | GrpcStats
    | GrpcWeb
    | HeaderMutation
    | HeaderToMetadata
    | HealthCheck
    | HttpLocalRateLimit
    | HttpSetFilterState
    | SetMetadata
)
"""What a filter of the chain is configured with."""

PerRouteConfig = (
    BufferPerRoute
    | BasicAuthPerRoute
    | CompressorPerRoute
    | CorsPolicy
    | CsrfPolicy
    | CustomResponse
    | Fault
    | HeaderMutationPerRoute
    | HeaderToMetadata
    | HttpLocalRateLimit
    | HttpSetFilterState
)
"""What a route, or a level above or below it, says to one filter."""


class HttpFilter(Model, frozen=True):
    """One HTTP filter in the chain; `name` is its name in the configuration."""

    name: str
    disabled: bool
    config: HttpFilterConfig


class RouteFilterConfig(Model, frozen=True):
    """What one level says of one HTTP filter, by the filter's name in the chain.

    `config` None: nothing but whether it is disabled.
    """

    filter_name: str
    disabled: bool
    config: PerRouteConfig | None


__all__ = [
    "AppendHeader",
    "AppendQueryParameter",
    "BasicAuth",
    "BasicAuthPerRoute",
    "Buffer",
    "BufferPerRoute",
    "Compressor",
    "CompressorDirection",
    "CompressorPerRoute",
    "CookieSelector",
    "Cors",
    "CorsPolicy",
    "CsrfPolicy",
    "Decompressor",
    "DecompressorDirection",
    "CustomResponse",
    "LocalResponsePolicy",
    "Fault",
    "FaultAbort",
    "FaultDelay",
    "FaultPercentage",
    "FaultRateLimit",
    "GrpcHttp1Bridge",
    "GrpcStats",
    "GrpcWeb",
    "HealthCheck",
    "HttpFilter",
    "HttpFilterConfig",
    "HttpLocalRateLimit",
    "HttpSetFilterState",
    "PerRouteConfig",
    "RedirectPolicy",
    "RedirectUri",
    "RouteFilterConfig",
    "Router",
    "HeaderEdit",
    "HeaderMutation",
    "HeaderMutationPerRoute",
    "HeaderSelector",
    "HeaderToMetadata",
    "HeaderToMetadataRule",
    "MetadataEntry",
    "MetadataKeyValue",
    "Mutations",
    "RemoveHeader",
    "RemoveHeadersOnMatch",
    "RemoveQueryParameter",
    "SetMetadata",
]
