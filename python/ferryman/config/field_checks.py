"""The checks of one field, made from what the schema says of it.

Owns the way from a field's rules and annotations to two kinds of check: of a message that lacks the
field, and of a value that is set. The walk that runs them is `rules.py`, what each kind of rule demands
is `rule_kinds.py`.

Follows https://github.com/bufbuild/protoc-gen-validate and Envoy's `deprecated_at_minor_version`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from ferryman.api import schema
from ferryman.api.annotations import (
    deprecated_since,
    disallowed_by_default,
    field_rules,
    oneof_required,
)
from ferryman.config import rule_kinds, well_known
from ferryman.config.rule_kinds import Check

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

    from ferryman.config.rules import Walk

ANY = "google.protobuf.Any"
UNCHECKED = "envoy.config.core.v3.Metadata.typed_filter_metadata"
"""Data for filters, which Envoy carries around without looking into it."""
_NUMBERS = frozenset(
    ("float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64")
) | {"sfixed32", "sfixed64"}

Absent = Callable[[Any, "Walk"], None]
"""A check of a whole message, for what it lacks."""
Present = Callable[[Any, "Walk"], None]
"""A check of the value of a field that is set."""


def _kind_rules(rules: Any) -> tuple[str, Any]:
    kind = rules.WhichOneof("type") if rules is not None else None
    return (kind, getattr(rules, kind)) if kind is not None else ("", None)


def absent_check(field: FieldDescriptor, rules: Any) -> Absent | None:
    """What to say when the field is not set: nothing, that it is required, or that its zero is bad."""
    if rules is None:
        return None
    name = field.name
    kind, kind_rules = _kind_rules(rules)
    if field.containing_oneof is not None:
        return None  # a member of a oneof is required only when it is the one that is set
    if field.message_type is not None and not field.is_repeated:
        wanted = rules.message.required or (kind in ("duration", "any", "timestamp") and kind_rules.required)
        return _required_message(name) if wanted else None
    if field.has_presence or getattr(kind_rules, "ignore_empty", False) or kind_rules is None:
        return None
    zero: Any = () if field.is_repeated else field.default_value
    complaint = next(filter(None, (check(zero) for check in _value_checks(field, kind, kind_rules))), None)
    return (
        _zero_check(name, complaint, field.is_repeated or isinstance(zero, str | bytes))
        if complaint
        else None
    )


def _required_message(name: str) -> Absent:
    def check(message: Any, walk: Walk) -> None:
        if not message.HasField(name):
            walk.absence("is required", name)

    return check


def _zero_check(name: str, complaint: str, is_empty: bool) -> Absent:
    text = f"is required ({complaint})" if is_empty else f"is required: it {complaint}"

    def check(message: Any, walk: Walk) -> None:
        if not getattr(message, name):
            walk.absence(text, name)

    return check


def _value_checks(field: FieldDescriptor, kind: str, rules: Any) -> list[Check]:
    if kind in _NUMBERS:
        return rule_kinds.number_checks(rules)
    if kind == "enum":
        assert field.enum_type is not None
        return rule_kinds.enum_checks(rules, field.enum_type)
    simple = {
        "bool": rule_kinds.bool_checks,
        "string": rule_kinds.string_checks,
        "bytes": rule_kinds.bytes_checks,
        "duration": rule_kinds.duration_checks,
        "repeated": rule_kinds.list_checks,
        "map": rule_kinds.map_checks,
    }.get(kind)
    if simple is not None:
        return simple(rules)
    if kind == "any" and {part.name for part, _ in rules.ListFields()} <= {"required"}:
        return []
    raise rule_kinds.UnknownRule(f"{field.full_name}: {kind}")


def present_check(field: FieldDescriptor, rules: Any) -> Present | None:
    """What to check of the field's value, and of all below it, when it is set."""
    kind, kind_rules = _kind_rules(rules)
    skip = rules is not None and rules.message.skip
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_check(field, kind_rules)
    if field.is_repeated:
        return _list_check(field, kind_rules, skip)
    checks = _value_checks(field, kind, kind_rules) if kind_rules is not None else []
    if field.message_type is None:
        return _scalar_check(field.name, checks)
    type_name = field.message_type.full_name
    if type_name in well_known.WRAPPERS:
        inner = _scalar_check(field.name, checks)
        return (lambda value, walk: inner(value.value, walk)) if inner is not None else None
    if checks:
        return _scalar_check(field.name, checks)
    return _message_check(field.name, type_name) if not skip and has_rules(type_name) else None


def _scalar_check(name: str, checks: list[Check]) -> Present | None:
    if not checks:
        return None

    def run(value: Any, walk: Walk) -> None:
        for check in checks:
            complaint = check(value)
            if complaint is not None:
                walk.violation(complaint, name)
                return

    return run


def _message_check(name: str, type_name: str) -> Present:
    def run(value: Any, walk: Walk) -> None:
        walk.path.append(name)
        walk.typed(type_name, value)
        walk.path.pop()

    return run


def _list_check(field: FieldDescriptor, rules: Any, skip: bool) -> Present | None:
    name = field.name
    whole = _scalar_check(name, rule_kinds.list_checks(rules)) if rules is not None else None
    each = _item_check(field, rules.items if rules is not None and rules.HasField("items") else None, skip)
    if each is None:
        return whole

    def run(values: Any, walk: Walk) -> None:
        if whole is not None:
            whole(values, walk)
        path = walk.path
        path.append(name)
        path.append(0)
        for index, value in enumerate(values):
            path[-1] = index
            each(value, walk)
        del path[-2:]

    return run


def _item_check(field: FieldDescriptor, rules: Any, skip: bool) -> Present | None:
    """The check of one item of a list, or one value of a map; it finds its path already complete."""
    kind, kind_rules = _kind_rules(rules)
    checks = _value_checks(field, kind, kind_rules) if kind_rules is not None else []
    if field.message_type is not None and not checks:
        skip = skip or (rules is not None and rules.message.skip)
        type_name = field.message_type.full_name
        return _item_message(type_name) if not skip and has_rules(type_name) else None
    if not checks:
        return None
    ignore_empty = getattr(kind_rules, "ignore_empty", False)

    def run(value: Any, walk: Walk) -> None:
        if ignore_empty and not value:
            return
        complaint = next(filter(None, (check(value) for check in checks)), None)
        if complaint is not None:
            walk.violation(complaint)

    return run


def _item_message(type_name: str) -> Present:
    return lambda value, walk: walk.typed(type_name, value)


def _map_check(field: FieldDescriptor, rules: Any) -> Present | None:
    name = field.name
    assert field.message_type is not None
    key_field, value_field = (field.message_type.fields_by_name[part] for part in ("key", "value"))
    whole = _scalar_check(name, rule_kinds.map_checks(rules)) if rules is not None else None
    keys = _item_check(key_field, rules.keys if rules is not None and rules.HasField("keys") else None, False)
    values_rules = rules.values if rules is not None and rules.HasField("values") else None
    values = _item_check(value_field, values_rules, field.full_name == UNCHECKED)
    if keys is None and values is None:
        return whole

    def run(entries: Any, walk: Walk) -> None:
        if whole is not None:
            whole(entries, walk)
        walk.path.append(name)
        for key in sorted(entries):
            walk.path.append(str(key))
            if keys is not None:
                keys(key, walk)
            if values is not None:
                values(entries[key], walk)
            walk.path.pop()
        walk.path.pop()

    return run


def deprecation_check(field: FieldDescriptor) -> Present | None:
    """What to say when the field, or the enum value in it, is deprecated."""
    since = deprecated_since(field)
    if since is not None:
        name, refused = field.name, disallowed_by_default(field)
        return lambda value, walk: walk.deprecated(name, since, "the field", refused)
    return _enum_deprecation(field, field.enum_type) if field.enum_type is not None else None


def default_deprecation(field: FieldDescriptor) -> Absent | None:
    """What to say when an enum field is left at a default that is deprecated."""
    if field.enum_type is None or field.is_repeated or field.has_presence:
        return None
    present = _enum_deprecation(field, field.enum_type)
    name = field.name

    def check(message: Any, walk: Walk) -> None:
        if present is not None and not getattr(message, name):
            present(0, walk)

    return check if present is not None else None


def _enum_deprecation(field: FieldDescriptor, enum_type: EnumDescriptor) -> Present | None:
    old = {
        value.number: (value.name, since, disallowed_by_default(value))
        for value in enum_type.values
        if (since := deprecated_since(value)) is not None
    }
    if not old:
        return None
    name, many = field.name, field.is_repeated

    def run(value: Any, walk: Walk) -> None:
        for number in value if many else (value,):
            if number in old:
                word, since, refused = old[number]
                walk.deprecated(name, since, f"the value {word}", refused)

    return run


@cache
def has_rules(full_name: str) -> bool:
    """Whether the message type, or any that it can hold, states something to check."""
    seen = {full_name}
    waiting = [full_name]
    while waiting:
        name = waiting.pop()
        if name == ANY:
            return True
        if _has_own_rules(name):
            return True
        for field in schema.pool().FindMessageTypeByName(name).fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type.full_name)
    return False


@cache
def _has_own_rules(full_name: str) -> bool:
    descriptor = schema.pool().FindMessageTypeByName(full_name)
    if any(oneof_required(oneof) for oneof in descriptor.oneofs):
        return True
    return any(
        field_rules(field) is not None
        or deprecated_since(field) is not None
        or (field.enum_type is not None and _enum_deprecation(field, field.enum_type) is not None)
        for field in descriptor.fields
    )
