"""`unreachable-route`: a route that no request comes to, because one before it takes them all.

Owns the rule. Follows Envoy's page "Route matching": the first route that matches is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject

_PATHS: Final = ("prefix", "path", "path_separated_prefix", "safe_regex")
_PATH_ONLY: Final = frozenset({*_PATHS, "case_sensitive"})
_EVERY_REGEX: Final = frozenset({".*", "/.*", "^.*$", "^/.*$", ".+", "/.*$", "^/.*"})


def _judge(subject: Subject) -> Iterator[Finding]:
    for table in subject.tables:
        for host in table.cursor.items("virtual_hosts"):
            yield from _of_host(host)


def _of_host(host: Cursor) -> Iterator[Finding]:
    before: list[Cursor] = []
    for route in host.items("routes"):
        match = route.child("match")
        for earlier, other in enumerate(before):
            if covers(other, match):
                what = _shown(other)
                text = f"no request comes here: routes[{earlier}] ({what}) takes it before"
                yield Finding(route, text, f"move it before routes[{earlier}], or take it out", "match")
                break
        before.append(match)


def _shown(match: Cursor) -> str:
    kind = match.which("path_specifier") or ""
    value = match.get(kind)
    return f"{kind}: {value.regex if kind == 'safe_regex' else value}" if kind in _PATHS else kind


def covers(earlier: Cursor, later: Cursor) -> bool:
    """Whether every request that `later` matches is matched by `earlier` too, for all that can be told."""
    if earlier.message == later.message and earlier.which("path_specifier"):
        return not earlier.has("runtime_fraction")
    if not _PATH_ONLY.issuperset(earlier.fields_set()):
        return False
    # CONNECT has no path that a prefix could match.
    if later.which("path_specifier") in (None, "connect_matcher"):
        return False
    if _takes_every_path(earlier):
        return True
    kind = later.which("path_specifier")
    if kind not in ("prefix", "path", "path_separated_prefix"):
        return False
    path = later.get(kind)
    if earlier.wrapped("case_sensitive") is False:
        path = path.lower()
    elif later.wrapped("case_sensitive") is False:
        return False
    return _covers_path(earlier, str(kind), path)


def _takes_every_path(match: Cursor) -> bool:
    if match.which("path_specifier") == "prefix":
        return match.get("prefix") in ("", "/")
    if match.which("path_specifier") == "safe_regex":
        return match.get("safe_regex").regex in _EVERY_REGEX
    return False


def _covers_path(earlier: Cursor, kind: str, path: str) -> bool:
    lower = earlier.wrapped("case_sensitive") is False
    own = earlier.which("path_specifier")
    mine = earlier.get(own) if own in ("prefix", "path", "path_separated_prefix") else ""
    mine = mine.lower() if lower else mine
    if own == "prefix":
        return bool(path.startswith(mine))
    if own == "path":
        return kind == "path" and path == mine
    if own == "path_separated_prefix":
        inside = path == mine or path.startswith(f"{mine}/")
        # The prefix /ab also takes /abc, which the separated prefix /ab does not.
        return inside and (kind != "prefix" or path.startswith(f"{mine}/"))
    return False


UNREACHABLE_ROUTE: Final = Rule(
    "unreachable-route", "a route that no request comes to, because one before it takes them all", _judge
)
