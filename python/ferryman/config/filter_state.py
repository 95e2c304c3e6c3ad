"""Filter state: the objects that set_filter_state leaves for others, in HTTP and on connections.

Owns FilterStateValue and the factories that are built. What an object means is said by whoever looks for its
name: `envoy.tcp_proxy.cluster` is read by tcp_proxy.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/advanced/well_known_filter_state
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, refuse, word
from ferryman.config.substitution_format import SUBSTITUTION_FORMAT, lower_substitution_format

_VALUE = Fields(
    "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue",
    "object_key factory_key format_string shared_with_upstream skip_if_empty",
    no_effect={"read_only": "Envoy 1.40 replaces such an object all the same"},
)
_FORMAT = Fields(
    SUBSTITUTION_FORMAT,
    "text_format json_format text_format_source omit_empty_values formatters",
    no_effect={
        "content_type": "an object has none",
        "json_format_options": "fields are always sorted, as in Envoy 1.40",
    },
    where="of an object of filter state",
)

_FACTORIES: Final = {
    "envoy.string": "string",
    "envoy.hashable_string": "string",
    "envoy.bool": "bool",
    "envoy.network.ip": "ip",
    "envoy.tcp_proxy.cluster": "tcp_proxy_cluster",
    "envoy.tcp_proxy.disable_tunneling": "bool",
    "envoy.tcp_proxy.per_connection_idle_timeout_ms": "milliseconds",
}
_NOT_BUILT: Final = {
    "envoy.network.application_protocols": "TLS towards hosts does not read it yet",
    "envoy.network.upstream_server_name": "TLS towards hosts does not read it yet",
    "envoy.network.upstream_subject_alt_names": "TLS towards hosts does not read it yet",
    "envoy.network.network_namespace": "network namespaces of upstream connections are not built",
    "envoy.network.transport_socket.http_11_proxy.info": "its transport socket is not built",
    "envoy.network.transport_socket.original_dst_address": "clusters of type ORIGINAL_DST are not built",
    "envoy.upstream.dynamic_host": "dynamic forward proxies are not built",
    "envoy.upstream.dynamic_port": "dynamic forward proxies are not built",
    "envoy.ratelimit.hits_addend": "the filters that read it are not built",
    "envoy.router.debug_config": "debug headers of the router are not built",
    "envoy.filters.listener.original_dst.local_ip": "the original_dst filter does not read it yet",
    "envoy.filters.listener.original_dst.remote_ip": "the original_dst filter does not read it yet",
    "envoy.ai.llm_protocol.request": "the filters that read it are not built",
    "envoy.ai.model.request": "the filters that read it are not built",
}
_SHARING: Final = ("none", "once", "transitive")


def lower_filter_state_values(cursor: Cursor, field: str) -> list[model.FilterStateValue]:
    """The objects in a repeated field."""
    lowered = [_lower_value(item) for item in cursor.items(field)]
    return [value for value in lowered if value is not None]


def _lower_value(cursor: Cursor) -> model.FilterStateValue | None:
    fields: dict[str, Any] = _VALUE.read(cursor)
    key: str = fields.get("object_key", "")
    field = "factory_key" if fields.get("factory_key") else "object_key"
    name: str = fields.get(field, "")
    factory = _FACTORIES.get(name)
    if name in _NOT_BUILT:
        refuse(cursor, f"objects of `{name}` are not supported yet", _NOT_BUILT[name], field)
    elif factory is None and name:
        hint = "set factory_key: envoy.string" if field == "object_key" else None
        cursor.problem(f"there is no object factory `{name}`", hint, field)
    if factory is None or "format_string" not in fields:
        return None
    sharing = word(cursor, "shared_with_upstream", _SHARING)
    if name == "envoy.hashable_string" and sharing != "none":
        hint = "it asks for connection pools of its own, which are not built"
        refuse(cursor, f"sharing objects of `{name}` is not supported yet", hint, "shared_with_upstream")
    return model.FilterStateValue(
        object_key=key,
        factory=factory,
        format=lower_substitution_format(cursor.child("format_string"), _FORMAT),
        shared_with_upstream=sharing,
        skip_if_empty=fields.get("skip_if_empty", False),
    )
