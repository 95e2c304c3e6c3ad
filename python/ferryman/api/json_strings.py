"""Texts and numbers in JSON, spelled as Envoy spells them.

Owns which characters are escaped and how many digits a number has. Envoy writes UTF-8 and escapes, besides
what JSON asks for, `<`, `>` and all characters that are invisible or turn the direction of writing.

Follows https://protobuf.dev/programming-guides/json/ as Envoy 1.40 does it.
"""

from __future__ import annotations

import math
import re
import struct

_ESCAPED = re.compile(
    '["\\\\<>\x00-\x1f\x7f-\x9f\xad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e'
    "\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A text as a JSON string."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char in _SHORT:
        return _SHORT[char]
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def double(value: float) -> str:
    """A double with as few digits as tell it from its neighbours, 15 or 17."""
    if not math.isfinite(value):
        return _not_finite(value)
    short = f"{value:.15g}"
    return short if float(short) == value else f"{value:.17g}"


def single(value: float) -> str:
    """A float, with 6 or 9 digits."""
    if not math.isfinite(value):
        return _not_finite(value)
    short = f"{value:.6g}"
    return short if struct.pack("f", float(short)) == struct.pack("f", value) else f"{value:.9g}"


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'


def seconds(whole: int, nanos: int) -> str:
    """Seconds with no decimals, or 3, 6 or 9 of them: `0.250`."""
    sign = "-" if whole < 0 or nanos < 0 else ""
    whole, nanos = abs(whole), abs(nanos)
    return f"{sign}{whole}{fraction(nanos)}"


def fraction(nanos: int) -> str:
    """The decimals of a second: `.250`; nothing when there are none."""
    if not nanos:
        return ""
    digits = f"{nanos:09d}"
    kept = 3 if digits.endswith("000000") else 6 if digits.endswith("000") else 9
    return f".{digits[:kept]}"
