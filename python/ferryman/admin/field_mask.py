"""Field masks: which fields of a message a dump is to show.

Owns reading a mask, whether it fits a message, and leaving out everything else. As in Envoy a path leads
through single messages only, never into the items of a list.

Follows https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tree = dict[str, "Tree"]


class FieldMask:
    """Paths such as `bootstrap.node.id`."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = list(paths)

    @classmethod
    def read(cls, text: str) -> FieldMask:
        """Paths with commas between."""
        return cls([path for path in text.split(",") if path])

    def fits(self, message: Any) -> bool:
        """Whether every path leads to a field of a message with this descriptor."""
        return all(_leads_somewhere(path, message) for path in self.paths)

    def trim(self, message: Any) -> None:
        """Clears the fields that the mask, which must fit, does not name."""
        _trim(message, self._tree())

    def names(self, field: str) -> bool:
        """Whether a path begins with a field of the message."""
        return any(path.partition(".")[0] == field for path in self.paths)

    def below(self, field: str) -> FieldMask:
        """What the mask says of the message in a field. A path that ends there becomes an empty one."""
        parts = (path.partition(".") for path in self.paths)
        return FieldMask([rest for first, _, rest in parts if first == field])

    def with_whole(self, field: str) -> FieldMask:
        """The same mask, with all of a field in place of parts of it."""
        return FieldMask([*(path for path in self.paths if path.partition(".")[0] != field), field])

    def _tree(self) -> Tree:
        root: Tree = {}
        # Shorter paths last: what they name is shown whole.
        for path in sorted(self.paths, key=len, reverse=True):
            *way, last = path.split(".")
            tree = root
            for name in way:
                tree = tree.setdefault(name, {})
            tree[last] = {}
        return root


def _leads_somewhere(path: str, message: Any) -> bool:
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message is not None else None
        if field is None:
            return False
        message = None if field.is_repeated else field.message_type
    return True


def _trim(message: Any, tree: Tree) -> None:
    for field, value in message.ListFields():
        if field.name not in tree:
            message.ClearField(field.name)
        elif tree[field.name]:
            _trim(value, tree[field.name])
