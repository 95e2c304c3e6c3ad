"""HTTP filters that stand between the router and the upstream.

Owns their list, at a router and at a cluster. The codec, which ends it, is there in any case and is not
lowered. A filter's own configuration is its file's business.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/upstream_codec_filter
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.filters.http import buffer, header_mutation

_FILTER = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "name typed_config disabled",
    where="towards the upstream",
)
_CODEC = Fields("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec", "")


def _lower_codec(cursor: Cursor) -> None:
    _CODEC.read(cursor)


BUILT: Final[Mapping[str, Callable[[Cursor], model.HttpFilterConfig | None]]] = {
    buffer.TYPE: buffer.lower,
    header_mutation.TYPE: header_mutation.lower,
    _CODEC.message: _lower_codec,
}
"""The filters that are built, by the type of their configuration."""


def lower_upstream_http_filters(cursor: Cursor, field: str) -> list[model.HttpFilter] | None:
    """The list at `field` without the codec; None when nothing is there."""
    lowered: list[model.HttpFilter] = []
    items = cursor.items(field)
    for item in items:
        fields = _FILTER.read(item)
        opened = open_extension(item, "envoy.filters.http.upstream", BUILT)
        if opened is None:
            continue
        inner, lower = opened
        name, disabled = fields.get("name", ""), fields.get("disabled", False)
        config, is_last = lower(inner), item is items[-1]
        if config is not None:
            lowered.append(model.HttpFilter(name=name, disabled=disabled, config=config))
        _check_position(item, name, is_codec=config is None, is_last=is_last)
    return lowered if items else None


def _check_position(cursor: Cursor, name: str, *, is_codec: bool, is_last: bool) -> None:
    if is_codec and not is_last:
        text = "the codec ends the chain, so it must be the last upstream HTTP filter"
        cursor.problem(text, code="chain")
    elif is_last and not is_codec:
        hint = "add envoy.filters.http.upstream_codec after it"
        text = f"`{name}` does not end the chain, but is the last upstream HTTP filter"
        cursor.problem(text, hint, code="chain")
