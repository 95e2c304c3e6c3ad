"""What is wrong with a configuration: one Problem each, all of them collected in Problems.

Owns what a problem is, where it points and how many are kept. Where a path stands in a file is asked of
the problem's origin, and only when the problem is shown. How problems look is `report.py`'s business.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

Path = tuple[str | int, ...]
"""Steps from the root of a message: field names, indexes, map keys."""

MAX_KEPT = 1000
"""Problems kept of each severity; more are counted only."""


class Severity(enum.Enum):
    """How bad it is: an error refuses the configuration, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file. Lines and columns count from 1; 0 means not known."""

    file: str
    line: int = 0
    column: int = 0
    excerpt: str = ""
    """The text of that line, without its end; "" if not known."""

    def __str__(self) -> str:
        """`file:line:col`, or as much of it as is known."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Origin(Protocol):
    """Where a message came from: a file, or a control plane."""

    def place(self, path: Path, at_key: bool) -> Place:
        """The spot of a path: of its key, or of its value. Of the nearest parent if it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class NamedOrigin:
    """A message without text behind it, such as a resource from a control plane."""

    name: str

    def place(self, path: Path, at_key: bool) -> Place:
        """The name only: bytes have no lines."""
        return Place(self.name)


@dataclass(eq=False, slots=True)
class Problem:
    """One thing that is wrong, with the place, the reason and what to do about it."""

    code: str
    """A short stable word for machines: `unknown-field`, `rule`, `yaml-syntax`."""
    severity: Severity
    text: str
    """A sentence without its full stop: `must be > 0`."""
    path: Path = ()
    hint: str | None = None
    origin: Origin | None = None
    at_key: bool = False
    _place: Place | None = field(default=None, repr=False)

    @property
    def place(self) -> Place:
        """Where it stands. Worked out at the first question."""
        if self._place is None:
            found = self.origin.place(self.path, self.at_key) if self.origin is not None else Place("")
            self._place = found
        return self._place

    @property
    def path_text(self) -> str:
        """The path as a reader writes it: `static_resources.clusters[0].name`; "" for the root."""
        return path_text(self.path)

    def __str__(self) -> str:
        """`file:line:col: path: problem; hint` on one line."""
        parts = [str(self.place), self.path_text, self.text]
        line = ": ".join(part for part in parts if part)
        return f"{line}; {self.hint}" if self.hint else line


def path_text(path: Path) -> str:
    """A path as a reader writes it: fields with dots, indexes and odd map keys in brackets."""
    return path_below("", path)


def path_below(text: str, path: Path) -> str:
    """The text of a path that goes on from one whose text is at hand."""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "a").isalnum():
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


class Problems:
    """All problems of one load, in the order they were found; each is kept once."""

    def __init__(self, *, allow_unknown: bool = False) -> None:
        self.allow_unknown = allow_unknown
        """Whether fields that the schema does not have are let through, and only counted."""
        self.files: list[str] = []
        """The names of the sources, in the order in which they were given."""
        self.unknown_fields = 0
        """Unknown fields that were let through."""
        self._kept: dict[tuple[str, Path, str], Problem] = {}
        self._counts = dict.fromkeys(Severity, 0)
        self._doubtful: set[Path] = set()

    def add(self, problem: Problem) -> None:
        """Take one more problem; one that is already there is dropped."""
        key = (problem.code, problem.path, problem.text) if problem.path else (str(problem), (), "")
        if key in self._kept:
            return
        self._counts[problem.severity] += 1
        if self._counts[problem.severity] <= MAX_KEPT:
            self._kept[key] = problem

    def add_at(self, code: str, place: Place, text: str, hint: str | None = None) -> None:
        """Take an error that has a spot in a file but no path, such as a syntax error."""
        self.add(Problem(code, Severity.ERROR, text, (), hint, _place=place))

    def doubt(self, path: Path) -> None:
        """Note that part of the message at `path` could not be read, so what it lacks proves nothing."""
        self._doubtful.add(path)

    def is_doubtful(self, path: Path) -> bool:
        """Whether something at `path` itself could not be read: absences there need no second problem."""
        return path in self._doubtful

    @property
    def errors(self) -> list[Problem]:
        """The problems that refuse the configuration, by place."""
        return [problem for problem in self.ordered() if problem.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Problem]:
        """The problems that do not."""
        return [problem for problem in self.ordered() if problem.severity is Severity.WARNING]

    @property
    def has_errors(self) -> bool:
        """Whether the configuration is refused."""
        return self._counts[Severity.ERROR] > 0

    def count(self, severity: Severity) -> int:
        """How many there are of that severity, those included that were too many to keep."""
        return self._counts[severity]

    def count_of(self, code: str) -> int:
        """How many of the kept ones have that code."""
        return sum(problem.code == code for problem in self._kept.values())

    def ordered(self) -> list[Problem]:
        """All kept problems by file and line; within a line as they were found."""
        files = {name: number for number, name in enumerate(self.files)}
        for problem in self._kept.values():
            files.setdefault(problem.place.file, len(files))
        return sorted(self._kept.values(), key=lambda p: (files[p.place.file], p.place.line, p.place.column))

    def __iter__(self) -> Iterator[Problem]:
        """All kept problems by place."""
        return iter(self.ordered())

    def __len__(self) -> int:
        """How many there are, those included that were too many to keep."""
        return sum(self._counts.values())

    def __str__(self) -> str:
        """All problems as text."""
        return self.as_text()

    def as_text(self, *, limit: int = 100, excerpts: bool = True) -> str:
        """All problems as a person reads them; see `report.text`."""
        from ferryman.config import report

        return report.text(self, limit=limit, excerpts=excerpts)
