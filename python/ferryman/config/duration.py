"""Durations of the API in milliseconds.

Owns the unit and Envoy's limits: no negative duration, none that overflows 64 bits of nanoseconds. Parts of
a millisecond are cut off, as Envoy cuts them. Does not own any default: they stand beside each field.

Follows https://protobuf.dev/reference/protobuf/google.protobuf/#duration
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_MAX_S: Final = 2**63 // 10**9


def milliseconds(cursor: Cursor, field: str, fields: dict[str, Any], default: int) -> int:
    """The duration in `field` of the message at `cursor`; `default` when it is not set."""
    value = fields.get(field)
    if value is None:
        return default
    if value.seconds < 0 or value.nanos < 0:
        cursor.problem("must not be negative", field=field)
        return default
    if value.seconds > _MAX_S:
        cursor.problem(f"must be at most {_MAX_S}s", field=field)
        return default
    return int(value.seconds * 1000 + value.nanos // 1_000_000)


def off_if_zero(cursor: Cursor, field: str, fields: dict[str, Any], default: int | None) -> int | None:
    """Like `milliseconds`, where 0 switches the timeout off (None)."""
    if field not in fields:
        return default
    return milliseconds(cursor, field, fields, 0) or None
