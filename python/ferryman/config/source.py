"""Configuration text and where it came from: a file, a command line, a string.

Owns reading (by extension, as Envoy does: .yaml and .yml, .pb, .pb_text, everything else is JSON) and
turning a path of field names back into a line and column. The languages are `yaml_text.py`,
`json_text.py` and `textproto_text.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli (--config-path).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any, Literal

from ferryman.config import json_text
from ferryman.config.collector import collector_paused
from ferryman.config.problems import Path, Place, Problem, Problems, Severity
from ferryman.config.tree import Duplicate, Node, TextError, find, plain
from ferryman.errors import SourceError

Format = Literal["yaml", "json", "pb", "pb_text"]

MAX_BYTES = 512 * 1024 * 1024
_EXTENSIONS: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".pb": "pb", ".pb_text": "pb_text"}


def format_of(name: str) -> Format:
    """The format that Envoy takes a file of that name for."""
    return _EXTENSIONS.get(os.path.splitext(name)[1].lower(), "json")


class Source:
    """One text (or, for .pb, one run of bytes) with its name and format."""

    def __init__(self, name: str, data: bytes | str, format: Format) -> None:
        self.name = name
        self.format = format
        self.data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        self._text: str | None = data if isinstance(data, str) else None
        self._root: Node | None = None
        self._line_starts: list[int] | None = None
        self._last_line = (0, "")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Source:
        """Read a file. Raises SourceError."""
        name = os.fspath(path)
        try:
            size = os.stat(name).st_size
            if size > MAX_BYTES:
                raise SourceError(f"{name}: has {size} bytes, more than the {MAX_BYTES} allowed")
            data = FilePath(name).read_bytes()
        except OSError as error:
            raise SourceError(f"{name}: cannot be read: {error.strerror or error}") from error
        return cls(name, data, format_of(name))

    @classmethod
    def from_text(cls, text: str, name: str = "<config-yaml>", format: Format = "yaml") -> Source:
        """Take a text that is at hand, such as the value of --config-yaml."""
        return cls(name, text, format)

    @property
    def text(self) -> str:
        """The text; bytes that are not UTF-8 show as U+FFFD."""
        if self._text is None:
            self._text = self.data.decode("utf-8", "replace")
        return self._text

    def tree(self, problems: Problems) -> tuple[Any, bool]:
        """The plain values of YAML or JSON, and whether the text could be read at all.

        What cannot be read is reported to `problems`, as are keys that stand twice.
        """
        if not self._check_encoding(problems):
            return None, False
        quick = self._read_quickly()
        if quick is not None:
            return quick, True
        try:
            root, duplicates, further = self._read_root()
        except TextError as error:
            problems.add_at("syntax", self.place_at(error.offset), error.text, error.hint)
            return None, False
        for duplicate in duplicates:
            self._report_duplicate(duplicate, problems)
        if further is not None:
            text = "a second document begins here; only the first is read"
            place = self.place_at(further)
            problems.add(Problem("second-document", Severity.WARNING, text, _place=place))
        if root is None or root.value is None:
            problems.add_at("empty", self.place_at(0), "has nothing in it", "an empty configuration is {}")
            return None, False
        return plain(root), True

    def _check_encoding(self, problems: Problems) -> bool:
        try:
            self.data.decode("utf-8")
        except UnicodeDecodeError as error:
            offset = len(self.data[: error.start].decode("utf-8"))
            problems.add_at("syntax", self.place_at(offset), "is not UTF-8 text")
            return False
        return True

    def _read_quickly(self) -> Any:
        """The plain values of an ordinary text; None leaves it to the reader that knows places."""
        try:
            if self.format == "json":
                return json_text.loads(self.text)
            if self.format == "yaml":
                from ferryman.config import yaml_values

                return yaml_values.loads(self.text)
        except (ValueError, RecursionError):
            pass
        return None

    def _read_root(self) -> tuple[Node | None, list[Duplicate], int | None]:
        """The tree, the keys that stand twice and where a second document begins."""
        if self.format == "json":
            reader = json_text.Reader(self.text)
            return reader.read(), reader.duplicates, None
        if self.format == "pb_text":
            from ferryman.config import textproto_text

            return textproto_text.Reader(self.text).read(), [], None
        from ferryman.config import yaml_text

        composer = yaml_text.Composer(self.text)
        return composer.compose(), composer.duplicates, composer.further_document

    def _report_duplicate(self, duplicate: Duplicate, problems: Problems) -> None:
        text = f'"{duplicate.key}" stands twice in one mapping; the later one counts'
        first = self.place_at(duplicate.first)
        hint = f"the first is at line {first.line}"
        place = self.place_at(duplicate.offset)
        problems.add(Problem("duplicate-key", Severity.WARNING, text, (), hint, _place=place))

    def root(self) -> Node:
        """The tree with offsets, read again at the first question; an empty one if there is none."""
        if self._root is None:
            try:
                with collector_paused():
                    found = self._read_root()[0]
            except TextError:
                found = None
            self._root = found if found is not None else Node(0, None)
        return self._root

    def place(self, path: Path, at_key: bool) -> Place:
        """The spot of a path of field names."""
        return place_in((self,), path, at_key)

    def place_at(self, offset: int) -> Place:
        """The spot of an offset in the text."""
        if self._line_starts is None:
            starts = [0]
            position = self.text.find("\n")
            while position >= 0:
                starts.append(position + 1)
                position = self.text.find("\n", position + 1)
            self._line_starts = starts
        line = bisect_right(self._line_starts, offset)
        start = self._line_starts[line - 1]
        return Place(self.name, line, offset - start + 1, self._line(line))

    def _line(self, number: int) -> str:
        """The text of a line; of a line with many problems (JSON may be one line) all have the same copy."""
        if self._last_line[0] != number:
            assert self._line_starts is not None
            start = self._line_starts[number - 1]
            end = self.text.find("\n", start)
            self._last_line = (number, self.text[start : end if end >= 0 else None].rstrip("\r"))
        return self._last_line[1]


class MergedSources:
    """Several sources that were merged to one message, later ones over earlier ones."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    def place(self, path: Path, at_key: bool) -> Place:
        """The spot of a path, in the source that counts for it."""
        return place_in(self._sources, path, at_key)


def place_in(sources: Sequence[Source], path: Path, at_key: bool) -> Place:
    """The spot of a path of field names in sources that were merged in this order."""
    readable = [source for source in sources if source.format != "pb"]
    if not readable:
        return Place(sources[-1].name if sources else "")
    spot, complete = find([source.root() for source in readable], path)
    source = readable[spot.tree]
    if not complete and len(readable) < len(sources):
        # It may stand in a binary source, which has no lines.
        return Place(next(s.name for s in sources if s.format == "pb"))
    return source.place_at(spot.offset(at_key, missing=not complete))
