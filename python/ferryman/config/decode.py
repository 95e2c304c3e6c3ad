"""A tree of plain values to a protobuf message, every mistake reported with its path.

Owns the JSON mapping of messages: field names in both spellings, lists, maps, oneofs, unknown fields.
Each message type is compiled once to a table from key to setter. Single values are `scalars.py`, the
types with a JSON form of their own `well_known.py`.

Follows https://protobuf.dev/programming-guides/json/ and what Envoy 1.40 accepts beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ferryman.api import schema
from ferryman.api.suggestions import did_you_mean
from ferryman.config import scalars
from ferryman.config.problems import Origin, Path, Problem, Problems, Severity
from ferryman.config.scalars import Refused, kind_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

MAX_DEPTH = 128
"""Steps in a path. Envoy stops at 1000 levels of JSON; no real configuration comes near either."""


class Decoding:
    """One run of the decoder: where it is, what it found."""

    __slots__ = ("origin", "path", "problems")

    def __init__(self, problems: Problems, origin: Origin | None, path: Path = ()) -> None:
        self.problems = problems
        self.origin = origin
        self.path: list[str | int] = list(path)

    def refuse(self, code: str, text: str, hint: str | None, *steps: str | int, at_key: bool = False) -> None:
        """Report an error at the present path plus `steps`; the message here becomes doubtful."""
        here = tuple(self.path)
        path: Path = here + steps
        self.problems.add(Problem(code, Severity.ERROR, text, path, hint, self.origin, at_key))
        self.problems.doubt(here)
        for step in range(1, len(steps) + 1):
            self.problems.doubt(here + steps[:step])

    def too_deep(self) -> bool:
        """Whether the path here is longer than any may be; if so, that is reported."""
        if len(self.path) <= MAX_DEPTH:
            return False
        self.refuse("too-deep", f"is nested more than {MAX_DEPTH} levels deep", None)
        return True


Setter = Callable[["Message", Any, Decoding], None]


class Plan:
    """How one message type is read: a setter for each key, in both spellings."""

    __slots__ = ("descriptor", "names", "setters")

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.setters: dict[str, Setter] = {}
        self.names: list[str] = []
        for field in descriptor.fields:
            setter = _setter(field)
            self.setters[field.json_name] = setter
            self.setters[field.name] = setter
            self.names.append(field.name)

    def fill(self, message: Message, tree: Any, work: Decoding) -> None:
        """Set every field that the mapping `tree` has a key for."""
        if type(tree) is not dict:
            if tree is not None:
                work.refuse("wrong-type", f"must be a mapping, not {kind_of(tree)}", _mapping_hint(tree))
            return
        setters = self.setters
        for key, value in tree.items():
            setter = setters.get(key)
            if setter is not None:
                setter(message, value, work)
            else:
                unknown_field(self, key, work)


@cache
def plan_of(full_name: str) -> Plan:
    """The plan of a message type."""
    return Plan(schema.pool().FindMessageTypeByName(full_name))


def fill_message(message: Message, tree: Any, work: Decoding) -> None:
    """Set a message of any type from a tree, a type with its own JSON form included."""
    _filler(message.DESCRIPTOR.full_name)(message, tree, work)


@cache
def _filler(full_name: str) -> Setter:
    from ferryman.config import well_known

    own_form = well_known.filler_of(full_name)
    return own_form if own_form is not None else plan_of(full_name).fill


def unknown_field(plan: Plan, key: str, work: Decoding) -> None:
    """Report a key that the message has no field for, or count it where unknown fields may pass."""
    if work.problems.allow_unknown:
        work.problems.unknown_fields += 1
        return
    text = f'{plan.descriptor.full_name} has no field "{key}"'
    work.refuse("unknown-field", text, _unknown_hint(plan, key), key, at_key=True)


@lru_cache(maxsize=256)  # one mistake is often made many times
def _unknown_hint(plan: Plan, key: str) -> str | None:
    if key == "<<":
        return "YAML merge keys are not read, neither by Envoy"
    if key == "@type":
        return "only a typed_config has a type to name"
    for field in plan.descriptor.fields:
        if field.message_type is not None and key in field.message_type.fields_by_name:
            return f"it belongs under {field.name}: check the indentation"
    meant = did_you_mean(key, plan.names)
    if meant is not None or len(plan.names) > 8:
        return meant
    return f"it has {', '.join(plan.names)}" if plan.names else "it has no fields"


def _mapping_hint(tree: Any) -> str | None:
    if isinstance(tree, list):
        return "remove the dash: it is one mapping, not a list"
    return None


def _setter(field: FieldDescriptor) -> Setter:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_setter(field)
    if field.message_type is not None:
        return _message_list_setter(field) if field.is_repeated else _message_setter(field)
    setter = _scalar_list_setter(field) if field.is_repeated else _scalar_setter(field)
    oneof = field.containing_oneof
    # A proto3 `optional` stands in a oneof of its own.
    return _oneof_setter(field, setter) if oneof is not None and len(oneof.fields) > 1 else setter


def _oneof_setter(field: FieldDescriptor, setter: Setter) -> Setter:
    name = field.name
    assert field.containing_oneof is not None
    oneof = field.containing_oneof.name

    def set_once(message: Message, value: Any, work: Decoding) -> None:
        other = message.WhichOneof(oneof) if value is not None else None
        if other is not None and other != name:
            text = f"{other} is already set, and only one of the two may be"
            work.refuse("oneof", text, f"remove {name} or {other}", name, at_key=True)
            return
        setter(message, value, work)

    return set_once


def _scalar_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    convert = scalars.converter(field)
    null_is_value = field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue"

    def set_scalar(message: Message, value: Any, work: Decoding) -> None:
        if value is None and not null_is_value:
            return
        try:
            setattr(message, name, convert(value))
        except Refused as refused:
            work.refuse("wrong-value", refused.text, refused.hint, name)
        except UnicodeEncodeError:
            work.refuse("wrong-value", "must be valid Unicode text", None, name)

    return set_scalar


def _message_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    assert field.message_type is not None
    type_name = field.message_type.full_name
    # Of the types with a JSON form of their own only Value has a use for null.
    null_is_value = type_name == "google.protobuf.Value"
    fill: Setter | None = None

    def set_message(message: Message, value: Any, work: Decoding) -> None:
        nonlocal fill
        if value is None and not null_is_value:
            return
        if fill is None:
            fill = _filler(type_name)
        child = getattr(message, name)
        child.SetInParent()
        work.path.append(name)
        if not work.too_deep():
            fill(child, value, work)
        work.path.pop()

    oneof = field.containing_oneof
    return _oneof_setter(field, set_message) if oneof is not None and len(oneof.fields) > 1 else set_message


def _as_list(name: str, value: Any, work: Decoding) -> list[Any]:
    """The items of a repeated field. One item without the list around it passes, as with Envoy."""
    if type(value) is list:
        return value
    path = (*work.path, name)
    text = f"should be a list, not {kind_of(value)}; it is read as the only item"
    hint = 'put a "- " before it'
    work.problems.add(Problem("not-a-list", Severity.WARNING, text, path, hint, work.origin))
    return [value]


def _scalar_list_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    convert = scalars.converter(field)

    def set_list(message: Message, value: Any, work: Decoding) -> None:
        if value is None:
            return
        container = getattr(message, name)
        for index, item in enumerate(_as_list(name, value, work)):
            try:
                container.append(convert(item))
            except Refused as refused:
                work.refuse("wrong-value", refused.text, refused.hint, name, index)
            except UnicodeEncodeError:
                work.refuse("wrong-value", "must be valid Unicode text", None, name, index)

    return set_list


def _message_list_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    assert field.message_type is not None
    type_name = field.message_type.full_name
    fill: Setter | None = None

    def set_list(message: Message, value: Any, work: Decoding) -> None:
        nonlocal fill
        if value is None:
            return
        if fill is None:
            fill = _filler(type_name)
        items = _as_list(name, value, work)
        add = getattr(message, name).add
        path = work.path
        if work.too_deep():
            return
        path.append(name)
        path.append(0)
        for index, item in enumerate(items):
            path[-1] = index
            fill(add(), item, work)
        del path[-2:]

    return set_list


def _map_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    assert field.message_type is not None
    key_field, value_field = (field.message_type.fields_by_name[part] for part in ("key", "value"))
    convert_key = scalars.map_key_converter(key_field)
    value_type = value_field.message_type
    convert = scalars.converter(value_field) if value_type is None else None
    type_name = value_type.full_name if value_type is not None else ""

    def set_entry(container: Any, key: Any, item: Any, work: Decoding) -> None:
        if convert is not None:
            container[key] = convert(item)
            return
        # Touching the key makes the entry, as a null or empty value must.
        entry = container[key]
        _filler(type_name)(entry, item, work)

    def set_map(message: Message, value: Any, work: Decoding) -> None:
        if value is None:
            return
        if type(value) is not dict:
            work.refuse("wrong-type", f"must be a mapping, not {kind_of(value)}", None, name)
            return
        if work.too_deep():
            return
        container = getattr(message, name)
        work.path.append(name)
        for text, item in value.items():
            work.path.append(text)
            try:
                set_entry(container, convert_key(text), item, work)
            except Refused as refused:
                work.refuse("wrong-value", refused.text, refused.hint)
            except UnicodeEncodeError:
                work.refuse("wrong-value", "must be valid Unicode text", None)
            work.path.pop()
        work.path.pop()

    return set_map
