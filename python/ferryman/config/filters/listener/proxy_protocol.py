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
    TYPE, "allow_requests_without_proxy_protocol pass_through_tlvs disallowed_versions stat_prefix"
)

_V1: Final = 0
_V2: Final = 1


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
    )
