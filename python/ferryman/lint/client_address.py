"""`client-address-trust`: a decision by the client's address, which the client itself may name.

Owns the rule. Follows Envoy's page "x-forwarded-for": unless `use_remote_address` is set, the address is the
last one in `x-forwarded-for`, whoever has written it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import is_open, short_name, walk

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import HttpConnectionManager, Subject

_EXTERNAL_ONLY: Final = 1


def _judge(subject: Subject) -> Iterator[Finding]:
    for manager in subject.managers:
        cursor = manager.cursor
        if not is_open(manager.listener) or _is_told(cursor):
            continue
        decision = _decision(manager)
        if decision:
            yield Finding(
                cursor,
                f"{decision} looks at the client's address, and any client may name one in x-forwarded-for",
                "set use_remote_address: true at the edge, or xff_num_trusted_hops behind other proxies",
                "http_filters",
            )


def _is_told(manager: Cursor) -> bool:
    return (
        manager.wrapped("use_remote_address") is not None
        or manager.get("xff_num_trusted_hops") > 0
        or manager.has("original_ip_detection_extensions")
    )


def _decision(manager: HttpConnectionManager) -> str:
    """What decides by the client's address; "" if nothing does."""
    for cursor in walk(manager.cursor):
        kind, fields = short_name(cursor), cursor.fields_set()
        if kind == "Principal" and ("remote_ip" in fields or "source_ip" in fields):
            return "rbac"
        if kind == "Action" and ("remote_address" in fields or "masked_remote_address" in fields):
            return "a rate limit"
        if kind == "ConnectionProperties" and cursor.get("source_ip"):
            return "a hash policy"
        if kind == "VirtualHost" and cursor.get("require_tls") == _EXTERNAL_ONLY:
            return "require_tls: EXTERNAL_ONLY"
    return ""


CLIENT_ADDRESS: Final = Rule(
    "client-address-trust", "a decision by the client's address, which the client itself may name", _judge
)
