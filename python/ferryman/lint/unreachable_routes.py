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

_PATHS: Final = ("prefix", "path", "path_separated_prefix")
_PATH_ONLY: Final = frozenset({*_PATHS, "safe_regex", "case_sensitive"})
_EVERY_REGEX: Final = frozenset({".*", "/.*", "^.*$", "^/.*$", ".+", "/.*$", "^/.*"})


class _Earlier:
    """The matches before a route, by what they take: found in time that does not grow with their number."""

    def __init__(self) -> None:
        self._every: int | None = None
        """The first that takes every path."""
        self._same: dict[bytes, int] = {}
        self._paths: dict[tuple[str, bool, str], int] = {}
        """Matches by nothing but a path: its kind, whether case matters, and the path."""

    def add(self, match: Cursor, index: int) -> None:
        """Note a route's match."""
        if match.which("path_specifier") and not match.has("runtime_fraction"):
            self._same.setdefault(_identity(match), index)
        if not _PATH_ONLY.issuperset(match.fields_set()):
            return
        kind = match.which("path_specifier") or ""
        if _takes_every_path(match):
            self._every = index if self._every is None else self._every
        elif kind in _PATHS:
            sensitive = match.wrapped("case_sensitive") is not False
            path = match.get(kind) if sensitive else match.get(kind).lower()
            self._paths.setdefault((kind, sensitive, path), index)

    def find(self, match: Cursor) -> int | None:
        """The index of a match before that takes all that this one takes, as far as that can be told."""
        same = self._same.get(_identity(match))
        kind = match.which("path_specifier")
        # CONNECT has no path that a prefix could match.
        if same is not None or kind in (None, "connect_matcher"):
            return same
        if self._every is not None:
            return self._every
        return self._find_path(str(kind), match) if kind in _PATHS else None

    def _find_path(self, kind: str, match: Cursor) -> int | None:
        path = match.get(kind)
        found = self._covering(kind, False, path.lower())
        if found is None and match.wrapped("case_sensitive") is not False:
            found = self._covering(kind, True, path)
        return found

    def _covering(self, kind: str, sensitive: bool, path: str) -> int | None:
        for length in range(1, len(path) + 1):
            begin, rest = path[:length], path[length:]
            found = self._paths.get(("prefix", sensitive, begin))
            # The prefix /ab also takes /abc, which the separated prefix /ab does not.
            if found is None and (rest.startswith("/") or (not rest and kind != "prefix")):
                found = self._paths.get(("path_separated_prefix", sensitive, begin))
            if found is not None:
                return found
        return self._paths.get(("path", sensitive, path)) if kind == "path" else None


def _identity(match: Cursor) -> bytes:
    return bytes(match.message.SerializeToString(deterministic=True))


def _takes_every_path(match: Cursor) -> bool:
    if match.which("path_specifier") == "prefix":
        return match.get("prefix") in ("", "/")
    if match.which("path_specifier") == "safe_regex":
        return match.get("safe_regex").regex in _EVERY_REGEX
    return False


def _judge(subject: Subject) -> Iterator[Finding]:
    for table in subject.tables:
        for host in table.cursor.items("virtual_hosts"):
            yield from _of_host(host)


def _of_host(host: Cursor) -> Iterator[Finding]:
    matches = [route.child("match") for route in host.items("routes")]
    earlier = _Earlier()
    for index, (route, match) in enumerate(zip(host.items("routes"), matches, strict=True)):
        before = earlier.find(match)
        if before is not None:
            text = f"no request comes here: routes[{before}] ({_shown(matches[before])}) takes it before"
            yield Finding(route, text, f"move it before routes[{before}], or take it out", "match")
        earlier.add(match, index)


def _shown(match: Cursor) -> str:
    kind = match.which("path_specifier") or ""
    if kind == "safe_regex":
        return f"{kind}: {match.get(kind).regex}"
    return f"{kind}: {match.get(kind)}" if kind in _PATHS else kind


UNREACHABLE_ROUTE: Final = Rule(
    "unreachable-route", "a route that no request comes to, because one before it takes them all", _judge
)
