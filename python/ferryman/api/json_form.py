"""Messages as the JSON that Envoy's admin pages print.

Owns the layout (one space a level, fields by number, names as in the .proto files), the types with a JSON
form of their own, and that no secret is ever printed: a field that the schema calls sensitive shows
`[redacted]`. Maps, whose order Envoy leaves to chance, are sorted.

Follows https://protobuf.dev/programming-guides/json/ and
https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin (GET /config_dump).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any

from ferryman.api import schema
from ferryman.api.annotations import is_sensitive
from ferryman.api.json_strings import double, fraction, quoted, seconds, single

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

REDACTED = "[redacted]"
_PIECES = 8192
_TYPED_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")


class JsonPrinter:
    """Prints into bytes. Keeps little but those: a dump of ten thousand clusters costs its own size."""

    def __init__(self, *, every_field: bool = False) -> None:
        """`every_field`: fields without presence are printed even when they have their default value."""
        self.every_field = every_field
        self.pieces: list[str] = []
        self._done = BytesIO()

    def text(self, text: str) -> None:
        """Prints JSON as it is."""
        self.pieces.append(text)
        if len(self.pieces) > _PIECES:
            self._flush()

    def entries(self, entries: Iterable[Entry], margin: str) -> None:
        """Prints an object."""
        inner = margin + " "
        between = "{\n" + inner
        for key, write, value, secret in entries:
            self.pieces.append(f"{between}{key}: ")
            write(self, value, inner, secret)
            between = ",\n" + inner
        self.text("{}" if between[0] == "{" else f"\n{margin}}}")

    def items(self, values: Iterable[Any], write: Write, margin: str, secret: bool = False) -> None:
        """Prints a list."""
        inner = margin + " "
        between = "[\n" + inner
        for value in values:
            self.pieces.append(between)
            write(self, value, inner, secret)
            between = ",\n" + inner
        self.text("[]" if between[0] == "[" else f"\n{margin}]")

    def fields(self, message: Any, secret: bool = False) -> Iterator[Entry]:
        """The entries of a message without a form of its own. A number in a secret is left out."""
        for field, value in self._set_fields(message):
            hides = secret or field.is_sensitive
            if not (hides and field.is_number):
                yield field.key, field.write, value, hides

    def finish(self) -> bytes:
        """All that was printed."""
        self._flush()
        return self._done.getvalue()

    def _set_fields(self, message: Any) -> Iterable[tuple[_Field, Any]]:
        if not self.every_field:
            return [(_field_of(field), value) for field, value in message.ListFields()]
        return [
            (field, getattr(message, field.name))
            for field in _all_fields(message.DESCRIPTOR.full_name)
            if not field.has_presence or message.HasField(field.name)
        ]

    def _flush(self) -> None:
        self._done.write("".join(self.pieces).encode())
        self.pieces.clear()


Write = Callable[[JsonPrinter, Any, str, bool], None]
"""Prints one value behind a margin; the last argument says whether it stands inside a secret."""
Entry = tuple[str, Write, Any, bool]
"""An entry of an object: its key, with quotes, how its value is printed, the value, whether it is secret."""


def to_json(message: Any, *, every_field: bool = False) -> bytes:
    """One message, with a line end behind it as Envoy has it."""
    printer = JsonPrinter(every_field=every_field)
    write_message(printer, message)
    printer.text("\n")
    return printer.finish()


def write_message(printer: JsonPrinter, message: Any, margin: str = "", secret: bool = False) -> None:
    """A message in the form of its type."""
    _form_of(message.DESCRIPTOR)(printer, message, margin, secret)


def write_text(printer: JsonPrinter, text: str, margin: str = "", secret: bool = False) -> None:
    """A text as a JSON string."""
    printer.text(quoted(REDACTED if secret else text))


def type_entry(type_url: str) -> Entry:
    """The `@type` of an Any."""
    return '"@type"', write_text, type_url, False


class _Field:
    """How one field is printed."""

    __slots__ = ("has_presence", "is_number", "is_sensitive", "key", "name", "write")

    def __init__(self, field: FieldDescriptor) -> None:
        self.name = field.name
        self.key = quoted(field.name)
        self.write = _write_of(field)
        self.has_presence = field.has_presence
        self.is_sensitive = is_sensitive(field)
        self.is_number = field.message_type is None and field.type not in (
            field.TYPE_STRING,
            field.TYPE_BYTES,
        )


_FIELDS: dict[Any, _Field] = {}


def _field_of(field: FieldDescriptor) -> _Field:
    known = _FIELDS.get(field)
    if known is None:
        known = _FIELDS[field] = _Field(field)
    return known


@cache
def _all_fields(full_name: str) -> list[_Field]:
    descriptor = schema.pool().FindMessageTypeByName(full_name)
    return [_field_of(field) for field in sorted(descriptor.fields, key=lambda field: field.number)]


def _object(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    printer.entries(printer.fields(message, secret), margin)


def _any(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    url = message.type_url
    descriptor = schema.find_descriptor(schema.type_of_url(url))
    if not url or descriptor is None:
        # Of a message that nobody knows nothing can be told to be harmless.
        printer.entries([type_entry(url)] if url else [], margin)
        return
    inner = schema.class_of(descriptor).FromString(message.value)
    form = _form_of(descriptor)
    if form is _object:
        rest = printer.fields(inner, secret)
    elif form is _typed_struct:
        rest = _typed_struct_entries(inner, secret)
    else:
        rest = iter([('"value"', form, inner, secret)])
    printer.entries(chain([type_entry(url)], rest), margin)


def _typed_struct(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    printer.entries(_typed_struct_entries(message, secret), margin)


def _typed_struct_entries(message: Any, secret: bool) -> Iterator[Entry]:
    """A message that stands there as a Struct: what the schema hides in the one is hidden in the other."""
    if message.type_url:
        yield '"type_url"', write_text, message.type_url, False
    if message.HasField("value"):
        write = _struct_write(schema.find_descriptor(schema.type_of_url(message.type_url)))
        yield '"value"', write, message.value, secret


def _struct_write(meant: Descriptor | None) -> Write:
    """How a Struct is printed that stands for a message of that type."""

    def write(printer: JsonPrinter, struct: Any, margin: str, secret: bool) -> None:
        type_url = struct.fields["@type"].string_value if "@type" in struct.fields else ""
        of_type = schema.find_descriptor(schema.type_of_url(type_url)) if type_url else meant
        names = sorted(struct.fields)
        printer.entries((_struct_entry(name, struct.fields[name], of_type, secret) for name in names), margin)

    return write


def _struct_entry(name: str, value: Any, meant: Descriptor | None, secret: bool) -> Entry:
    field = None
    if meant is not None:
        field = meant.fields_by_name.get(name) or meant.fields_by_camelcase_name.get(name)
    if field is None:
        return quoted(name), _value, value, secret and name != "@type"
    return quoted(name), _value_write(field.message_type), value, secret or is_sensitive(field)


def _value_write(meant: Descriptor | None) -> Write:
    """How a Value is printed that stands for a message of that type, or for a list of them."""

    def write(printer: JsonPrinter, value: Any, margin: str, secret: bool) -> None:
        kind = value.WhichOneof("kind")
        if kind == "struct_value":
            _struct_write(meant)(printer, value.struct_value, margin, secret)
        elif kind == "list_value":
            printer.items(value.list_value.values, write, margin, secret)
        elif kind == "string_value":
            write_text(printer, value.string_value, margin, secret)
        elif kind is None or kind == "null_value" or secret:
            printer.text("null")
        elif kind == "bool_value":
            printer.text("true" if value.bool_value else "false")
        else:
            printer.text(double(value.number_value))

    return write


_value = _value_write(None)


def _list_value(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    printer.items(message.values, _value, margin, secret)


def _duration(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    printer.text(f'"{seconds(message.seconds, message.nanos)}s"')


def _timestamp(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    day = datetime.fromtimestamp(message.seconds, UTC)
    printer.text(f'"{day:%Y-%m-%dT%H:%M:%S}{fraction(message.nanos)}Z"')


def _field_mask(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    words = (path.split("_") for path in message.paths)
    paths = (first + "".join(word.capitalize() for word in rest) for first, *rest in words)
    printer.text(quoted(",".join(paths)))


def _wrapper(printer: JsonPrinter, message: Any, margin: str, secret: bool) -> None:
    _field_of(message.DESCRIPTOR.fields_by_name["value"]).write(printer, message.value, margin, secret)


_FORMS: dict[str, Write] = {
    "google.protobuf.Any": _any,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Struct": _struct_write(None),
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Value": _value,
    **dict.fromkeys(_TYPED_STRUCTS, _typed_struct),
    **dict.fromkeys(
        (
            f"google.protobuf.{name}Value"
            for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
        ),
        _wrapper,
    ),
}


def _form_of(descriptor: Descriptor) -> Write:
    return _FORMS.get(descriptor.full_name, _object)


def _write_of(field: FieldDescriptor) -> Write:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map(field.message_type)
    one = _singular(field)
    if not field.is_repeated:
        return one

    def write_list(printer: JsonPrinter, values: Any, margin: str, secret: bool) -> None:
        printer.items(values, one, margin, secret)

    return write_list


def _map(entry: Descriptor) -> Write:
    value_field = entry.fields_by_name["value"]
    one = _singular(value_field)
    is_text_key = entry.fields_by_name["key"].type == value_field.TYPE_STRING

    def key_text(key: Any) -> str:
        return quoted(key if is_text_key else str(key).lower())

    def write_map(printer: JsonPrinter, entries: Any, margin: str, secret: bool) -> None:
        printer.entries(((key_text(key), one, entries[key], secret) for key in sorted(entries)), margin)

    return write_map


def _singular(field: FieldDescriptor) -> Write:
    if field.message_type is not None:
        return _form_of(field.message_type)
    if field.type == field.TYPE_STRING:
        return write_text
    if field.type == field.TYPE_BYTES:
        return _bytes
    text = _number(field)
    return lambda printer, value, margin, secret: printer.pieces.append(text(value))


def _bytes(printer: JsonPrinter, value: bytes, margin: str, secret: bool) -> None:
    printer.text(f'"{base64.b64encode(REDACTED.encode() if secret else value).decode()}"')


def _number(field: FieldDescriptor) -> Callable[[Any], str]:
    """How a number, truth value or enum value is spelled."""
    if field.type == field.TYPE_BOOL:
        return lambda value: "true" if value else "false"
    if field.type == field.TYPE_DOUBLE:
        return double
    if field.type == field.TYPE_FLOAT:
        return single
    if field.enum_type is not None:
        names = {number: quoted(found.name) for number, found in field.enum_type.values_by_number.items()}
        if field.enum_type.full_name == "google.protobuf.NullValue":
            names = {0: "null"}
        return lambda value: names.get(value, str(value))
    long = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
    return (lambda value: f'"{value}"') if long else str
