"""What `check` and `lint` share: the files that they are given, and how the result is told.

Owns reading a file or standard input, the formats of the report and its last line. What is wrong with a
configuration is `config/`'s and `lint/`'s business.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import click

from ferryman import __version__
from ferryman.config import report
from ferryman.config.problems import Place, Problems
from ferryman.config.source import Source
from ferryman.errors import SourceError

Judge = Callable[[Source], Problems]


def problems_of(name: str, judge: Judge) -> Problems:
    """What is found in the file of that name; `-` is standard input, which is YAML or JSON."""
    try:
        if name == "-":
            return judge(Source("<stdin>", sys.stdin.buffer.read(), "yaml"))
        return judge(Source.from_file(name))
    except SourceError as error:
        unreadable = Problems()
        unreadable.add_at("unreadable", Place(name), str(error).removeprefix(f"{name}: "))
        return unreadable


def tell(
    found: Sequence[tuple[str, Problems]], form: str, rules: Mapping[str, tuple[str, str]] | None = None
) -> None:
    """Print all problems; text ends with a verdict on each file.

    `rules`: what a code means, and where that is told at length.
    """
    if form == "text":
        for name, problems in found:
            if len(problems):
                click.echo(problems.as_text())
            click.echo(f"configuration '{name}' {report.verdict(problems)}")
        return
    every = [problem for _, problems in found for problem in problems]
    click.echo(report.as_json(every) if form == "json" else report.as_sarif(every, __version__, rules or {}))
