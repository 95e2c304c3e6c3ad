"""Short ways to read a text and look at its problems, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from ferryman.config.cursor import Cursor
from ferryman.config.parse import check_rules, parse_bootstrap, parse_message
from ferryman.config.problems import Problems
from ferryman.config.source import Format, Source


def read(text: str, *, format: Format = "yaml", allow_unknown: bool = False) -> tuple[Cursor, Problems]:
    """A bootstrap from a text, its rules checked."""
    cursor, problems = parse_bootstrap([Source("f", text, format)], allow_unknown=allow_unknown)
    check_rules(cursor)
    return cursor, problems


def errors(text: str, *, format: Format = "yaml") -> list[str]:
    """All errors of a bootstrap, one line each."""
    return [str(problem) for problem in read(text, format=format)[1].errors]


def message(type_name: str, text: str, *, format: Format = "yaml") -> Any:
    """A message of any type from a text that must be right."""
    cursor, problems = parse_message(Source("f", text, format), type_name)
    assert not len(problems), problems.as_text()
    return cursor.message


def refusal(type_name: str, text: str, *, format: Format = "yaml") -> str:
    """The one error of a text for a message of any type."""
    _, problems = parse_message(Source("f", text, format), type_name)
    [problem] = problems.errors
    return str(problem)
