"""The rules that the schema itself states for its fields, checked on a message and all below it.

Owns the walk and the table of checks that each message type is compiled to, once. Reports every
violation, every deprecated field that is set and every broken Any. Parts of the schema that state no
rules are never entered. What each kind of rule demands is `rule_kinds.py`.

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
    rules_disabled,
)
from ferryman.config import rule_kinds, well_known
from ferryman.config.decode import Decoding
from ferryman.config.problems import Origin, Path, Problem, Problems, Severity
from ferryman.config.rule_kinds import Check

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ferryman.config.cursor import Cursor

ANY = "google.protobuf.Any"
UNCHECKED = "envoy.config.core.v3.Metadata.typed_filter_metadata"
"""Data for filters, which Envoy carries around without looking into it."""
_NUMBERS = frozenset(
    ("float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64")
) | {"sfixed32", "sfixed64"}


def check_rules(cursor: Cursor) -> None:
    """Check the message under the cursor and all that it holds, the messages inside Anys too."""
    walk = Walk(cursor.problems, cursor.origin, cursor.path)
    # Envoy has no runtime yet while it reads the bootstrap, so there it only warns.
    walk.refuses_deprecated = cursor.type_name != schema.BOOTSTRAP
    walk.message(cursor.message)


class Walk:
    """One run of the checks: where it is, and where violations go."""

    __slots__ = ("origin", "path", "problems", "refuses_deprecated")

    def __init__(self, problems: Problems, origin: Origin | None, path: Path) -> None:
        self.problems = problems
        self.origin = origin
        self.path: list[str | int] = list(path)
        self.refuses_deprecated = True

    def message(self, message: Message) -> None:
        """Check one message and all below it."""
        if message.DESCRIPTOR.full_name == ANY:
            self.packed(message)
        else:
            checks_of(message.DESCRIPTOR.full_name).run(message, self)

    def packed(self, message: Message) -> None:
        """Check the message inside an Any."""
        work = Decoding(self.problems, self.origin, tuple(self.path))
        inner = well_known.unpack(message, work)
        if inner is not None:
            outside, before = self.refuses_deprecated, len(self.path)
            self.refuses_deprecated = True
            if well_known.filler_of(inner.DESCRIPTOR.full_name) is not None:
                self.path.append("value")
            self.message(inner)
            self.refuses_deprecated = outside
            del self.path[before:]

    def violation(self, name: str, text: str, code: str = "rule") -> None:
        """Report that a field of the message here has a bad value, unless it could not be read at all."""
        path = (*self.path, name)
        if not self.problems.is_doubtful(path):
            self.problems.add(Problem(code, Severity.ERROR, text, path, None, self.origin))

    def absence(self, name: str, text: str, hint: str | None = None) -> None:
        """Report that the message here lacks something, unless it could not be read in full."""
        path = tuple(self.path)
        if self.problems.is_doubtful(path) or self.problems.is_doubtful((*path, name)):
            return
        self.problems.add(Problem("required", Severity.ERROR, text, (*path, name), hint, self.origin))

    def deprecated(self, name: str, since: str, what: str, refused: bool) -> None:
        """Report that a deprecated field or value is in use."""
        text = f"{what} is deprecated" + (f" since API version {since}" if since else "")
        severity = Severity.WARNING
        if refused and self.refuses_deprecated:
            text, severity = f"{text} and refused by default", Severity.ERROR
        self.problems.add(Problem("deprecated", severity, text, (*self.path, name), None, self.origin, True))


Absent = Callable[[Any, Walk], None]
Present = Callable[[Any, Walk], None]


class Checks:
    """The checks of one message type: of what it lacks, and of each field that is set."""

    __slots__ = ("absent", "present")

    def __init__(self, descriptor: Descriptor) -> None:
        self.absent: list[Absent] = []
        self.present: dict[str, Present] = {}
        ruled = not rules_disabled(descriptor)
        for field in descriptor.fields:
            self._add(field, field_rules(field) if ruled else None)
        for oneof in descriptor.oneofs:
            if ruled and oneof_required(oneof):
                self.absent.append(_required_oneof(oneof.name, [field.name for field in oneof.fields]))

    def _add(self, field: FieldDescriptor, rules: Any) -> None:
        absences = (_absent_check(field, rules), _default_deprecation(field))
        self.absent += [check for check in absences if check is not None]
        found = [check for check in (_present_check(field, rules), _deprecation_check(field)) if check]
        if len(found) == 1:
            self.present[field.name] = found[0]
        elif found:
            self.present[field.name] = _both(*found)

    def run(self, message: Any, walk: Walk) -> None:
        """Check one message and all below it."""
        for absent in self.absent:
            absent(message, walk)
        present = self.present
        if present:
            for field, value in message.ListFields():
                check = present.get(field.name)
                if check is not None:
                    check(value, walk)


@cache
def checks_of(full_name: str) -> Checks:
    """The checks of a message type."""
    return Checks(schema.pool().FindMessageTypeByName(full_name))


def _both(first: Present, second: Present) -> Present:
    def check(value: Any, walk: Walk) -> None:
        first(value, walk)
        second(value, walk)

    return check


def _required_oneof(oneof: str, names: list[str]) -> Absent:
    text = f"one of {', '.join(names)} is required" if len(names) > 1 else f"{names[0]} is required"

    def check(message: Any, walk: Walk) -> None:
        if message.WhichOneof(oneof) is None:
            path = tuple(walk.path)
            if not walk.problems.is_doubtful(path):
                walk.problems.add(Problem("required", Severity.ERROR, text, path, None, walk.origin))

    return check


def _kind_rules(rules: Any) -> tuple[str, Any]:
    kind = rules.WhichOneof("type") if rules is not None else None
    return (kind, getattr(rules, kind)) if kind is not None else ("", None)


def _absent_check(field: FieldDescriptor, rules: Any) -> Absent | None:
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
            walk.absence(name, "is required")

    return check


def _zero_check(name: str, complaint: str, is_empty: bool) -> Absent:
    text = f"is required ({complaint})" if is_empty else f"is required: it {complaint}"

    def check(message: Any, walk: Walk) -> None:
        if not getattr(message, name):
            walk.absence(name, text)

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


def _present_check(field: FieldDescriptor, rules: Any) -> Present | None:
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
                walk.violation(name, complaint)
                return

    return run


def _message_check(name: str, type_name: str) -> Present:
    checks: Checks | None = None

    def run(value: Any, walk: Walk) -> None:
        nonlocal checks
        walk.path.append(name)
        if type_name == ANY:
            walk.packed(value)
        else:
            if checks is None:
                checks = checks_of(type_name)
            checks.run(value, walk)
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
        return _any_message if not skip and has_rules(field.message_type.full_name) else None
    if not checks:
        return None
    ignore_empty = getattr(kind_rules, "ignore_empty", False)

    def run(value: Any, walk: Walk) -> None:
        if ignore_empty and not value:
            return
        complaint = next(filter(None, (check(value) for check in checks)), None)
        if complaint is not None:
            problem = Problem("rule", Severity.ERROR, complaint, tuple(walk.path), None, walk.origin)
            walk.problems.add(problem)

    return run


def _any_message(value: Any, walk: Walk) -> None:
    walk.message(value)


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


def _deprecation_check(field: FieldDescriptor) -> Present | None:
    since = deprecated_since(field)
    if since is not None:
        name, refused = field.name, disallowed_by_default(field)
        return lambda value, walk: walk.deprecated(name, since, "the field", refused)
    return _enum_deprecation(field, field.enum_type) if field.enum_type is not None else None


def _default_deprecation(field: FieldDescriptor) -> Absent | None:
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
        descriptor = schema.pool().FindMessageTypeByName(name)
        if _has_own_rules(descriptor):
            return True
        for field in descriptor.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type.full_name)
    return False


@cache
def _has_own_rules_named(full_name: str) -> bool:
    descriptor = schema.pool().FindMessageTypeByName(full_name)
    if any(oneof_required(oneof) for oneof in descriptor.oneofs):
        return True
    return any(
        field_rules(field) is not None
        or deprecated_since(field) is not None
        or (field.enum_type is not None and _enum_deprecation(field, field.enum_type) is not None)
        for field in descriptor.fields
    )


def _has_own_rules(descriptor: Descriptor) -> bool:
    return _has_own_rules_named(descriptor.full_name)
