"""`envoy.filters.listener.proxy_protocol`: a header in front of a connection says who it is from.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/proxy_protocol
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.proxy_protocol import lower_pass_through

TYPE: Final = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
_PROXY_PROTOCOL = Fields(
    TYPE,
    "allow_requests_without_proxy_protocol pass_through_tlvs disallowed_versions stat_prefix rules"
    " tlv_location",
)
_RULE = Fields(f"{TYPE}.Rule", "tlv_type on_tlv_present")
_ON_PRESENT = Fields(f"{TYPE}.KeyValuePair", "metadata_namespace key value_string_encoding")

_V1: Final = 0
_V2: Final = 1
_FILTER_STATE: Final = 1
_BASE64: Final = 2
_NAMESPACE: Final = "envoy.filters.listener.proxy_protocol"


def lower(cursor: Cursor) -> model.ProxyProtocolFilter:
    """The filter's configuration."""
    fields = _PROXY_PROTOCOL.read(cursor)
    pass_all, passed = lower_pass_through(cursor, fields)
    disallowed = set(fields.get("disallowed_versions", ()))
    return model.ProxyProtocolFilter(
        allow_requests_without_proxy_protocol=fields.get("allow_requests_without_proxy_protocol", False),
        pass_all_tlvs=pass_all,
        pass_tlvs=passed,
        v1=_V1 not in disallowed,
        v2=_V2 not in disallowed,
        stat_prefix=fields.get("stat_prefix", ""),
        rules=_lower_rules(cursor),
        # As in Envoy, what is no known place or encoding is the default one.
        tlvs_in_filter_state=fields.get("tlv_location") == _FILTER_STATE,
    )


def _lower_rules(cursor: Cursor) -> list[model.TlvRule]:
    """The rules by type: of two for one type, the later counts."""
    rules: dict[int, model.TlvRule] = {}
    for item in cursor.items("rules"):
        fields = _RULE.read(item)
        kind = fields.get("tlv_type", 0)
        told = _ON_PRESENT.read(item.child("on_tlv_present")) if "on_tlv_present" in fields else {}
        if kind in rules:
            item.warn(f"takes the place of the rule for type {kind} before it", code="duplicate")
        rules[kind] = model.TlvRule(
            tlv_type=kind,
            metadata_namespace=told.get("metadata_namespace") or _NAMESPACE,
            key=told.get("key", ""),
            encoding="base64" if told.get("value_string_encoding") == _BASE64 else "sanitized_utf8",
        )
    return list(rules.values())
