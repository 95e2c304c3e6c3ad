"""Wire bytes to a message: broken bytes and fields that the schema does not have.

Owns what a `.pb` file, a resource from a control plane and the bytes in an Any have in common. Unknown
fields are errors or counted, as `problems.allow_unknown` says; either way they are dropped.

Follows https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ferryman.config.decode import Decoding
    from ferryman.config.problems import Path


def read_bytes(data: bytes, message: Message, work: Decoding) -> bool:
    """Fill an empty message from bytes; whether they could be read. Problems go to `work`."""
    try:
        message.MergeFromString(data)
    except DecodeError:
        work.refuse("broken-bytes", f"the bytes are no {message.DESCRIPTOR.full_name}", None)
        return False
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != size:
        _report(type(message).FromString(data), work)
    return True


def _report(message: Any, work: Decoding) -> None:
    """Report or count every unknown field in the message and below it."""
    unknown_fields: Any = UnknownFieldSet(message)
    for unknown in unknown_fields:
        if work.problems.allow_unknown:
            work.problems.unknown_fields += 1
        else:
            text = f"{message.DESCRIPTOR.full_name} has no field number {unknown.field_number}"
            work.refuse("unknown-field", text, None)
    for steps, child in _children(message):
        before = len(work.path)
        work.path.extend(steps)
        _report(child, work)
        del work.path[before:]


def _children(message: Any) -> Iterator[tuple[Path, Any]]:
    """The messages right below a message, with the way to each."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if not field.is_repeated:
            yield (field.name,), value
        elif not field.message_type.GetOptions().map_entry:
            yield from (((field.name, index), item) for index, item in enumerate(value))
        elif field.message_type.fields_by_name["value"].message_type is not None:
            yield from (((field.name, str(key)), value[key]) for key in value)
