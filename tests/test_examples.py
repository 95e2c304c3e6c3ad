"""Every example is checked and run: each command of its README gives what stands there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from harness.example import EXAMPLES, RunningExample, commands_of, log_lines_of, matches

ROOT = Path(__file__).resolve().parents[1]


def readme_of(folder: Path) -> str:
    return (folder / "README.md").read_text()


def run_readme(folder: Path, which: str, directory: Path) -> None:
    """Runs every command of the README; fails at the first that gives something else."""
    example = RunningExample(folder, which, directory)
    try:
        for command in commands_of(readme_of(folder)):
            printed = example.run(command)
            came = "\n".join(["--- expected", *command.expected, "--- came", *printed])
            assert matches(command.expected, printed), f"$ {command.line}\n{came}"
        assert not example.await_log_lines(log_lines_of(readme_of(folder)))
    finally:
        example.close()


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_configuration_is_valid(folder: Path) -> None:
    command = [sys.executable, "-m", "ferryman", "--mode", "validate", "-c", "ferryman.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "configuration 'ferryman.yaml' OK\n"), done.stderr


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_commands_give_what_the_readme_says(folder: Path, tmp_path: Path) -> None:
    run_readme(folder, "ferryman", tmp_path)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_readme_has_commands_with_results(folder: Path) -> None:
    commands = commands_of(readme_of(folder))
    assert commands and all(command.expected for command in commands)


def test_the_list_names_every_example() -> None:
    text = (ROOT / "examples" / "README.md").read_text()
    assert [folder.name for folder in EXAMPLES if f"[{folder.name}]({folder.name})" not in text] == []


def test_front_proxy_is_what_the_package_carries() -> None:
    carried = ROOT / "python" / "ferryman" / "demo" / "front_proxy.yaml"
    assert yaml.safe_load(carried.read_text()) == yaml.safe_load(
        (ROOT / "examples" / "front_proxy" / "ferryman.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("expected", "lines", "outcome"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a", "…"], ["a", "b", "c"], True),
        (["a", "…", "d"], ["a", "d"], True),
        (["a", "…", "d"], ["a", "b"], False),
        (["a: …"], ["a: 17"], True),
        (["a"], ["a", "b"], False),
    ],
)
def test_matching(expected: list[str], lines: list[str], outcome: bool) -> None:
    assert matches(expected, lines) is outcome
