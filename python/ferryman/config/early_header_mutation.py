"""Edits of a request's headers before the connection manager looks at them.

Owns the one extension of that kind, `header_mutation`; a list of edits is `mutation_rules.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/header_casing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.model import http_filters
from ferryman.config.mutation_rules import lower_header_edits

_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "the type of typed_config says which extension it is"},
    where="of an early header mutation",
)
_HEADER_MUTATION = Fields(
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", "mutations"
)


def _header_mutation(cursor: Cursor) -> list[http_filters.HeaderEdit]:
    _HEADER_MUTATION.read(cursor)
    return lower_header_edits(cursor, "mutations")


BUILT: Final[Mapping[str, Callable[[Cursor], list[http_filters.HeaderEdit]]]] = {
    _HEADER_MUTATION.message: _header_mutation,
}
"""The extensions that are built, by the type of their configuration."""


def lower_early_header_mutations(cursor: Cursor) -> list[http_filters.HeaderEdit]:
    """The edits of all extensions of the manager at `cursor`, in their order."""
    edits: list[http_filters.HeaderEdit] = []
    for item in cursor.items("early_header_mutation_extensions"):
        _EXTENSION.read(item)
        opened = open_extension(item, "envoy.http.early_header_mutation", BUILT)
        if opened is not None:
            inner, lower = opened
            edits += lower(inner)
    return edits
