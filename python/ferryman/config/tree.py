"""The tree of a text: plain values, each with the offset at which it stands.

Owns the node, its plain form and the search for a path. How a text becomes a tree is `yaml_text.py` and
`json_text.py`; what the values mean is `decode.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ferryman.config.problems import Path

MAX_NODES = 1_000_000
"""Values in one tree after its aliases are written out: far beyond any real file, far below a bomb."""


class Node:
    """One value and where its text begins.

    `value` is a scalar, a list of nodes, or a dict from key to (offset of the key, node).
    """

    __slots__ = ("offset", "value")

    def __init__(self, offset: int, value: Any) -> None:
        self.offset = offset
        self.value = value


class TextError(Exception):
    """A text that is not the language it should be, and where that shows."""

    def __init__(self, offset: int, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text
        self.hint = hint


class Duplicate:
    """A key that stands twice in one mapping; the later one counts."""

    __slots__ = ("first", "key", "offset")

    def __init__(self, key: str, first: int, offset: int) -> None:
        self.key = key
        self.first = first
        self.offset = offset


def plain(node: Node) -> Any:
    """The values alone. A node that aliases share becomes one shared value."""
    done: dict[int, Any] = {}

    def convert(node: Node) -> Any:
        value = node.value
        kind = type(value)
        if kind is not dict and kind is not list:
            return value
        known = done.get(id(node))
        if known is not None:
            return known
        made: Any
        if kind is dict:
            made = {key: convert(entry[1]) for key, entry in value.items()}
        else:
            made = [convert(item) for item in value]
        done[id(node)] = made
        return made

    return convert(node)


def count_expanded(node: Node) -> int:
    """How many values the tree has once every alias is written out."""
    sizes: dict[int, int] = {}

    def count(node: Node) -> int:
        value = node.value
        if type(value) is not dict and type(value) is not list:
            return 1
        known = sizes.get(id(node))
        if known is None:
            items = (entry[1] for entry in value.values()) if type(value) is dict else iter(value)
            known = 1 + sum(map(count, items))
            sizes[id(node)] = known
        return known

    return count(node)


class Spot:
    """A node found for a path, with the key that leads to it and the number of the tree it is in."""

    __slots__ = ("key_offset", "node", "tree")

    def __init__(self, tree: int, node: Node, key_offset: int | None) -> None:
        self.tree = tree
        self.node = node
        self.key_offset = key_offset

    def offset(self, at_key: bool, missing: bool) -> int:
        """Where to point: at a scalar itself, but at the key of a mapping or list."""
        is_container = type(self.node.value) in (dict, list)
        if self.key_offset is not None and (at_key or missing or is_container):
            return self.key_offset
        return self.node.offset


def find(roots: Sequence[Node], path: Path) -> tuple[Spot, bool]:
    """The spot of a path of field names in trees that were merged, and whether the path ends there.

    If the trees have no such path, the spot of the longest part of it that they have. Of several trees
    the last that has a value counts; the items of a list are those of all trees, one after the other.
    """
    here = [Spot(number, root, None) for number, root in enumerate(roots)]
    for step in path:
        found = _index(here, step) if isinstance(step, int) else _field(here, step)
        if not found:
            return here[-1], False
        here = found
    return here[-1], True


def _index(spots: list[Spot], index: int) -> list[Spot]:
    for spot in spots:
        if spot.node.value is None:
            continue
        # One item may stand without the list around it.
        is_list = type(spot.node.value) is list
        items = spot.node.value if is_list else [spot.node]
        if index < len(items):
            return [Spot(spot.tree, items[index], None if is_list else spot.key_offset)]
        index -= len(items)
    return []


def _field(spots: list[Spot], name: str) -> list[Spot]:
    found = []
    for spot in spots:
        for mapping in _mappings(spot.node):
            entry = mapping.get(name) or mapping.get(json_name(name))
            if entry is not None:
                found.append(Spot(spot.tree, entry[1], entry[0]))
                break
    return found


def _mappings(node: Node) -> Iterator[dict[str, tuple[int, Node]]]:
    """The mapping itself, then the one under its `value`: there stand the fields of a TypedStruct."""
    if type(node.value) is dict:
        yield node.value
        inner = node.value.get("value")
        if inner is not None and type(inner[1].value) is dict:
            yield inner[1].value


def json_name(name: str) -> str:
    """A field name in lowerCamelCase."""
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)
