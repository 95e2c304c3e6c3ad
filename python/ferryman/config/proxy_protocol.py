"""What both sides of the PROXY protocol share: which TLVs are passed on.

Owns ProxyProtocolPassThroughTLVs.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/proxy_protocol.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_PASS_THROUGH = Fields("envoy.config.core.v3.ProxyProtocolPassThroughTLVs", "match_type tlv_type")

_INCLUDE_ALL: Final = 0


def lower_pass_through(cursor: Cursor, fields: dict[str, Any]) -> tuple[bool, list[int]]:
    """Whether all TLVs are passed on, and the types of those that are."""
    if "pass_through_tlvs" not in fields:
        return False, []
    passed = _PASS_THROUGH.read(cursor.child("pass_through_tlvs"))
    if passed.get("match_type", _INCLUDE_ALL) == _INCLUDE_ALL:
        return True, []
    return False, sorted(set(passed.get("tlv_type", ())))
