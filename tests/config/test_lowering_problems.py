"""What lowering refuses, in which words and at which path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ferryman.config import extensions
from ferryman.config.fields import DECLARED

from config.small_bootstrap import PLACES, bootstrap, problems

FILE = yaml.safe_load((Path(__file__).parent / "problem_cases.yaml").read_text())
CASES = [case for cases in FILE.values() for case in cases]
extensions.built_types()  # imports every lowering module, so that DECLARED is complete


def changes(case: Mapping[str, Any]) -> dict[str, Any]:
    return {place: case[place] for place in PLACES if place in case}


def path_of(case: Mapping[str, Any]) -> str:
    place, _, below = case["at"].partition(" ")
    return ".".join(part for part in (PLACES[place], below) if part)


def text_of(case: Mapping[str, Any]) -> str:
    return str(case["warns"] if "warns" in case else case["says"])


def test_the_small_bootstrap_has_no_problem() -> None:
    assert not list(problems({}))
    assert not list(problems({"tcp": {}}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['at']}: {text_of(case)}".replace(" ", "-"))
def test_problem(case: dict[str, Any]) -> None:
    found = problems(changes(case))
    kept = found.warnings if "warns" in case else found.errors
    told = {(problem.path_text, problem.text): problem.hint for problem in kept}
    wanted = (path_of(case), text_of(case))
    assert wanted in told, f"{bootstrap(changes(case))}\n{found}"
    assert found.has_errors == ("says" in case), str(found)
    if "hint" in case:
        assert told[wanted] == case["hint"]


def test_what_envoy_takes_is_refused_by_name_or_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "differences_from_envoy.md").read_text()
    for case in CASES:
        if "says" in case and case.get("envoy") == "ok":
            by_name = case["says"].endswith("is not supported yet")
            assert by_name != ("differs" in case), case
            assert by_name or f"| `{case['differs']}` |" in document, case


def test_every_checked_field_is_refused_somewhere() -> None:
    """A field that is only looked into must have a case in which that look finds something."""
    paths = " ".join(path_of(case) for case in CASES)
    steps = set(paths.replace("[", ".").replace('"', ".").replace(" ", ".").split("."))
    unchecked = [
        f"{declared.message}: {name}"
        for declared in DECLARED.values()
        for name in declared.checked
        if name not in steps
    ]
    assert not unchecked
