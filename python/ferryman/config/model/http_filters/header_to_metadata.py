"""The filter that turns headers into dynamic metadata (Envoy: `header_to_metadata.v3`)."""

from __future__ import annotations

from ferryman.config.model.matcher import RegexRewrite
from ferryman.config.model.struct import Model, Tagged


class HeaderSelector(Tagged, tag="header", frozen=True):
    """A header (lower case); with `remove` it goes."""

    name: str
    remove: bool


class CookieSelector(Tagged, tag="cookie", frozen=True):
    """A cookie."""

    name: str


class MetadataKeyValue(Model, frozen=True):
    """What is set; an empty `value`: what was found, rewritten if `regex_value_rewrite` says so."""

    namespace: str
    key: str
    value: str
    regex_value_rewrite: RegexRewrite | None
    value_type: str  # string | number | protobuf_value
    base64: bool


class HeaderToMetadataRule(Model, frozen=True):
    """What one header or cookie, or its absence, sets."""

    selector: HeaderSelector | CookieSelector
    on_present: MetadataKeyValue | None
    on_missing: MetadataKeyValue | None


class HeaderToMetadata(Tagged, tag="header_to_metadata", frozen=True):
    """The rules; a route's stand in the place of the filter's. `stat_prefix` empty: no statistics."""

    request_rules: list[HeaderToMetadataRule]
    response_rules: list[HeaderToMetadataRule]
    stat_prefix: str
