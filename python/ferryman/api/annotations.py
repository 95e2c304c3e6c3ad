"""What the schema says about its own fields: rules, deprecation, secrecy.

Owns the reading of options. The options of descriptors in a private pool come as classes of protobuf's
default pool, where Envoy's extensions are unknown bytes; they are read again here with the private
pool's own option classes.

Follows https://github.com/bufbuild/protoc-gen-validate (the `validate` options) and Envoy's
`envoy/annotations/deprecation.proto`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ferryman.api import schema

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumValueDescriptor, FieldDescriptor, OneofDescriptor

_FIELD = "google.protobuf.FieldOptions"
_MESSAGE = "google.protobuf.MessageOptions"
_ONEOF = "google.protobuf.OneofOptions"
_ENUM_VALUE = "google.protobuf.EnumValueOptions"


@cache
def _extension(name: str) -> Any:
    return schema.pool().FindExtensionByName(name)


def _read(kind: str, described: Any) -> Any:
    """The options of one descriptor, as a message of the private pool; None when it has none."""
    if not described.has_options:
        return None
    return schema.message_class(kind).FromString(described.GetOptions().SerializeToString())


def _value(kind: str, described: Any, extension: str) -> Any:
    options = _read(kind, described)
    known = _extension(extension)
    if options is None or not options.HasExtension(known):
        return None
    return options.Extensions[known]


def field_rules(field: FieldDescriptor) -> Any | None:
    """The field's `validate.FieldRules`, or None."""
    return _value(_FIELD, field, "validate.rules")


def deprecated_since(field: FieldDescriptor | EnumValueDescriptor) -> str | None:
    """The release that deprecated a field or an enum value ("3.0"); "" if not recorded; None if it is not."""
    is_enum_value = hasattr(field, "number") and not hasattr(field, "containing_oneof")
    kind, suffix = (_ENUM_VALUE, "_enum") if is_enum_value else (_FIELD, "")
    options = _read(kind, field)
    if options is None or not options.deprecated:
        return None
    return str(options.Extensions[_extension("envoy.annotations.deprecated_at_minor_version" + suffix)])


def disallowed_by_default(field: FieldDescriptor | EnumValueDescriptor) -> bool:
    """Whether Envoy refuses the deprecated field (or enum value) unless a runtime key allows it."""
    is_enum_value = not hasattr(field, "containing_oneof")
    kind, suffix = (_ENUM_VALUE, "_enum") if is_enum_value else (_FIELD, "")
    return bool(_value(kind, field, "envoy.annotations.disallowed_by_default" + suffix))


def is_sensitive(field: FieldDescriptor) -> bool:
    """Whether the field holds a secret, which no dump or log may show."""
    return bool(_value(_FIELD, field, "udpa.annotations.sensitive"))


def oneof_required(oneof: OneofDescriptor) -> bool:
    """Whether one member of the oneof must be set."""
    return bool(_value(_ONEOF, oneof, "validate.required"))


def rules_disabled(message: Descriptor) -> bool:
    """Whether the message's own rules are switched off."""
    return bool(_value(_MESSAGE, message, "validate.disabled")) or bool(
        _value(_MESSAGE, message, "validate.ignored")
    )
