"""Two hundred broken configurations: every one is refused, and the first error names the right line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ferryman.config.pipeline import check_bootstrap, load_bootstrap
from ferryman.config.source import Source, format_of
from ferryman.errors import ConfigError

from damaged.damage import WHOLE, Damage, chosen

DAMAGES = chosen()
MUST_HIT = 0.95


def lines_told(file: str, text: str) -> list[int]:
    """The lines of the errors, of which there must be one, and which must be shown in full."""
    with pytest.raises(ConfigError) as caught:
        load_bootstrap([Source(file, text, format_of(file))])
    shown = str(caught.value)
    assert shown.startswith(f"{file}:")
    assert "Traceback" not in shown
    return [error.place.line for error in caught.value.problems.errors]


@pytest.mark.parametrize("path", sorted(WHOLE.iterdir()), ids=lambda path: path.name)
def test_the_whole_files_are_good(path: Path) -> None:
    problems = check_bootstrap([Source.from_file(path)])
    assert not problems.has_errors, problems.as_text()


@pytest.fixture(scope="module")
def told() -> dict[Damage, list[int]]:
    return {damage: lines_told(damage.file, damage.text) for damage in DAMAGES}


def test_there_are_enough_damages_of_every_way() -> None:
    assert len(DAMAGES) == 200
    assert len({damage.way for damage in DAMAGES}) >= 20
    assert {damage.file for damage in DAMAGES} == {path.name for path in WHOLE.iterdir()}


def test_the_first_error_names_the_damaged_line(told: dict[Damage, list[int]]) -> None:
    missed = [f"{damage.name}: line {lines[0]}" for damage, lines in told.items() if lines[0] != damage.line]
    assert len(missed) <= (1 - MUST_HIT) * len(DAMAGES), "\n".join(missed)


def test_one_mistake_is_not_told_as_many(told: dict[Damage, list[int]]) -> None:
    elsewhere = [f"{damage.name}: {lines}" for damage, lines in told.items() if set(lines) != {damage.line}]
    assert len(elsewhere) <= (1 - MUST_HIT) * len(DAMAGES), "\n".join(elsewhere)
