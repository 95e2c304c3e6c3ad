"""The demo's table: what happened to each request.

Owns its columns and its two forms, plain text and, at a terminal, `rich`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.demo.probes import Outcome

COLUMNS = ("Request", "Route", "Upstream", "Status", "Direct ms", "Through ms", "Added ms", "")
_NUMBERS = ("Direct ms", "Through ms", "Added ms")


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The cells of the table, one row an outcome."""
    return [
        (
            outcome.title,
            outcome.route,
            outcome.upstreams,
            outcome.status,
            _number(outcome.direct_ms),
            _number(outcome.through_ms),
            _number(outcome.added_ms),
            f"NOT AS EXPECTED: {outcome.wrong}" if outcome.wrong else "ok",
        )
        for outcome in outcomes
    ]


def as_text(outcomes: Sequence[Outcome]) -> str:
    """The table in plain text."""
    cells = [COLUMNS, *rows(outcomes)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for cell, width, name in zip(row, widths, COLUMNS, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def print_to_terminal(outcomes: Sequence[Outcome]) -> None:
    """The table in colour; in plain text where the terminal is too narrow for it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, plain = Console(), as_text(outcomes)
    if console.width < max(map(len, plain.splitlines())) + 2:
        print(plain)
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for *cells, verdict in rows(outcomes):
        style = "green" if verdict == "ok" else "bold red"
        table.add_row(*map(Text, cells), Text(verdict, style=style))
    console.print(table)


def _number(value_ms: float | None) -> str:
    return "–" if value_ms is None else f"{value_ms:.2f}"
