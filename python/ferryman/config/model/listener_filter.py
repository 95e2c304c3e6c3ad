"""Listener filters (Envoy: `extensions.filters.listener`)."""

from __future__ import annotations

from ferryman.config.model.runtime import RuntimeFeatureFlag
from ferryman.config.model.struct import Model, Tagged


class TokenBucket(Model, frozen=True):
    """A bucket that is full at first and refilled continuously."""

    max_tokens: int
    tokens_per_fill: int
    fill_interval_ms: int


class TlvRule(Model, frozen=True):
    """What is made of a TLV: a value in a namespace of the dynamic metadata, or in the filter state."""

    tlv_type: int
    metadata_namespace: str
    key: str
    encoding: str  # sanitized_utf8 (with `!` for what is none) | base64


class ProxyProtocolFilter(Tagged, tag="proxy_protocol", frozen=True):
    """`envoy.filters.listener.proxy_protocol`; `v1` and `v2`: the version is not disallowed."""

    allow_requests_without_proxy_protocol: bool
    pass_all_tlvs: bool
    pass_tlvs: list[int]
    v1: bool
    v2: bool
    stat_prefix: str
    rules: list[TlvRule]  # at most one for each type
    tlvs_in_filter_state: bool


class OriginalDst(Tagged, tag="original_dst", frozen=True):
    """`envoy.filters.listener.original_dst`."""


class ListenerLocalRateLimit(Tagged, tag="local_ratelimit", frozen=True):
    """`envoy.filters.listener.local_ratelimit`."""

    stat_prefix: str
    token_bucket: TokenBucket
    enabled: RuntimeFeatureFlag


class TlsInspector(Tagged, tag="tls_inspector", frozen=True):
    """`envoy.filters.listener.tls_inspector`."""

    max_client_hello_bytes: int
    close_connection_on_client_hello_parsing_errors: bool
    ja3_fingerprinting: bool
    ja4_fingerprinting: bool


class HttpInspector(Tagged, tag="http_inspector", frozen=True):
    """`envoy.filters.listener.http_inspector`."""


ListenerFilterConfig = (
    ProxyProtocolFilter | OriginalDst | ListenerLocalRateLimit | TlsInspector | HttpInspector
)


class AnyConnection(Tagged, tag="any", frozen=True):
    """Every connection."""


class NotConnection(Tagged, tag="not", frozen=True):
    """Those for which the rule does not hold."""

    rule: ConnectionPredicate


class AndConnection(Tagged, tag="and", frozen=True):
    """Those for which all rules hold."""

    rules: list[ConnectionPredicate]


class OrConnection(Tagged, tag="or", frozen=True):
    """Those for which any rule holds."""

    rules: list[ConnectionPredicate]


class DestinationPort(Tagged, tag="destination_port", frozen=True):
    """Those whose destination port is at least `start` and less than `end`."""

    start: int
    end: int


ConnectionPredicate = AnyConnection | NotConnection | AndConnection | OrConnection | DestinationPort


class ListenerFilter(Model, frozen=True):
    """A listener filter; `disabled` says for which connections it is switched off."""

    config: ListenerFilterConfig
    disabled: ConnectionPredicate | None
