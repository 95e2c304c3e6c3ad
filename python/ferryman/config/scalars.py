"""Single values: what Envoy accepts for a string, a number, a bool, an enum or bytes.

Owns the conversion of one value of a tree (str, int, float, bool, list, dict) to what a protobuf field
takes. Raises Refused with a sentence for the user. Laxer than the JSON mapping of protobuf where Envoy
1.40 is: quoted bools (`"yes"`), whole floats and quoted numbers for integers, enum names in any case.

Follows https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from ferryman.api.suggestions import did_you_mean

Convert = Callable[[Any], Any]
_ToInt = Callable[[Any], int]

_DECIMAL = re.compile(r"[+-]?[0-9]+")
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?[0-9]+)?")
_DURATION_LIKE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|us|ns|s|sec|secs|m|min|h|d)?")

_TRUE = frozenset(("true", "t", "yes", "y", "1"))
_FALSE = frozenset(("false", "f", "no", "n", "0"))
_FLOAT_MAX = 3.4028235677973366e38


class Refused(Exception):
    """A value that its field cannot take: why, and what would do."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


def kind_of(value: object) -> str:
    """What a user calls the value: `a string ("yes")`, `a number (5)`, `a list`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"a boolean ({'true' if value else 'false'})"
    if isinstance(value, str):
        shown = value if len(value) <= 40 else value[:37] + "..."
        return f'a string ("{shown}")'
    if isinstance(value, int | float):
        return f"a number ({value})"
    return "a list" if isinstance(value, list) else "a mapping"


def _string(value: Any) -> str:
    if type(value) is str:
        return value
    if value is None:
        return ""
    quoted = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    hint = f'write it in quotes: "{quoted}"' if isinstance(value, bool | int | float) else None
    if isinstance(value, bool):
        hint = "quote it: an unquoted yes, no, on, off, y, n, true or false is a boolean"
    raise Refused(f"must be a string, not {kind_of(value)}", hint)


def _bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    if isinstance(value, str):
        lower = value.lower()
        if lower in _TRUE:
            return True
        if lower in _FALSE:
            return False
    raise Refused(f"must be true or false, not {kind_of(value)}")


def number_in(text: str) -> float:
    """A number written as text, hexadecimal too; out of range is infinite. Raises Refused."""
    try:
        if _HEXADECIMAL.fullmatch(text):
            return float.fromhex(text)
        if "_" not in text:
            return float(text)
    except (ValueError, OverflowError):
        pass
    raise Refused(f"must be a number, not {kind_of(text)}", _number_hint(text))


def _number_hint(text: str) -> str | None:
    if text != text.strip():
        return "remove the space around it"
    found = _DURATION_LIKE.fullmatch(text)
    return f"write the number only: {found[1]}" if found and found[2] else None


def _integer(low: int, high: int) -> _ToInt:
    def convert(value: Any) -> int:
        if type(value) is not int:
            value = _whole(value)
        if low <= value <= high:
            return int(value)
        raise Refused(f"must be between {low} and {high}, not {value}")

    return convert


def _whole(value: Any) -> int:
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):
            return int(value)
        if value != value.strip():
            raise Refused(f"must be a number, not {kind_of(value)}", _number_hint(value))
        value = number_in(value)
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        raise Refused(f"must be a whole number, not {value}")
    raise Refused(f"must be a whole number, not {kind_of(value)}")


def _real(limit: float) -> Convert:
    def convert(value: Any) -> float:
        if type(value) is str:
            value = number_in(value)
            if math.isinf(value):
                return float(value)
        if type(value) not in (float, int):
            raise Refused(f"must be a number, not {kind_of(value)}")
        if math.isinf(value) or abs(value) > limit:
            raise Refused(f"is out of range: {value}")
        return float(value)

    return convert


def bytes_of(value: Any) -> bytes:
    """Base64, of the usual or the URL-safe alphabet, with or without padding. Raises Refused."""
    if not isinstance(value, str):
        raise Refused(f"must be base64 text, not {kind_of(value)}")
    plain = value.replace("-", "+").replace("_", "/")
    padding = "" if plain.endswith("=") else "=" * (-len(plain) % 4)
    try:
        return base64.b64decode(plain + padding, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("must be base64 text", "for text as it is, use inline_string") from None


def _enum(enum_type: EnumDescriptor) -> Convert:
    names = {value.name: value.number for value in enum_type.values}
    is_null_value = enum_type.full_name == "google.protobuf.NullValue"

    def convert(value: Any) -> int:
        if type(value) is str:
            number = names.get(value)
            if number is None:
                number = names.get(value.upper())
            if number is not None:
                return number
            if _DECIMAL.fullmatch(value):
                return _int32(int(value))
            raise Refused(f'"{value}" is not one of its values', _enum_hint(value, names))
        if type(value) is int:
            return _int32(value)
        if is_null_value and value is None:
            return 0
        if isinstance(value, float) and value.is_integer():
            return _int32(int(value))
        raise Refused(f"must be the name of a value, not {kind_of(value)}", _enum_hint("", names))

    return convert


def _enum_hint(value: str, names: dict[str, int]) -> str:
    meant = did_you_mean(value.upper(), names)
    if meant is not None:
        return meant
    shown = list(names)
    return "one of " + ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")


_int32 = _integer(-(2**31), 2**31 - 1)
_uint32 = _integer(0, 2**32 - 1)
_int64 = _integer(-(2**63), 2**63 - 1)
_uint64 = _integer(0, 2**64 - 1)

_BY_TYPE: dict[int, Convert] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_BYTES: bytes_of,
    FieldDescriptor.TYPE_INT32: _int32,
    FieldDescriptor.TYPE_SINT32: _int32,
    FieldDescriptor.TYPE_SFIXED32: _int32,
    FieldDescriptor.TYPE_UINT32: _uint32,
    FieldDescriptor.TYPE_FIXED32: _uint32,
    FieldDescriptor.TYPE_INT64: _int64,
    FieldDescriptor.TYPE_SINT64: _int64,
    FieldDescriptor.TYPE_SFIXED64: _int64,
    FieldDescriptor.TYPE_UINT64: _uint64,
    FieldDescriptor.TYPE_FIXED64: _uint64,
    FieldDescriptor.TYPE_FLOAT: _real(_FLOAT_MAX),
    FieldDescriptor.TYPE_DOUBLE: _real(math.inf),
}


def converter(field: FieldDescriptor) -> Convert:
    """The conversion for a field's values (of one item, if the field is repeated)."""
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return _BY_TYPE[field.type]


def map_key_converter(field: FieldDescriptor) -> Convert:
    """The conversion for a map's keys: they are text in every tree."""
    convert = _BY_TYPE[field.type]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return lambda text: _bool(text)
    return convert
