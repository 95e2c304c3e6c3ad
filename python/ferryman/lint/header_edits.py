"""`header-edits`: edits of headers that undo each other.

Owns the rule. Follows Envoy's page "Custom request/response headers": on each level headers are removed
first, then added; the levels go from the weighted cluster to the route, the virtual host and the route
configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject, Table

_APPEND, _IF_ABSENT, _OVERWRITE = 0, 1, 2
_SIDES: Final = ("request", "response")


def _judge(subject: Subject) -> Iterator[Finding]:
    for table in subject.tables:
        for level in _levels(table):
            for side in _SIDES:
                yield from _within(level, f"{side}_headers_to_add")
        if not table.cursor.get("most_specific_header_mutations_wins"):
            yield from _across(table)


def _levels(table: Table) -> Iterator[Cursor]:
    yield table.cursor
    for host in table.cursor.items("virtual_hosts"):
        yield host
        for route in host.items("routes"):
            yield route
            yield from route.child("route").child("weighted_clusters").items("clusters")


def _action(option: Cursor) -> int:
    """What an edit does about a header that is there: the older `append` says it too."""
    append = option.wrapped("append")
    return int(option.get("append_action")) if append is None else (_APPEND if append else _OVERWRITE)


def _within(level: Cursor, field: str) -> Iterator[Finding]:
    before: dict[str, Cursor] = {}
    for option in level.items(field):
        header = option.child("header")
        name = header.get("key").lower()
        former = before.get(name)
        if former is not None:
            if _action(option) == _OVERWRITE:
                text = f"`{name}` is set again here, so the edit before it has no effect"
                yield Finding(option, text, "keep one of the two")
            elif _action(option) == _IF_ABSENT and not former.get("keep_empty_value"):
                text = f"`{name}` is there after the edit before it, so this one has no effect"
                yield Finding(option, text, "keep one of the two")
            elif former.child("header").get("value") == header.get("value"):
                text = f"`{name}` is added twice with the same value"
                yield Finding(option, text, "keep one of the two")
        before[name] = option


def _across(table: Table) -> Iterator[Finding]:
    """What a route adds and a level around it removes: that comes later."""
    for host in table.cursor.items("virtual_hosts"):
        for side in _SIDES:
            removed = {
                name.lower()
                for level in (table.cursor, host)
                for name in level.get(f"{side}_headers_to_remove")
            }
            for route in host.items("routes"):
                for option in route.items(f"{side}_headers_to_add"):
                    name = option.child("header").get("key").lower()
                    if name in removed:
                        text = f"`{name}` is added here, and then removed again by what is around the route"
                        hint = "remove it on the route, or set most_specific_header_mutations_wins"
                        yield Finding(option, text, hint)


HEADER_EDITS: Final = Rule("header-edits", "edits of headers that undo each other", _judge)
