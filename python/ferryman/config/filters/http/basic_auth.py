"""`envoy.filters.http.basic_auth`: lets in who has a user name and its password.

Owns the reading of user lists in htpasswd's format, with passwords as `{SHA}` digests.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/basic_auth_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.http.basic_auth.v3.BasicAuth"
PER_ROUTE_TYPE: Final = "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute"

_BASIC_AUTH = Fields(
    TYPE, "users forward_username_header authentication_header allow_missing realm emit_dynamic_metadata"
)
_PER_ROUTE = Fields(PER_ROUTE_TYPE, "users realm")

_PREFIX: Final = "{SHA}"
_DIGEST_LENGTH: Final = 28


def lower(cursor: Cursor) -> model.BasicAuth:
    """The filter's configuration."""
    fields = _BASIC_AUTH.read(cursor)
    return model.BasicAuth(
        users=_users(cursor),
        forward_username_header=fields.get("forward_username_header", "").lower() or None,
        authentication_header=fields.get("authentication_header", "").lower() or None,
        allow_missing=fields.get("allow_missing", False),
        realm=fields.get("realm") or None,
        emit_dynamic_metadata=fields.get("emit_dynamic_metadata", False),
    )


def lower_per_route(cursor: Cursor) -> model.BasicAuthPerRoute:
    """What a route says to it."""
    fields: dict[str, Any] = _PER_ROUTE.read(cursor)
    return model.BasicAuthPerRoute(users=_users(cursor), realm=fields.get("realm") or None)


def _users(cursor: Cursor) -> list[tuple[str, str]]:
    """Names and digests. No problem quotes a line: each holds a secret."""
    text = (read_data_source(cursor.child("users")) or b"").decode("utf-8", "replace")
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, colon, digest = entry.partition(":")
        if not colon or not name or not digest:
            _refuse(cursor, number, "must be `name:{SHA}digest`")
        elif name in users:
            _refuse(cursor, number, "repeats a user name")
        elif not digest.startswith(_PREFIX):
            _refuse(cursor, number, "must have a {SHA} digest")
        elif len(digest) != len(_PREFIX) + _DIGEST_LENGTH:
            _refuse(cursor, number, "has a {SHA} digest of the wrong length")
        else:
            users[name] = digest.removeprefix(_PREFIX)
    return list(users.items())


def _refuse(cursor: Cursor, number: int, text: str) -> None:
    cursor.problem(f"line {number} of the users {text}", "htpasswd -s makes such lines", "users")
