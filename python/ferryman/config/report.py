"""How problems are shown: to a person, to a program (JSON), to a code host (SARIF).

Owns the three forms. Collecting problems and finding their places is `problems.py`'s business.

Follows https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html for SARIF.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ferryman.config.problems import Place, Problem, Problems, Severity

_WIDTH = 110


def text(problems: Problems, *, limit: int = 100, excerpts: bool = True) -> str:
    """One block a problem: `file:line:col: error: path: problem; hint`, the line, and a caret under it.

    Errors come before warnings. After `limit` blocks only their number is told.
    """
    chosen = problems.errors + problems.warnings
    blocks = [_block(problem, excerpts) for problem in chosen[:limit]]
    left = len(problems) - len(blocks)
    if left > 0:
        blocks.append(f"… and {left} more")
    return "\n".join(blocks)


def verdict(problems: Problems) -> str:
    """The last words on a configuration: `OK`, `OK, 1 warning`, `has 2 errors, 1 warning`."""
    errors, warnings = problems.count(Severity.ERROR), problems.count(Severity.WARNING)
    told = [f"has {_counted(errors, 'error')}" if errors else "OK"]
    return ", ".join(told + ([_counted(warnings, "warning")] if warnings else []))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _block(problem: Problem, excerpts: bool) -> str:
    place = str(problem.place)
    head = f"{place}: " if place else ""
    path = f"{problem.path_text}: " if problem.path else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    line = f"{head}{problem.severity.value}: {path}{problem.text}{hint}"
    return line + (_excerpt(problem.place) if excerpts else "")


def _excerpt(place: Place) -> str:
    if not place.excerpt:
        return ""
    # A line of a megabyte (JSON without line ends) is cut to a window around the column.
    start = max(0, place.column - 1 - _WIDTH // 2) if len(place.excerpt) > _WIDTH else 0
    shown = place.excerpt[start : start + _WIDTH]
    blank = "".join("\t" if char == "\t" else " " for char in shown[: max(0, place.column - 1 - start)])
    margin = " " * len(str(place.line))
    return f"\n  {place.line} | {shown}\n  {margin} | {blank}^"


def as_json(problems: Iterable[Problem]) -> str:
    """A JSON list, one object a problem, in the order given."""
    rows = [
        {
            "file": problem.place.file,
            "line": problem.place.line,
            "column": problem.place.column,
            "severity": problem.severity.value,
            "code": problem.code,
            "path": problem.path_text,
            "text": problem.text,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def as_sarif(
    problems: Sequence[Problem], version: str, meanings: Mapping[str, tuple[str, str]] = MappingProxyType({})
) -> str:
    """A SARIF 2.1.0 log with one run; `version` is Ferryman's.

    `meanings`: what a code means in one line, and where that is told at length.
    """
    results = [_sarif_result(problem) for problem in problems]
    codes = sorted({problem.code for problem in problems})
    rules = [_sarif_rule(code, meanings.get(code)) for code in codes]
    driver = {"name": "ferryman", "version": version, "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_rule(code: str, meaning: tuple[str, str] | None) -> dict[str, Any]:
    if meaning is None:
        return {"id": code}
    return {"id": code, "shortDescription": {"text": meaning[0]}, "help": {"text": f"see {meaning[1]}"}}


def _sarif_result(problem: Problem) -> dict[str, Any]:
    place = problem.place
    message = f"{problem.text}; {problem.hint}" if problem.hint else problem.text
    if problem.path:
        message = f"{problem.path_text}: {message}"
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(place.file)}}
    if place.line:
        physical["region"] = {"startLine": place.line, "startColumn": max(1, place.column)}
    level = "error" if problem.severity is Severity.ERROR else "warning"
    return {
        "ruleId": problem.code,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": physical}] if place.file else [],
    }
