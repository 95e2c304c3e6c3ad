"""What the header `proxy-status` of a connection manager's responses tells.

Owns ProxyStatusConfig and the name that the proxy gives itself there.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/response_code_details
and RFC 9209.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.model.http_connection_manager import ProxyStatusConfig
from ferryman.config.references import References

_PROXY_STATUS = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig",
    "remove_details remove_connection_termination_details remove_response_flags"
    " set_recommended_response_code use_node_id literal_proxy_name",
    partly={"use_node_id": "Envoy 1.40 takes the node's ID whether it is true or false"},
)
_SERVER_NAME: Final = "envoy"


def lower_proxy_status(
    cursor: Cursor, fields: Mapping[str, Any], references: References
) -> ProxyStatusConfig | None:
    """The `proxy_status_config` of the manager at `cursor`, whose set fields are `fields`."""
    if "proxy_status_config" not in fields:
        return None
    config = cursor.child("proxy_status_config")
    read = _PROXY_STATUS.read(config)
    name = fields.get("server_name") or _SERVER_NAME
    if config.message.HasField("use_node_id"):
        name = references.node_id
    elif config.message.HasField("literal_proxy_name"):
        name = read["literal_proxy_name"]
    return ProxyStatusConfig(
        proxy_name=name,
        remove_details=read.get("remove_details", False),
        remove_connection_termination_details=read.get("remove_connection_termination_details", False),
        remove_response_flags=read.get("remove_response_flags", False),
        set_recommended_response_code=read.get("set_recommended_response_code", False),
    )
