"""docs/lint.md: a section for each rule, whose examples do what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from config.small_bootstrap import bootstrap
from ferryman.config.source import Source
from ferryman.lint.run import RULES, lint

TEXT = (Path(__file__).parents[2] / "docs" / "lint.md").read_text()
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", TEXT, re.M | re.S))
BLOCK = re.compile(r"```yaml\n# (\w+): (bites|mended)\n(.*?)```", re.S)
BLOCKS = [
    pytest.param(rule, place, kind, text, id=f"{rule}-{kind}")
    for rule, section in SECTIONS.items()
    for place, kind, text in BLOCK.findall(section)
]


def found_in(changes: Mapping[str, Mapping[str, Any]]) -> set[str]:
    problems = lint(Source.from_text(bootstrap(changes), "e.json", "json"))
    assert not problems.has_errors, str(problems)
    return {problem.code for problem in problems}


def test_every_rule_has_its_section_and_no_other() -> None:
    assert [rule.id for rule in RULES] == list(SECTIONS)


def test_every_section_bites_and_is_mended() -> None:
    for rule, section in SECTIONS.items():
        assert [kind for _, kind, _ in BLOCK.findall(section)] == ["bites", "mended"], rule


@pytest.mark.parametrize(("rule", "place", "kind", "text"), BLOCKS)
def test_a_block(rule: str, place: str, kind: str, text: str) -> None:
    laid = yaml.safe_load(text)
    found = found_in(laid if place == "several" else {place: laid})
    if kind == "bites":
        assert rule in found
    else:
        assert not found, "what is mended has no other problem"
