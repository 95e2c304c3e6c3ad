"""`deprecated`: fields and values that Envoy is going to drop.

Owns the rule; which fields they are stands in the schema, and `config/rules.py` finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.config.cursor import Cursor
from ferryman.config.problems import Problems
from ferryman.config.rules import check_rules
from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.lint.subject import Subject


def _judge(subject: Subject) -> Iterator[Finding]:
    noted = Problems()
    root = subject.root
    check_rules(Cursor(root.message, noted, root.origin))
    for problem in noted:
        if problem.code == "deprecated":
            *above, name = problem.path
            here = root.below(root.message, *above)
            yield Finding(here, problem.text, "its documentation names what takes its place", str(name))


DEPRECATED: Final = Rule("deprecated", "a field or value that Envoy is going to drop", _judge)
