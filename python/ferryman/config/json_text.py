"""JSON text to a tree, as lax as Envoy's own reader.

Owns the reader that keeps offsets. It is used when the quick way (`json.loads`) fails or when a problem
needs a place. Like Envoy it lets pass single quotes, keys without quotes, control characters in
strings and a comma before a closing bracket; unlike Envoy it wants a string to end on its line.

Follows RFC 8259.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ferryman.config.tree import Duplicate, Node, TextError

MAX_DEPTH = 128

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<mark>[{}\[\],:])
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<single>'(?:[^'\\\n]|\\.)*')
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    )""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPE_OR_QUOTE = re.compile(r"""\\.|\"""")
_END = re.compile(r"[ \t\r\n]*")


class Reader:
    """Reads one JSON value that fills the whole text. `duplicates` has the keys that stand twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self._offset = 0
        self._kind = ""
        self._token = ""
        self.duplicates: list[Duplicate] = []

    def read(self) -> Node:
        """The tree of the text. Raises TextError."""
        self._advance()
        root = self._value(0)
        rest = _END.match(self._text, self._next)
        assert rest is not None
        if rest.end() < len(self._text):
            raise TextError(rest.end(), "is not JSON: there is something after the end of the value")
        return root

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._next)
        if found is None:
            rest = _END.match(self._text, self._next)
            assert rest is not None
            if rest.end() == len(self._text):
                raise TextError(
                    rest.end(), "is not JSON: it ends too early", "a bracket or quote is not closed"
                )
            raise TextError(rest.end(), *_unreadable(self._text[rest.end()]))
        self._kind = found.lastgroup or ""
        self._token = found[self._kind]
        self._offset = found.start(self._kind)
        self._next = found.end()

    def _value(self, depth: int) -> Node:
        offset = self._offset
        if self._token == "{" and self._kind == "mark":
            return self._mapping(depth)
        if self._token == "[" and self._kind == "mark":
            return self._list(depth)
        if self._kind in ("string", "single"):
            return Node(offset, self._string())
        if self._kind == "number":
            return Node(offset, json.loads(self._token))
        if self._kind == "word" and self._token in _WORDS:
            return Node(offset, _WORDS[self._token])
        raise TextError(offset, f"is not JSON: expected a value, not {self._token}", _value_hint(self._token))

    def _string(self) -> str:
        if "\\" not in self._token and '"' not in self._token[1:-1]:
            return self._token[1:-1]
        # Only the quotes differ from what json reads: \' means ' in both kinds of string.
        inner = _ESCAPE_OR_QUOTE.sub(_as_double_quoted, self._token[1:-1])
        try:
            return str(json.loads(f'"{inner}"', strict=False))
        except json.JSONDecodeError as error:
            raise TextError(self._offset + error.pos, f"is not JSON: {error.msg}") from None

    def _mapping(self, depth: int) -> Node:
        start = self._open(depth)
        entries: dict[str, tuple[int, Node]] = {}
        while self._token != "}" or self._kind != "mark":
            if self._kind not in ("string", "single", "word"):
                raise TextError(self._offset, f'is not JSON: expected a key or "}}", not {self._token}')
            key = self._token if self._kind == "word" else self._string()
            offset = self._offset
            self._advance()
            if self._token != ":":
                raise TextError(self._offset, f'is not JSON: expected ":" after a key, not {self._token}')
            self._advance()
            value = self._value(depth + 1)
            if key in entries:
                self.duplicates.append(Duplicate(key, entries[key][0], offset))
            entries[key] = (offset, value)
            self._separator("}")
        return Node(start, entries)

    def _list(self, depth: int) -> Node:
        start = self._open(depth)
        items: list[Node] = []
        while self._token != "]" or self._kind != "mark":
            items.append(self._value(depth + 1))
            self._separator("]")
        return Node(start, items)

    def _open(self, depth: int) -> int:
        start = self._offset
        if depth >= MAX_DEPTH:
            raise TextError(start, f"is nested more than {MAX_DEPTH} levels deep")
        self._advance()
        return start

    def _separator(self, closing: str) -> None:
        self._advance()
        if self._kind == "mark" and self._token == ",":
            self._advance()
        elif self._kind != "mark" or self._token != closing:
            text = f'is not JSON: expected "," or "{closing}", not {self._token}'
            raise TextError(self._offset, text, "a comma is missing before it")


def _as_double_quoted(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])


def _unreadable(char: str) -> tuple[str, str | None]:
    if char in "\"'":
        return "is not JSON: a string is not closed, or has a line end in it", None
    if char in "/#":
        return "is not JSON: it has no comments", "remove the comment, or name the file .yaml"
    return f"is not JSON: unexpected {char!r}", None


def _value_hint(word: str) -> str | None:
    return "put it in quotes" if re.fullmatch("[A-Za-z_]+", word) else None


def loads(text: str) -> Any:
    """The plain values of strict JSON, the quick way. Raises ValueError for anything else.

    A mapping with a key twice is refused too, so that the slow way can say where it stands.
    """
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_pairs)


def _refuse_constant(word: str) -> Any:
    raise ValueError(word)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    return made
