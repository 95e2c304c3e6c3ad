"""Each place in the sources where lowering reports a problem is reached by a case of problem_cases.yaml."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ferryman.config
import pytest
from config.small_bootstrap import bootstrap, problems
from config.test_lowering_problems import CASES, changes
from ferryman.config.cursor import Cursor
from ferryman.config.pipeline import LoadOptions, check_bootstrap
from ferryman.config.source import Source

FOLDER = Path(ferryman.config.__file__).parent
REPORTS = ("problem", "warn")
ELSEWHERE = {
    "cursor.py": "reports what it is told to",
    "tls_context.py": "certificates have to be made first",
    "tls_validation.py": "certificates have to be made first",
}
"""Files whose reports other tests bring about, and which."""
BROUGHT_ABOUT_BELOW = "log_format and --log-format cannot both be set"
BY_OTHERS = (BROUGHT_ABOUT_BELOW, "permission denied")
"""What no file alone brings about: the command line does, and file modes (tests/test_process.py)."""


def reports() -> Iterator[tuple[str, int, int, str]]:
    """File, first and last line of each call that reports a problem, and its text."""
    for file in sorted(FOLDER.rglob("*.py")):
        name = str(file.relative_to(FOLDER))
        if name in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in REPORTS:
                yield name, called.lineno, node.end_lineno or called.lineno, ast.unparse(node)


def test_every_problem_has_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[tuple[str, int]] = set()
    for name in REPORTS:
        report = getattr(Cursor, name)

        def note(cursor: Cursor, *words: Any, report: Any = report, **more: Any) -> None:
            caller = sys._getframe(1)
            reached.add((caller.f_code.co_filename, caller.f_lineno))
            report(cursor, *words, **more)

        monkeypatch.setattr(Cursor, name, note)
    for case in CASES:
        problems(changes(case))
    missing = [
        f"{name}:{first}: {text}"
        for name, first, last, text in reports()
        if not any(other in text for other in BY_OTHERS)
        and not any((str(FOLDER / name), line) in reached for line in range(first, last + 1))
    ]
    assert not missing, "no case in problem_cases.yaml for:\n" + "\n".join(missing)


def test_a_log_format_on_the_command_line_and_in_the_file() -> None:
    text = bootstrap({"bootstrap": {"application_log_config": {"log_format": {"text_format": "%v"}}}})
    source = Source.from_text(text, "test.json", "json")
    (problem,) = check_bootstrap([source], LoadOptions(log_format_is_set=True)).errors
    assert (problem.text, problem.path_text) == (BROUGHT_ABOUT_BELOW, "application_log_config.log_format")
