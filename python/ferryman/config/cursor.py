"""How the later stages read a message: with the path at hand and a way to report problems.

Owns Cursor, a message plus the way that leads to it. Works alike for messages from text and from wire
bytes: only the origin differs. Makes no judgement about the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferryman.config import well_known
from ferryman.config.decode import Decoding
from ferryman.config.problems import Origin, Path, Problem, Problems, Severity, path_below

if TYPE_CHECKING:
    from google.protobuf.message import Message


class Cursor:
    """A message, where it stands below the root, and the problems of the whole load.

    Cheap to make: the path is put together only when it is asked for.
    """

    __slots__ = ("_parent", "_path_text", "_steps", "message", "origin", "problems")

    def __init__(
        self,
        message: Message,
        problems: Problems,
        origin: Origin | None,
        parent: Cursor | None = None,
        steps: Path = (),
    ) -> None:
        self.message: Any = message
        self.problems = problems
        self.origin = origin
        self._parent = parent
        self._steps = steps
        self._path_text: str | None = None

    def __repr__(self) -> str:
        return f"<Cursor {self.type_name} at {self.path_text or 'root'}>"

    @property
    def path(self) -> Path:
        """Field names, indexes and map keys from the root to here."""
        parts: list[Path] = []
        cursor: Cursor | None = self
        while cursor is not None:
            parts.append(cursor._steps)
            cursor = cursor._parent
        return tuple(step for part in reversed(parts) for step in part)

    @property
    def path_text(self) -> str:
        """The path as a reader writes it: `static_resources.clusters[0]`; "" for the root."""
        if self._path_text is None:
            above = self._parent.path_text if self._parent is not None else ""
            self._path_text = path_below(above, self._steps)
        return self._path_text

    @property
    def type_name(self) -> str:
        """The full name of the message's type."""
        return str(self.message.DESCRIPTOR.full_name)

    def _at(self, message: Message, *steps: str | int) -> Cursor:
        return Cursor(message, self.problems, self.origin, self, steps)

    def below(self, message: Message, *steps: str | int) -> Cursor:
        """A message within this one at a way that is not that of its fields, such as a key of a Struct."""
        return self._at(message, *steps)

    def get(self, field: str) -> Any:
        """The value of a scalar or enum field (its number), a repeated scalar or a map of scalars."""
        return getattr(self.message, field)

    def has(self, field: str) -> bool:
        """Whether a field is set. A repeated field or map is when it is not empty.

        A scalar without presence is set when it is not its zero value.
        """
        try:
            return bool(self.message.HasField(field))
        except ValueError:
            return bool(getattr(self.message, field))

    def wrapped(self, field: str) -> Any:
        """The value of a wrapper field such as google.protobuf.UInt32Value; None when it is not set."""
        return getattr(self.message, field).value if self.message.HasField(field) else None

    def child(self, field: str) -> Cursor:
        """The message in a singular field; an empty one when it is not set."""
        return self._at(getattr(self.message, field), field)

    def items(self, field: str) -> list[Cursor]:
        """The messages of a repeated field."""
        return [self._at(item, field, index) for index, item in enumerate(getattr(self.message, field))]

    def map_items(self, field: str) -> list[tuple[Any, Cursor]]:
        """The entries of a map whose values are messages, by key."""
        entries = getattr(self.message, field)
        return [(key, self._at(entries[key], field, str(key))) for key in sorted(entries)]

    def which(self, oneof: str) -> str | None:
        """The name of the oneof's member that is set, or None."""
        found = self.message.WhichOneof(oneof)
        return None if found is None else str(found)

    def fields_set(self) -> list[str]:
        """The names of all fields that are set, in the order of their numbers."""
        return [field.name for field, _ in self.message.ListFields()]

    def unpack(self, field: str | None = None) -> Cursor | None:
        """The message inside an Any: of `field`, or of this cursor itself when it is an Any.

        A TypedStruct is turned into the message that it names. None when the Any is empty, or when its
        type or bytes are no good; the latter is reported.
        """
        holder = getattr(self.message, field) if field is not None else self.message
        work = Decoding(self.problems, self.origin, self.path if field is None else (*self.path, field))
        inner = well_known.unpack(holder, work)
        if inner is None:
            return None
        return self._at(inner, *(() if field is None else (field,)))

    def problem(
        self,
        text: str,
        hint: str | None = None,
        field: str | None = None,
        code: str = "invalid",
        item: int | None = None,
    ) -> None:
        """Report an error about this message, one of its fields, or one item of a repeated field.

        Dropped if it may be no more than a consequence: if the field could not be read, or if it is not
        set in a message of which some part could not be read.
        """
        path = self._path_to(field, item)
        if not self._is_consequence(path, field):
            self.problems.add(Problem(code, Severity.ERROR, text, path, hint, self.origin))

    def warn(
        self,
        text: str,
        hint: str | None = None,
        field: str | None = None,
        code: str = "warning",
        item: int | None = None,
    ) -> None:
        """Report a warning about this message, one of its fields, or one item of a repeated field."""
        path = self._path_to(field, item)
        if not self._is_consequence(path, field):
            self.problems.add(Problem(code, Severity.WARNING, text, path, hint, self.origin))

    def _path_to(self, field: str | None, item: int | None) -> Path:
        if field is None:
            return self.path
        return (*self.path, field) if item is None else (*self.path, field, item)

    def _is_consequence(self, path: Path, field: str | None) -> bool:
        if self.problems.is_doubtful(path):
            return True
        return self.is_doubtful() and not (field is not None and self.has(field))

    def is_doubtful(self, field: str | None = None) -> bool:
        """Whether part of this message (or field) could not be read, so that what it lacks proves nothing."""
        return self.problems.is_doubtful(self.path if field is None else (*self.path, field))
