"""Two hundred broken configurations: every one is refused, and the first error names the right line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ferryman.config.pipeline import check_bootstrap, load_bootstrap
from ferryman.config.source import Source, format_of
from ferryman.errors import ConfigError

from damaged.damage import WHOLE, chosen

DAMAGES = chosen()
MUST_HIT = 0.95


def first_line(file: str, text: str) -> int:
    """The line of the first error, which must be there and must be shown in full."""
    with pytest.raises(ConfigError) as caught:
        load_bootstrap([Source(file, text, format_of(file))])
    shown = str(caught.value)
    assert shown.startswith(f"{file}:")
    assert "Traceback" not in shown
    return caught.value.problems.errors[0].place.line


@pytest.mark.parametrize("path", sorted(WHOLE.iterdir()), ids=lambda path: path.name)
def test_the_whole_files_are_good(path: Path) -> None:
    problems = check_bootstrap([Source.from_file(path)])
    assert not problems.has_errors, problems.as_text()


def test_there_are_enough_damages_of_every_way() -> None:
    assert len(DAMAGES) == 200
    assert len({damage.way for damage in DAMAGES}) >= 20
    assert {damage.file for damage in DAMAGES} == {path.name for path in WHOLE.iterdir()}


def test_the_first_error_names_the_damaged_line() -> None:
    found = {damage: first_line(damage.file, damage.text) for damage in DAMAGES}
    missed = [f"{damage.name}: line {line}" for damage, line in found.items() if line != damage.line]
    assert len(missed) <= (1 - MUST_HIT) * len(DAMAGES), "\n".join(missed)
