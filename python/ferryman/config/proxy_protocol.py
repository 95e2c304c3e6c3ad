"""What is told of connections by the PROXY protocol: the header towards hosts, and its TLVs.

Owns ProxyProtocolConfig, TlvEntry and ProxyProtocolPassThroughTLVs.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/proxy_protocol.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word

_PASS_THROUGH = Fields("envoy.config.core.v3.ProxyProtocolPassThroughTLVs", "match_type tlv_type")

_CONFIG = Fields("envoy.config.core.v3.ProxyProtocolConfig", "version pass_through_tlvs added_tlvs")
_OF_TUNNEL = Fields(
    "envoy.config.core.v3.ProxyProtocolConfig",
    "version",
    no_effect=dict.fromkeys(("pass_through_tlvs", "added_tlvs"), "Envoy 1.40 adds no TLVs to tunnels"),
    where="of a tunnel",
)
_TLV = Fields("envoy.config.core.v3.TlvEntry", "type value")

_INCLUDE_ALL: Final = 0
_VERSIONS: Final = ("v1", "v2")
_MAX_TYPE: Final = 255


def lower_pass_through(cursor: Cursor, fields: dict[str, Any]) -> tuple[bool, list[int]]:
    """Whether all TLVs are passed on, and the types of those that are."""
    if "pass_through_tlvs" not in fields:
        return False, []
    passed = _PASS_THROUGH.read(cursor.child("pass_through_tlvs"))
    if passed.get("match_type", _INCLUDE_ALL) == _INCLUDE_ALL:
        return True, []
    return False, sorted(set(passed.get("tlv_type", ())))


def lower_header(cursor: Cursor) -> model.UpstreamProxyProtocol:
    """A ProxyProtocolConfig."""
    fields = _CONFIG.read(cursor)
    pass_all, passed = lower_pass_through(cursor, fields)
    return model.UpstreamProxyProtocol(
        v2=word(cursor, "version", _VERSIONS) == "v2",
        pass_all_tlvs=pass_all,
        pass_tlvs=passed,
        added_tlvs=lower_tlvs(cursor, "added_tlvs"),
    )


def lower_bare_header(cursor: Cursor) -> model.UpstreamProxyProtocol:
    """The ProxyProtocolConfig of a tunnel, whose header has no TLVs."""
    _OF_TUNNEL.read(cursor)
    is_v2 = word(cursor, "version", _VERSIONS) == "v2"
    return model.UpstreamProxyProtocol(v2=is_v2, pass_all_tlvs=False, pass_tlvs=[], added_tlvs=[])


def lower_tlvs(cursor: Cursor, field: str) -> list[model.Tlv]:
    """TlvEntries with values of their own."""
    lowered = []
    for item in cursor.items(field):
        fields = _TLV.read(item)
        kind = fields.get("type", 0)
        if kind > _MAX_TYPE:
            item.problem(f"must be at most {_MAX_TYPE}", field="type")
            continue
        lowered.append(model.Tlv(tlv_type=kind, value=fields.get("value", b"")))
    return lowered
