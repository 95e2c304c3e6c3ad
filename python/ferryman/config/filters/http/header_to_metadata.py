"""`envoy.filters.http.header_to_metadata`: turns headers and cookies into dynamic metadata.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/header_to_metadata_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word
from ferryman.config.matcher import lower_regex_rewrite
from ferryman.config.model import http_filters

TYPE: Final = "envoy.extensions.filters.http.header_to_metadata.v3.Config"

_CONFIG = Fields(TYPE, "request_rules response_rules stat_prefix")
_RULE = Fields(f"{TYPE}.Rule", "header cookie on_header_present on_header_missing remove")
_KEY_VALUE = Fields(f"{TYPE}.KeyValuePair", "metadata_namespace key value regex_value_rewrite type encode")

_TYPES: Final = ("string", "number", "protobuf_value")
_ENCODINGS: Final = ("none", "base64")
_NAMESPACE: Final = "envoy.filters.http.header_to_metadata"


def lower(cursor: Cursor) -> model.HeaderToMetadata:
    """The filter's configuration."""
    fields = _CONFIG.read(cursor)
    return model.HeaderToMetadata(
        request_rules=_rules(cursor, "request_rules"),
        response_rules=_rules(cursor, "response_rules"),
        stat_prefix=fields.get("stat_prefix", ""),
    )


def lower_per_route(cursor: Cursor) -> model.HeaderToMetadata:
    """What a route says in the filter's place."""
    if not (cursor.has("request_rules") or cursor.has("response_rules")):
        cursor.problem("has no rules", "set request_rules or response_rules", code="required")
    return lower(cursor)


def _rules(cursor: Cursor, field: str) -> list[http_filters.HeaderToMetadataRule]:
    lowered = [_lower_rule(item) for item in cursor.items(field)]
    return [rule for rule in lowered if rule is not None]


def _lower_rule(cursor: Cursor) -> http_filters.HeaderToMetadataRule | None:
    fields = _RULE.read(cursor)
    header, cookie = fields.get("header", "").lower(), fields.get("cookie", "")
    if bool(header) == bool(cookie):
        cursor.problem("needs either header or cookie", "set one of them")
        return None
    if cookie and fields.get("remove", False):
        cursor.problem("a cookie cannot be removed", "remove `remove`", "remove")
    if "on_header_present" not in fields and "on_header_missing" not in fields:
        cursor.problem("needs on_header_present or on_header_missing", "it sets nothing", code="required")
    present = _lower_key_value(cursor.child("on_header_present")) if "on_header_present" in fields else None
    missing = _lower_key_value(cursor.child("on_header_missing")) if "on_header_missing" in fields else None
    if missing is not None and not missing.value:
        cursor.child("on_header_missing").problem("value is required", field="value", code="required")
    if present is not None and present.value and present.regex_value_rewrite is not None:
        cursor.child("on_header_present").problem(
            "value and regex_value_rewrite cannot both be set", "remove one", "value"
        )
    selector: http_filters.HeaderSelector | http_filters.CookieSelector = http_filters.CookieSelector(
        name=cookie
    )
    if header:
        selector = http_filters.HeaderSelector(name=header, remove=fields.get("remove", False))
    return http_filters.HeaderToMetadataRule(selector=selector, on_present=present, on_missing=missing)


def _lower_key_value(cursor: Cursor) -> http_filters.MetadataKeyValue:
    fields: dict[str, Any] = _KEY_VALUE.read(cursor)
    rewrite = None
    if "regex_value_rewrite" in fields:
        rewrite = lower_regex_rewrite(cursor.child("regex_value_rewrite"))
    return http_filters.MetadataKeyValue(
        namespace=fields.get("metadata_namespace") or _NAMESPACE,
        key=fields.get("key", ""),
        value=fields.get("value", ""),
        regex_value_rewrite=rewrite,
        value_type=word(cursor, "type", _TYPES),
        base64=word(cursor, "encode", _ENCODINGS) == "base64",
    )
