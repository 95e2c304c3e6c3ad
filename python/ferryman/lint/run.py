"""One file through all rules.

Owns reading the file, which findings are silenced, and how a finding becomes a problem. What the problems
look like is the business of `config/report.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from ferryman.config.collector import collector_paused
from ferryman.config.parse import parse_bootstrap, parse_message
from ferryman.config.problems import Problem, Problems, Severity
from ferryman.config.source import Source
from ferryman.lint.rule import Finding, Rule
from ferryman.lint.rules import RULES
from ferryman.lint.subject import Subject

_RESOURCES: Final = "envoy.service.discovery.v3.DiscoveryResponse"
_SILENCED: Final = re.compile(r"#\s*lint:\s*ignore\s+([a-z0-9\-, ]+)")
UNREADABLE: Final = frozenset({"syntax", "empty", "too-deep"})
"""Errors that leave nothing to judge; all others are `ferryman check`'s business."""


def lint(source: Source, ignore: Collection[str] = ()) -> Problems:
    """What all rules but the ignored ones find in a file; errors only if it cannot be read at all."""
    with collector_paused():
        read = Problems(allow_unknown=True)
        if _is_delivered(source):
            cursor, _ = parse_message(source, _RESOURCES, problems=read)
        else:
            cursor, read = parse_bootstrap([source], allow_unknown=True)
        found = Problems()
        found.files = [source.name]
        for problem in read.errors:
            if problem.code in UNREADABLE:
                found.add(problem)
        if found.has_errors:
            return found
        is_unread = any(problem.code == "unknown-type" for problem in read.errors)
        subject = Subject(cursor, is_unread=is_unread or read.unknown_fields > 0)
        for rule in RULES:
            if rule.id not in ignore:
                for finding in rule.judge(subject):
                    _add(found, rule, finding)
        return found


def _is_delivered(source: Source) -> bool:
    if source.format in ("pb", "pb_text"):
        return False
    tree, readable = source.tree(Problems())
    return readable and isinstance(tree, dict) and "resources" in tree and "static_resources" not in tree


def _add(found: Problems, rule: Rule, finding: Finding) -> None:
    cursor = finding.cursor
    path = cursor.path
    if finding.field is not None:
        path = (*path, finding.field) if finding.item is None else (*path, finding.field, finding.item)
    hint = f"{finding.hint}; see {rule.link}"
    problem = Problem(rule.id, Severity.WARNING, finding.text, path, hint, cursor.origin)
    silenced = _SILENCED.search(problem.place.excerpt)
    if silenced is None or rule.id not in re.split(r"[, ]+", silenced[1]):
        found.add(problem)


def is_known(rule_id: str) -> bool:
    """Whether there is a rule of that name."""
    return any(rule.id == rule_id for rule in RULES)


__all__ = ["RULES", "is_known", "lint"]
