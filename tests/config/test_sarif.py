"""`check --format sarif`: what OASIS SARIF 2.1.0 demands of a log, for every object that is written."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ferryman.config import report
from ferryman.config.pipeline import check_bootstrap
from ferryman.config.problems import Place, Problem, Problems, Severity
from ferryman.config.source import Source

REQUIRED = {
    "log": {"version", "runs"},
    "run": {"tool"},
    "tool": {"driver"},
    "driver": {"name"},
    "rule": {"id"},
    "result": {"message"},
    "message": {"text"},
    "location": set(),
    "physicalLocation": set(),
    "artifactLocation": set(),
    "region": set(),
}
"""Sections 3.13, 3.14, 3.18, 3.19, 3.27, 3.11, 3.28, 3.29, 3.4, 3.30 and 3.49."""
ALLOWED = {
    "log": {"$schema"},
    "run": {"columnKind", "results"},
    "tool": set(),
    "driver": {"version", "informationUri", "rules"},
    "rule": {"help", "shortDescription"},
    "result": {"ruleId", "level", "locations"},
    "message": set(),
    "location": {"physicalLocation"},
    "physicalLocation": {"artifactLocation", "region"},
    "artifactLocation": {"uri"},
    "region": {"startLine", "startColumn"},
}
KIND_OF = {"runs": "run", "rules": "rule", "results": "result", "locations": "location",
           "shortDescription": "message", "help": "message"}  # fmt: skip
URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")


def hold_to_the_standard(value: dict[str, Any], kind: str) -> None:
    assert value.keys() >= REQUIRED[kind], kind
    assert value.keys() <= REQUIRED[kind] | ALLOWED[kind], kind
    for name, inner in value.items():
        if isinstance(inner, dict):
            hold_to_the_standard(inner, KIND_OF.get(name, name))
        elif isinstance(inner, list):
            for item in inner:
                hold_to_the_standard(item, KIND_OF[name])


def log_of(problems: Problems) -> dict[str, Any]:
    meanings = {"a": ("what a means", "docs/a.md#a")}
    log: dict[str, Any] = json.loads(report.as_sarif(list(problems), "1.2.3", meanings))
    return log


def odd_ones() -> Problems:
    problems = Problems()
    problems.add(Problem("a", Severity.WARNING, "says \u2028 \x00", _place=Place("ü b%<>.yaml", 1, 0)))
    problems.add(Problem("a", Severity.ERROR, "has no place"))
    problems.add(Problem("b", Severity.ERROR, "has no line", _place=Place("C:\\x.pb")))
    return problems


WRONG = "static_resources:\n  clusters: [{name: 1}, {nam: x}]\nbogus: 1\nnode: {id: a}\nnode: {id: b}\n"


@pytest.mark.parametrize(
    "problems",
    [Problems(), odd_ones(), check_bootstrap([Source.from_text(WRONG, "a.yaml")])],
    ids=["none", "odd", "real"],
)
def test_a_log_is_what_the_standard_demands(problems: Problems) -> None:
    log = log_of(problems)
    hold_to_the_standard(log, "log")
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    rules = [rule["id"] for rule in run["tool"]["driver"].get("rules", [])]
    assert len(rules) == len(set(rules))
    assert len(run["results"]) == len(problems)
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        for location in result["locations"]:
            physical = location["physicalLocation"]
            assert URI_REFERENCE.fullmatch(physical["artifactLocation"]["uri"])
            for position in physical.get("region", {}).values():
                assert position >= 1
