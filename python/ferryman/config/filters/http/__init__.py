"""The HTTP filters that are built, and the chains that are made of them.

Owns the one list of HTTP filters, that of what routes say to them, and the rules for a chain. A filter's own
configuration is its file's business: `envoy.filters.http.router` is `router.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/http_filters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.api import extensions as known
from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.filters.http import (
    basic_auth,
    buffer,
    compressor,
    cors,
    csrf,
    custom_response,
    decompressor,
    fault,
    grpc_http1_bridge,
    grpc_stats,
    grpc_web,
    header_mutation,
    header_to_metadata,
    health_check,
    local_ratelimit,
    router,
    set_filter_state,
    set_metadata,
)

_FILTER = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "name typed_config disabled",
    checked={
        "is_optional": "what Envoy skips is skipped; a filter that is not built is refused all the same",
    },
)

BUILT: Final[Mapping[str, Callable[[Cursor], model.HttpFilterConfig]]] = {
    basic_auth.TYPE: basic_auth.lower,
    buffer.TYPE: buffer.lower,
    compressor.TYPE: compressor.lower,
    cors.TYPE: cors.lower,
    csrf.TYPE: csrf.lower,
    decompressor.TYPE: decompressor.lower,
    custom_response.TYPE: custom_response.lower,
    fault.TYPE: fault.lower,
    grpc_http1_bridge.TYPE: grpc_http1_bridge.lower,
    grpc_stats.TYPE: grpc_stats.lower,
    grpc_web.TYPE: grpc_web.lower,
    health_check.TYPE: health_check.lower,
    header_mutation.TYPE: header_mutation.lower,
    header_to_metadata.TYPE: header_to_metadata.lower,
    local_ratelimit.TYPE: local_ratelimit.lower,
    router.TYPE: router.lower,
    set_filter_state.TYPE: set_filter_state.lower,
    set_metadata.TYPE: set_metadata.lower,
}
"""The HTTP filters that are built, by the type of their configuration."""

BUILT_PER_ROUTE: Final[Mapping[str, Callable[[Cursor], model.PerRouteConfig]]] = {
    basic_auth.PER_ROUTE_TYPE: basic_auth.lower_per_route,
    buffer.PER_ROUTE_TYPE: buffer.lower_per_route,
    compressor.PER_ROUTE_TYPE: compressor.lower_per_route,
    cors.PER_ROUTE_TYPE: cors.lower_per_route,
    csrf.TYPE: csrf.lower,
    custom_response.TYPE: custom_response.lower,
    fault.TYPE: fault.lower,
    header_mutation.PER_ROUTE_TYPE: header_mutation.lower_per_route,
    header_to_metadata.TYPE: header_to_metadata.lower_per_route,
    local_ratelimit.TYPE: local_ratelimit.lower_per_route,
    set_filter_state.TYPE: set_filter_state.lower,
}
"""What routes may say to HTTP filters, by the type of the message."""

_TERMINAL: Final = (model.Router,)


def lower_http_filters(cursor: Cursor, field: str = "http_filters") -> list[model.HttpFilter]:
    """A list of HTTP filters at `field`. The last one ends the chain, and only the last one."""
    items = cursor.items(field)
    lowered = [_lower_http_filter(item) for item in items]
    for item, http_filter in zip(items, lowered, strict=True):
        if http_filter is not None:
            _check_position(item, http_filter, is_last=item is items[-1])
    return [http_filter for http_filter in lowered if http_filter is not None]


def _lower_http_filter(cursor: Cursor) -> model.HttpFilter | None:
    fields = _FILTER.read(cursor)
    if "is_optional" in fields and is_no_http_filter(cursor, fields):
        cursor.warn("the filter is skipped: its type is no HTTP filter", field="is_optional", code="skipped")
        return None
    opened = open_extension(cursor, "envoy.filters.http", BUILT)
    if opened is None:
        return None
    inner, lower = opened
    return model.HttpFilter(
        name=fields.get("name", ""), disabled=fields.get("disabled", False), config=lower(inner)
    )


def is_no_http_filter(cursor: Cursor, fields: dict[str, Any], field: str = "typed_config") -> bool:
    """Whether Envoy itself finds no HTTP filter for this, so that it skips an optional one."""
    if field not in fields:
        return "config_discovery" not in fields
    inner = cursor.unpack(field)
    if inner is None:
        return False
    owners = known.by_type().get(inner.type_name, ())
    return not any(owner.category == "envoy.filters.http" for owner in owners)


def _check_position(cursor: Cursor, http_filter: model.HttpFilter, is_last: bool) -> None:
    is_terminal = isinstance(http_filter.config, _TERMINAL)
    name = http_filter.name
    if is_terminal and not is_last:
        cursor.problem(f"`{name}` ends the chain, so it must be the last HTTP filter", code="chain")
    elif is_last and not is_terminal:
        hint = "add envoy.filters.http.router after it"
        cursor.problem(f"`{name}` does not end the chain, but is the last HTTP filter", hint, code="chain")
    elif is_last and http_filter.disabled:
        cursor.problem("the filter that ends the chain cannot be disabled", field="disabled", code="chain")
