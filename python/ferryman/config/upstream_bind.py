"""Where connections to hosts come from.

Owns BindConfig and ExtraSourceAddress. Of the extensions that choose among several, the default one is built:
the first address of the host's version.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/address.proto#config-core-v3-bindconfig
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.address import lower_socket_address, refuse_namespace
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.socket_options import lower_socket_options

_BIND = Fields(
    "envoy.config.core.v3.BindConfig",
    "source_address freebind socket_options extra_source_addresses additional_source_addresses",
    checked={"local_address_selector": "the default one"},
)
_SELECTOR = Fields("envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector")
_EXTRA = Fields("envoy.config.core.v3.ExtraSourceAddress", "address socket_options")
_OPTIONS_OVERRIDE = Fields(
    "envoy.config.core.v3.SocketOptionsOverride", "socket_options", where="of a source address"
)


SELECTORS: Final = {_SELECTOR.message: _SELECTOR}
"""The choices of an address that are built, by the type of their configuration."""


def lower_upstream_bind(cursor: Cursor) -> model.UpstreamBind:
    """A BindConfig."""
    fields = _BIND.read(cursor)
    if "local_address_selector" in fields:
        selector = cursor.child("local_address_selector")
        opened = open_extension(selector, "envoy.upstream.local_address_selector", SELECTORS)
        if opened is not None:
            opened[1].read(opened[0])
    sources = []
    if "source_address" in fields:
        sources.append(_source(cursor.child("source_address"), []))
    for item in cursor.items("extra_source_addresses"):
        extra = _EXTRA.read(item)
        options = []
        if "socket_options" in extra:
            override = item.child("socket_options")
            _OPTIONS_OVERRIDE.read(override)
            options = lower_socket_options(override)
        sources.append(_source(item.child("address"), options))
    sources += [_source(item, []) for item in cursor.items("additional_source_addresses")]
    return model.UpstreamBind(
        sources=[source for source in sources if source is not None],
        freebind="freebind" in fields and fields["freebind"].value,
        socket_options=lower_socket_options(cursor),
    )


def _source(cursor: Cursor, options: list[model.SocketOption]) -> model.SourceAddress | None:
    address = lower_socket_address(cursor, None)
    if address is None:
        return None
    if address.network_namespace is not None:
        refuse_namespace(cursor)
    return model.SourceAddress(ip=address.ip, port=address.port, socket_options=options)
