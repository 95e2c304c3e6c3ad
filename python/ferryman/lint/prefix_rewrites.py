"""`prefix-rewrite-slash`: a rewrite that doubles a slash or glues two segments together.

Owns the rule. Follows envoy.config.route.v3.RouteAction.prefix_rewrite: what matched is replaced, the rest of
the path is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject


def _judge(subject: Subject) -> Iterator[Finding]:
    for route in subject.routes():
        match = route.cursor.child("match")
        prefix = match.get("prefix")
        for holder in (route.cursor.child("route"), route.cursor.child("redirect")):
            rewrite = holder.get("prefix_rewrite")
            if len(prefix) > 1 and rewrite and prefix.endswith("/") != rewrite.endswith("/"):
                yield _finding(holder, prefix, rewrite)


def _finding(holder: Cursor, prefix: str, rewrite: str) -> Finding:
    asked = f"{prefix.rstrip('/')}/users"
    becomes = rewrite + asked.removeprefix(prefix)
    hint = "end both with a slash, or neither, or match with path_separated_prefix and regex_rewrite"
    return Finding(holder, f"`{asked}` becomes `{becomes}`", hint, "prefix_rewrite")


PREFIX_REWRITE: Final = Rule(
    "prefix-rewrite-slash", "a rewrite that doubles a slash or glues two segments together", _judge
)
