"""The rules that the schema itself states for its fields, checked on a message and all below it.

Owns the walk and the table of checks that each message type is compiled to, once. Reports every
violation, every deprecated field that is set and every broken Any. Parts of the schema that state no
rules are never entered. The checks of single fields are `field_checks.py`, what each kind of rule
demands is `rule_kinds.py`.

Follows https://github.com/bufbuild/protoc-gen-validate and Envoy's `deprecated_at_minor_version`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ferryman.api import schema
from ferryman.api.annotations import (
    field_rules,
    oneof_required,
    rules_disabled,
)
from ferryman.config import well_known
from ferryman.config.decode import Decoding
from ferryman.config.field_checks import (
    ANY,
    Absent,
    Present,
    absent_check,
    default_deprecation,
    deprecation_check,
    present_check,
)
from ferryman.config.problems import Origin, Path, Problem, Problems, Severity

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ferryman.config.cursor import Cursor


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
        self.typed(message.DESCRIPTOR.full_name, message)

    def typed(self, full_name: str, message: Any) -> None:
        """Check one message whose type the caller knows, and all below it."""
        if full_name == ANY:
            self.packed(message)
        else:
            checks_of(full_name).run(message, self)

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

    def violation(self, text: str, *steps: str) -> None:
        """Report a bad value at `steps` below here, unless it could not be read at all."""
        path = (*self.path, *steps)
        if not self.problems.is_doubtful(path):
            self.problems.add(Problem("rule", Severity.ERROR, text, path, None, self.origin))

    def absence(self, text: str, *steps: str) -> None:
        """Report that the message here lacks something, unless it could not be read in full."""
        here, path = tuple(self.path), (*self.path, *steps)
        if not self.problems.is_doubtful(here) and not self.problems.is_doubtful(path):
            self.problems.add(Problem("required", Severity.ERROR, text, path, None, self.origin))

    def deprecated(self, name: str, since: str, what: str, refused: bool) -> None:
        """Report that a deprecated field or value is in use."""
        text = f"{what} is deprecated" + (f" since API version {since}" if since else "")
        severity = Severity.WARNING
        if refused and self.refuses_deprecated:
            text, severity = f"{text} and refused by default", Severity.ERROR
        self.problems.add(Problem("deprecated", severity, text, (*self.path, name), None, self.origin, True))


class Checks:
    """The checks of one message type: of what it lacks, and of each field that is set."""

    __slots__ = ("absent", "present")

    def __init__(self, descriptor: Descriptor) -> None:
        self.absent: list[Absent] = []
        self.present: dict[FieldDescriptor, Present] = {}
        ruled = not rules_disabled(descriptor)
        for field in descriptor.fields:
            self._add(field, field_rules(field) if ruled else None)
        for oneof in descriptor.oneofs:
            if ruled and oneof_required(oneof):
                self.absent.append(_required_oneof(oneof.name, [field.name for field in oneof.fields]))

    def _add(self, field: FieldDescriptor, rules: Any) -> None:
        absences = (absent_check(field, rules), default_deprecation(field))
        self.absent += [check for check in absences if check is not None]
        found = [check for check in (present_check(field, rules), deprecation_check(field)) if check]
        if len(found) == 1:
            self.present[field] = found[0]
        elif found:
            self.present[field] = _both(*found)

    def run(self, message: Any, walk: Walk) -> None:
        """Check one message and all below it."""
        for absent in self.absent:
            absent(message, walk)
        present = self.present
        if present:
            for field, value in message.ListFields():
                check = present.get(field)
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
            walk.absence(text)

    return check
