"""Protobuf text format to a tree, only to say where things stand.

Owns the way from the text of a `.pb_text` file to offsets. What the text means is read by protobuf's own
text_format; this is asked only when a problem needs a place.

Follows https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

from typing import Any

from google.protobuf.text_format import ParseError, Tokenizer

from ferryman.config.tree import Node, TextError

_CLOSING = {"{": "}", "<": ">"}


class Reader:
    """Reads a whole text. Fields that stand more than once become lists."""

    def __init__(self, text: str) -> None:
        lines = text.split("\n")
        self._tokens: Any = Tokenizer(lines)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def read(self) -> Node:
        """The tree. Raises TextError."""
        try:
            return Node(0, self._fields(""))
        except (ParseError, IndexError, ValueError):
            raise TextError(self._offset(), "is not protobuf text") from None

    def _offset(self) -> int:
        return int(self._starts[self._tokens._line] + self._tokens._column)

    def _fields(self, closing: str) -> dict[str, tuple[int, Node]]:
        """Fields up to the closing bracket, or to the end of the text."""
        tokens = self._tokens
        entries: dict[str, tuple[int, Node]] = {}
        while not tokens.AtEnd() and tokens.token != closing:
            offset = self._offset()
            name = self._name()
            tokens.TryConsume(":")
            for value in self._values():
                if name.startswith("["):  # the message inside an Any: its fields stand for the Any's own
                    entries.update(value.value if isinstance(value.value, dict) else {})
                else:
                    _put(entries, name, offset, value)
            tokens.TryConsume(",") or tokens.TryConsume(";")
        return entries

    def _name(self) -> str:
        tokens = self._tokens
        if not tokens.TryConsume("["):
            return str(tokens.ConsumeIdentifierOrNumber())
        parts = ["["]
        while not tokens.TryConsume("]"):
            parts.append(tokens.token)
            tokens.NextToken()
        return "".join(parts)

    def _values(self) -> list[Node]:
        """One value, or all of a list in brackets."""
        tokens = self._tokens
        if not tokens.TryConsume("["):
            return [self._value()]
        values = []
        while not tokens.TryConsume("]"):
            values.append(self._value())
            tokens.TryConsume(",")
        return values

    def _value(self) -> Node:
        tokens = self._tokens
        offset = self._offset()
        closing = _CLOSING.get(tokens.token)
        if closing is None:
            text = tokens.token
            tokens.NextToken()
            while tokens.token[:1] in ("'", '"') and text[:1] in ("'", '"'):
                tokens.NextToken()  # strings side by side are one string
            return Node(offset, text)
        tokens.NextToken()
        fields = self._fields(closing)
        tokens.Consume(closing)
        return Node(offset, fields)


def _put(entries: dict[str, tuple[int, Node]], name: str, offset: int, value: Node) -> None:
    """Add a field; one that is there already becomes a list. A message is found at its field's name."""
    if isinstance(value.value, dict):
        value.offset = offset
    known = entries.get(name)
    if known is None:
        entries[name] = (offset, value)
    elif isinstance(known[1].value, list):
        known[1].value.append(value)
    else:
        entries[name] = (known[0], Node(known[0], [known[1], value]))
