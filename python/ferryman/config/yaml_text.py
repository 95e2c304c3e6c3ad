"""YAML text to a tree, with Envoy's idea of what a scalar is.

Owns the composer on libyaml's events and the scalar rules: unquoted yes/no/on/off/y/n are booleans,
integers beyond 32 bits become strings, `0x` and leading-zero octal are read, everything else unquoted is
a string. Keys tagged `!ignore` are dropped, merge keys are plain keys, only the first document counts.

Follows https://yaml.org/spec/1.2.2/ and, for scalars, yaml-cpp as Envoy 1.40 uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from ferryman.config.tree import MAX_NODES, Duplicate, Node, TextError, count_expanded
from ferryman.config.yaml_mistakes import explain

MAX_DEPTH = 128

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLS = {
    spelling: word in ("y", "yes", "true", "on")
    for word in ("y", "yes", "true", "on", "n", "no", "false", "off")
    for spelling in (word, word.upper(), word.capitalize())
}
_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)[ \t\n\r\f\v]*")
_BEGINS_NUMBER = frozenset("+-0123456789")
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)


def scalar(text: str) -> Any:
    """The value of an unquoted scalar."""
    if text in _NULL:
        return None
    known = _BOOLS.get(text)
    if known is not None:
        return known
    return _number_or_text(text) if text[0] in _BEGINS_NUMBER else text


def _number_or_text(text: str) -> Any:
    found = _INTEGER.fullmatch(text)
    if found is None:
        return text
    digits = found[2]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" and len(digits) > 1 else 10
    number = int(found[1] + digits, base)
    if number in _INT32:
        return number
    return str(number) if number in _INT64 else text


class Composer:
    """Reads the first document of a text. `duplicates` has the keys that stand twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._get: Callable[[], Any] = CParser(text).get_event
        self._anchors: dict[str, Node] = {}
        self._has_alias = False
        self.duplicates: list[Duplicate] = []
        self.further_document: int | None = None
        """Where a second document begins, if there is one."""

    def compose(self) -> Node | None:
        """The tree of the first document; None if there is none. Raises TextError."""
        try:
            self._get()
            if not isinstance(self._get(), DocumentStartEvent):
                return None
            root = self._node(self._get(), 0)
        except yaml.MarkedYAMLError as error:
            if "nesting depth" in (error.problem or ""):  # the scanner, ahead of the parser, has had enough
                mark = error.problem_mark or error.context_mark
                raise _too_deep(mark.index if mark else 0) from None
            raise explain(self._text, error) from None
        except yaml.reader.ReaderError as error:
            raise TextError(error.position, f"is not YAML: {error.reason}") from None
        self._look_further()
        if self._has_alias and count_expanded(root) > MAX_NODES:
            raise TextError(root.offset, f"has more than {MAX_NODES} values once its aliases are written out")
        return root

    def _look_further(self) -> None:
        """Find out whether the text goes on after the first document, and whether it may."""
        ended = self._get()
        try:
            event: Any = self._get()
        except yaml.MarkedYAMLError as error:
            if ended.explicit:
                return  # what follows "..." is another document, which nobody reads
            raise explain(self._text, error) from None
        if isinstance(event, DocumentStartEvent):
            self.further_document = event.start_mark.index if event.start_mark is not None else 0

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is ScalarEvent:
            node = Node(event.start_mark.index, value_of(event))
        elif kind is MappingStartEvent:
            node = self._mapping(event, depth)
        elif kind is SequenceStartEvent:
            node = self._sequence(event, depth)
        else:
            return self._aliased(event)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise TextError(event.start_mark.index, f"alias *{event.anchor} has no anchor before it")
        self._has_alias = True
        return node

    def _sequence(self, event: Any, depth: int) -> Node:
        _check_depth(event, depth)
        items: list[Node] = []
        get = self._get
        child = get()
        while type(child) is not SequenceEndEvent:
            items.append(self._node(child, depth + 1))
            child = get()
        return Node(event.start_mark.index, items)

    def _mapping(self, event: Any, depth: int) -> Node:
        _check_depth(event, depth)
        entries: dict[str, tuple[int, Node]] = {}
        get = self._get
        key = get()
        while type(key) is not MappingEndEvent:
            name = self._key(key)
            offset = key.start_mark.index
            value = self._node(get(), depth + 1)
            if key.__class__ is AliasEvent or key.tag != "!ignore":
                if name in entries:
                    self.duplicates.append(Duplicate(name, entries[name][0], offset))
                entries[name] = (offset, value)
            key = get()
        return Node(event.start_mark.index, entries)

    def _key(self, event: Any) -> str:
        kind = type(event)
        if kind is ScalarEvent:
            if event.anchor:
                self._anchors[event.anchor] = Node(event.start_mark.index, value_of(event))
            return str(event.value)
        if kind is AliasEvent:
            value = self._aliased(event).value
            if isinstance(value, str):
                return value
        raise TextError(event.start_mark.index, "a key must be plain text")


def value_of(event: Any) -> Any:
    """The value of a scalar's event, by its style and tag."""
    tag = event.tag
    # libyaml leaves the style of a plain scalar empty; quoted and block scalars are always text.
    if event.style in ("", None):
        if tag is None:
            return scalar(event.value)
    elif tag is None:
        return event.value
    if tag == "!":
        return event.value
    known = _BOOLS.get(event.value)
    return known if known is not None else _number_or_text(event.value)


def _check_depth(event: Any, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise _too_deep(event.start_mark.index)


def _too_deep(index: int) -> TextError:
    return TextError(index, f"is nested more than {MAX_DEPTH} levels deep")
