"""`path-normalization`: access that is decided by a path which is not normalized.

Owns the rule. Follows Envoy's page "Configuring Envoy as an edge proxy" and advisory CVE-2019-9901:
`/public/../admin` begins with `/public`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import short_name, walk

if TYPE_CHECKING:
    from ferryman.lint.subject import HttpConnectionManager, Subject

_GUARDS: Final = ("ext_authz", "rbac", "jwt_authn", "basic_auth", "oauth2", "api_key_auth")


def _judge(subject: Subject) -> Iterator[Finding]:
    for manager in subject.managers:
        if manager.cursor.wrapped("normalize_path") is not None:
            continue
        decision = _decision(manager)
        if decision:
            yield Finding(
                manager.cursor,
                f"{decision} decides by the path, which is not normalized: `/a/../b` begins with `/a`",
                "set normalize_path: true, merge_slashes: true and path_with_escaped_slashes_action",
                "http_filters",
            )


def _decision(manager: HttpConnectionManager) -> str:
    """What decides about access by the path; "" if nothing does."""
    for inner in manager.filters():
        if "rbac" in inner.type_name.split(".") and any(
            "url_path" in cursor.fields_set() or _is_path_header(cursor.message) for cursor in walk(inner)
        ):
            return "rbac"
        if short_name(inner) == "JwtAuthentication" and len(inner.items("rules")) > 1:
            return "jwt_authn"
    for cursor in walk(manager.cursor):
        if short_name(cursor) != "Route" or cursor.child("match").get("prefix") in ("", "/"):
            continue
        for name, entry in cursor.map_items("typed_per_filter_config"):
            guard = next((guard for guard in _GUARDS if guard in name), None)
            config = entry.unpack() if guard else None
            if guard and config is not None and getattr(config.message, "disabled", False):
                return f"the route that switches {guard} off"
    return ""


def _is_path_header(message: object) -> bool:
    return getattr(message, "name", "") == ":path"


PATH_NORMALIZATION: Final = Rule(
    "path-normalization", "access that is decided by a path which is not normalized", _judge
)
