"""HTTP filters that stand between the router and the upstream.

Owns the check that there is none but the codec, which ends the list and is there in any case. All others are
refused by name.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/upstream_codec_filter
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_FILTER = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "",
    no_effect={"name": "the type of typed_config says which filter it is"},
    checked={"typed_config": "envoy.filters.http.upstream_codec"},
    where="towards the upstream",
)
_CODEC = Fields("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec", "")
BUILT: Final[Mapping[str, Fields]] = {_CODEC.message: _CODEC}
"""The filters that are built, by the type of their configuration."""


def check_upstream_filters(cursor: Cursor, field: str) -> None:
    """Let a list pass that has the codec alone."""
    items = cursor.items(field)
    for item in items:
        _FILTER.read(item)
        opened = open_extension(item, "envoy.filters.http.upstream", BUILT)
        if opened is not None:
            inner, declared = opened
            declared.read(inner)
            if item is not items[-1]:
                text = "the codec ends the chain, so it must be the last upstream HTTP filter"
                item.problem(text, code="chain")
