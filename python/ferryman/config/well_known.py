"""The protobuf types that have a form of their own in JSON: durations, wrappers, Struct, Any.

Owns those forms, and the unpacking of an Any, TypedStruct included. All other messages are `decode.py`.

Follows https://protobuf.dev/programming-guides/json/ ; TypedStruct as in `xds/type/v3/typed_struct.proto`.
"""

from __future__ import annotations

import datetime
import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ferryman.api import extensions, schema
from ferryman.config import scalars
from ferryman.config.decode import Decoding, Setter, fill_message, plan_of, unknown_field
from ferryman.config.scalars import Refused, kind_of
from ferryman.config.wire import read_bytes

if TYPE_CHECKING:
    from google.protobuf.message import Message

TYPED_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")
_MAX_DURATION_S = 315_576_000_000
_DURATION = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,9}))?s")
_DURATION_LIKE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?([a-zA-Z]*)")
_UNITS_S = {"": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "sec": 1.0}
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _fill_duration(message: Any, value: Any, work: Decoding) -> None:
    if type(value) is dict:
        plan_of("google.protobuf.Duration").fill(message, value, work)
        return
    if value is None:
        return
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if found is None:
        text = f"must be a duration such as 1.5s, not {kind_of(value)}"
        work.refuse("wrong-value", text, _duration_hint(value))
        return
    seconds = int(found[2])
    nanos = int((found[3] or "").ljust(9, "0"))
    if seconds > _MAX_DURATION_S:
        work.refuse("wrong-value", f"must be at most {_MAX_DURATION_S}s, not {value}", None)
        return
    sign = -1 if found[1] else 1
    message.seconds = sign * seconds
    message.nanos = sign * nanos


def _duration_hint(value: Any) -> str | None:
    """What the user may have meant: `5` and `500ms` are the usual mistakes."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _DURATION_LIKE.fullmatch(str(value).strip())
    scale = _UNITS_S.get(found[2].lower()) if found else None
    if found is None or scale is None:
        return None
    seconds = f"{float(found[1]) * scale:.9f}".rstrip("0").rstrip(".")
    return f"did you mean {seconds}s?"


def _fill_timestamp(message: Any, value: Any, work: Decoding) -> None:
    if type(value) is dict:
        plan_of("google.protobuf.Timestamp").fill(message, value, work)
        return
    if value is None:
        return
    found = _TIMESTAMP.fullmatch(value) if type(value) is str else None
    try:
        if found is None:
            raise ValueError
        zone = "+00:00" if found[3] == "Z" else found[3]
        moment = datetime.datetime.fromisoformat(found[1] + zone)
    except ValueError:
        text = f"must be a time such as 2026-01-31T23:59:59Z, not {kind_of(value)}"
        work.refuse("wrong-value", text, None)
        return
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    message.seconds = int((moment - epoch).total_seconds())
    message.nanos = int((found[2] or "").ljust(9, "0"))


def _fill_field_mask(message: Any, value: Any, work: Decoding) -> None:
    if type(value) is dict:
        plan_of("google.protobuf.FieldMask").fill(message, value, work)
    elif type(value) is str:
        paths = (re.sub("[A-Z]", lambda upper: "_" + upper[0].lower(), path) for path in value.split(","))
        message.paths.extend(path for path in paths if path)
    else:
        work.refuse("wrong-type", f"must be field names with commas between, not {kind_of(value)}", None)


def _wrapper(full_name: str) -> Setter:
    convert = scalars.converter(schema.pool().FindMessageTypeByName(full_name).fields_by_name["value"])

    def fill(message: Any, value: Any, work: Decoding) -> None:
        if type(value) is dict:
            plan_of(full_name).fill(message, value, work)
            return
        if value is None:
            return
        try:
            message.value = convert(value)
        except Refused as refused:
            work.refuse("wrong-value", refused.text, refused.hint)
        except UnicodeEncodeError:
            work.refuse("wrong-value", "must be valid Unicode text", None)

    return fill


def _fill_value(message: Any, value: Any, work: Decoding) -> None:
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int | float):
        try:
            message.number_value = float(value)
        except OverflowError:
            message.number_value = math.inf
        if math.isinf(message.number_value):
            work.refuse("wrong-value", "is out of range", None)
    elif isinstance(value, str):
        try:
            message.string_value = value
        except UnicodeEncodeError:
            work.refuse("wrong-value", "must be valid Unicode text", None)
    elif isinstance(value, list):
        message.list_value.SetInParent()
        _fill_list(message.list_value, value, work)
    else:
        message.struct_value.SetInParent()
        _fill_struct(message.struct_value, value, work)


def _fill_struct(message: Any, value: Any, work: Decoding) -> None:
    if type(value) is not dict:
        if value is not None:
            work.refuse("wrong-type", f"must be a mapping, not {kind_of(value)}", None)
        return
    if work.too_deep():
        return
    for key, item in value.items():
        work.path.append(key)
        try:
            entry = message.fields[key]
        except UnicodeEncodeError:
            work.refuse("wrong-value", "must be valid Unicode text", None)
        else:
            _fill_value(entry, item, work)
        work.path.pop()


def _fill_list(message: Any, value: Any, work: Decoding) -> None:
    if type(value) is not list:
        if value is not None:
            work.refuse("wrong-type", f"must be a list, not {kind_of(value)}", None)
        return
    if work.too_deep():
        return
    for index, item in enumerate(value):
        work.path.append(index)
        _fill_value(message.values.add(), item, work)
        work.path.pop()


def _fill_any(message: Any, value: Any, work: Decoding) -> None:
    if type(value) is not dict:
        if value is not None:
            work.refuse("wrong-type", f'must be a mapping with "@type", not {kind_of(value)}', None)
        return
    if not value or work.too_deep():
        return
    type_url = value.get("@type")
    if type(type_url) is not str:
        text = (
            'must have "@type"' if type_url is None else f'"@type" must be a string, not {kind_of(type_url)}'
        )
        work.refuse("no-type", text, "it names the message, as type.googleapis.com/envoy....", at_key=True)
        return
    inner = _message_for_url(type_url, work)
    if inner is None:
        return
    rest = {key: item for key, item in value.items() if key != "@type"}
    name = inner.DESCRIPTOR.full_name
    own_form = filler_of(name)
    if own_form is not None:
        work.path.append("value")
        own_form(inner, rest.pop("value", None), work)
        work.path.pop()
        for key in rest:
            unknown_field(plan_of("google.protobuf.Any"), key, work)
    else:
        plan_of(name).fill(inner, rest, work)
    if name in TYPED_STRUCTS:
        _typed_struct_message(inner, work)
    message.type_url = type_url
    message.value = inner.SerializeToString(deterministic=True)


def _message_for_url(type_url: str, work: Decoding, key: str = "@type") -> Message | None:
    """An empty message of the type that a type URL names; None, with a problem, if there is none."""
    full_name = schema.type_of_url(type_url)
    if not full_name or type_url.startswith("/"):
        text = f'"{type_url}" is not a type URL'
        guess = type_url if schema.find_descriptor(type_url) else extensions.nearest_type(type_url)
        known = guess and f"did you mean {schema.url_of_type(guess)}?"
        work.refuse("unknown-type", text, known or "it needs a slash: type.googleapis.com/...", key)
        return None
    if schema.find_descriptor(full_name) is not None:
        return schema.new_message(full_name)
    if extensions.is_contrib(full_name):
        text = f"{full_name} is an extension of Envoy's contrib builds, which release 1.40 does not have"
        work.refuse("unknown-type", text, None, key)
        return None
    near = extensions.nearest_type(full_name)
    work.refuse(
        "unknown-type",
        f"Envoy 1.40 has no message {full_name}",
        f"did you mean {near}?" if near else None,
        key,
    )
    return None


def unpack(message: Any, work: Decoding) -> Message | None:
    """The message inside an Any, a TypedStruct turned into the message that it names.

    None, with a problem unless the Any is empty, when the type is not known or the bytes are broken.
    """
    if not message.type_url or work.too_deep():
        return None
    inner = _message_for_url(message.type_url, work)
    if inner is None:
        return None
    if not read_bytes(message.value, inner, work):
        return None
    if inner.DESCRIPTOR.full_name in TYPED_STRUCTS:
        return _typed_struct_message(inner, work)
    return inner


def _typed_struct_message(typed: Any, work: Decoding) -> Message | None:
    """The message that a TypedStruct describes. Its fields stand one level down, in `value`."""
    if not typed.type_url:
        return None
    inner = _message_for_url(typed.type_url, work, "type_url")
    if inner is not None:
        work.path.append("value")
        fill_message(inner, struct_tree(typed.value), work)
        work.path.pop()
    return inner


def struct_tree(struct: Any) -> dict[str, Any]:
    """A Struct as plain values."""
    return {key: _value_tree(value) for key, value in struct.fields.items()}


def _value_tree(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_tree(value.struct_value)
    if kind == "list_value":
        return [_value_tree(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)

_FILLERS: dict[str, Setter] = {
    "google.protobuf.Any": _fill_any,
    "google.protobuf.Duration": _fill_duration,
    "google.protobuf.FieldMask": _fill_field_mask,
    "google.protobuf.ListValue": _fill_list,
    "google.protobuf.Struct": _fill_struct,
    "google.protobuf.Timestamp": _fill_timestamp,
    "google.protobuf.Value": _fill_value,
}


@cache
def filler_of(full_name: str) -> Setter | None:
    """How a message type with a JSON form of its own is read; None for all others."""
    return _wrapper(full_name) if full_name in WRAPPERS else _FILLERS.get(full_name)
