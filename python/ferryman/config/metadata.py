"""Metadata of the configuration: namespaces of structured values.

Owns `core.v3.Metadata` and Struct values. Who reads them is no business of this module: command operators,
filters and matchers do.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/advanced/well_known_dynamic_metadata
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ferryman.config.fields import Fields

if TYPE_CHECKING:
    from ferryman.config import model
    from ferryman.config.cursor import Cursor

_METADATA: Final = Fields(
    "envoy.config.core.v3.Metadata",
    "filter_metadata",
    no_effect={"typed_filter_metadata": "no extension that reads typed metadata is built"},
)


def lower_metadata(cursor: Cursor, fields: dict[str, Any], field: str = "metadata") -> model.Metadata | None:
    """The Metadata in a field of the message at `cursor`, whose set fields are `fields`; None without any."""
    if field not in fields:
        return None
    namespaces = _METADATA.read(cursor.child(field)).get("filter_metadata", {})
    return {name: lower_struct(namespaces[name]) for name in sorted(namespaces)} or None


def lower_struct(struct: Any) -> model.Struct:
    """A google.protobuf.Struct, its fields by name."""
    return {name: lower_value(struct.fields[name]) for name in sorted(struct.fields)}


def lower_value(value: Any) -> Any:
    """A google.protobuf.Value: None, a float, a text, a bool, a list or a dict."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return lower_struct(value.struct_value)
    if kind == "list_value":
        return [lower_value(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
