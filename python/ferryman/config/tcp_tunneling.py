"""TcpProxy.TunnelingConfig: sessions that go to hosts as the payload of an HTTP request.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/http/upgrades#tunneling-tcp-over-http
"""

from __future__ import annotations

import re
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.format import lower_format
from ferryman.config.header import is_protected, lower_header_value_option
from ferryman.config.request_id import lower_request_id_extension
from ferryman.config.substitution_format import lower_formatters

_TUNNELING = Fields(
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig",
    "hostname use_post headers_to_add propagate_response_headers post_path propagate_response_trailers"
    " request_id_extension request_id_header request_id_metadata_key formatters",
)
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_REQUEST_ID_HEADER: Final = "x-request-id"
_REQUEST_ID_KEY: Final = "tunnel_request_id"


def lower_tcp_tunneling(proxy: Cursor) -> model.Tunneling:
    """The `tunneling_config` of the proxy at the cursor with every default filled in."""
    cursor = proxy.child("tunneling_config")
    fields = _TUNNELING.read(cursor)
    added = lower_formatters(cursor)
    use_post = fields.get("use_post", False)
    path = fields.get("post_path", "")
    if path and not use_post:
        cursor.problem("post_path can be set only where use_post is", "set use_post", "post_path")
    headers = [lower_header_value_option(item, added) for item in cursor.items("headers_to_add")]
    request_id = None
    # As in Envoy, an extension that names no type makes no identifiers.
    if "request_id_extension" in fields and cursor.child("request_id_extension").has("typed_config"):
        lower_request_id_extension(cursor.child("request_id_extension"))
        header = fields.get("request_id_header", "").lower() or _REQUEST_ID_HEADER
        if is_protected(header) or not _NAME.fullmatch(header):
            cursor.problem(
                f"`{header}` cannot carry the identifier", "name another header", "request_id_header"
            )
        request_id = model.TunnelRequestId(
            header=header,
            metadata_key=fields.get("request_id_metadata_key", "") or _REQUEST_ID_KEY,
        )
    return model.Tunneling(
        hostname=lower_format(cursor, fields.get("hostname", ""), "hostname", added),
        post_path=(path or "/") if use_post else None,
        headers_to_add=[option for option in headers if option is not None],
        propagate_response_headers=fields.get("propagate_response_headers", False),
        propagate_response_trailers=fields.get("propagate_response_trailers", False),
        request_id=request_id,
    )
