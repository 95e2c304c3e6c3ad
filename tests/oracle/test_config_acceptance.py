"""What Envoy takes for a configuration and what it refuses: text, values and the rules of the schema."""

from __future__ import annotations

import json
import os
import re

import pytest
from ferryman.config.parse import check_rules, parse_bootstrap
from ferryman.config.problems import Problems
from ferryman.config.source import Format, Source

from oracle.config_snippets import DIFFERENT, JSON, YAML
from oracle.known_differences import DOCUMENT
from oracle.rule_cases import all_cases
from oracle.validation import validate_all

pytestmark = pytest.mark.oracle

GROUPS = [("yaml", name) for name in YAML] + [("json", name) for name in JSON]
EVERY = int(os.environ.get("ORACLE_EVERY", "9"))
"""Of the 2,700 edges of rules every so many-th is tried; 1 tries all, which takes two minutes."""


def judge(text: str, format: Format) -> Problems:
    cursor, problems = parse_bootstrap([Source("f", text, format)])
    check_rules(cursor)
    return problems


@pytest.mark.parametrize(("format", "group"), GROUPS)
def test_the_same_texts_are_accepted(format: Format, group: str) -> None:
    texts = (YAML if format == "yaml" else JSON)[group]
    wrong = []
    for text, envoy in zip(texts, validate_all(texts, f".{format}"), strict=True):
        problems = judge(text, format)
        same = (envoy.accepted or envoy.is_about_resources) == (not problems.has_errors)
        if same == (text in DIFFERENT):
            wrong.append(f"{text!r}\n  Envoy: {envoy.text or 'accepted'}\n  ours: {problems or 'accepted'}")
    assert not wrong, "\n".join(wrong)


def test_every_difference_is_documented() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    section = document.partition("## Reading configuration\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \*\*([a-z0-9-]+)\*\* \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(set(DIFFERENT.values()))


@pytest.mark.timeout(600)
def test_the_rules_of_the_schema_refuse_the_same() -> None:
    cases = list(all_cases())
    assert len(cases) > 2500
    chosen = cases[::EVERY]
    texts = [json.dumps(tree) for _, tree in chosen]
    wrong = []
    for (name, _), text, envoy in zip(chosen, texts, validate_all(texts, ".json"), strict=True):
        problems = judge(text, "json")
        # Lowering refuses negative durations, as Envoy does where it uses them.
        if "Invalid duration" in envoy.text:
            continue
        broken = any(problem.code in ("rule", "required", "deprecated") for problem in problems.errors)
        if envoy.is_rule != broken or (envoy.accepted and problems.has_errors):
            wrong.append(
                f"{name}\n  Envoy: {envoy.text[-300:] or 'accepted'}\n  ours: {problems or 'accepted'}"
            )
    assert not wrong, "\n".join(wrong)
