"""How names of header fields are spelled on the wire.

Owns HeaderKeyFormat and the formatter that keeps the spelling with which a name came.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/header_casing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_FORMAT = Fields(
    "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat", "proper_case_words stateful_formatter"
)
_FORMATTER = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "the type of typed_config says which formatter it is"},
    where="of a header formatter",
)
_PRESERVE_CASE = Fields(
    "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
    "formatter_type_on_envoy_headers forward_reason_phrase",
    partly={"forward_reason_phrase": "as in Envoy, it counts in clusters: their responses have one"},
)


def _preserve_case(cursor: Cursor) -> str:
    proper = _PRESERVE_CASE.read(cursor).get("formatter_type_on_envoy_headers", 0) == 1
    return "preserve_case_else_proper" if proper else "preserve_case"


BUILT: Final[Mapping[str, Callable[[Cursor], str]]] = {_PRESERVE_CASE.message: _preserve_case}
"""The stateful formatters that are built, by the type of their configuration."""


def lower_header_key_format(cursor: Cursor, fields: Mapping[str, Any]) -> str:
    """The `header_key_format` of the message at `cursor`, whose set fields are `fields`."""
    if "header_key_format" not in fields:
        return "lower_case"
    chosen = cursor.child("header_key_format")
    read = _FORMAT.read(chosen)
    if "proper_case_words" in read:
        return "proper_case"
    if "stateful_formatter" not in read:
        return "lower_case"
    formatter = chosen.child("stateful_formatter")
    _FORMATTER.read(formatter)
    opened = open_extension(formatter, "envoy.http.stateful_header_formatters", BUILT)
    if opened is None:
        return "lower_case"
    inner, lower = opened
    return lower(inner)


def forwards_reason_phrase(cursor: Cursor, fields: Mapping[str, Any]) -> bool:
    """Whether the formatter that `lower_header_key_format` finds keeps reason phrases too."""
    if "header_key_format" not in fields:
        return False
    formatter = cursor.child("header_key_format").child("stateful_formatter")
    inner = formatter.unpack("typed_config") if formatter.message.HasField("typed_config") else None
    return inner is not None and bool(getattr(inner.message, "forward_reason_phrase", False))
