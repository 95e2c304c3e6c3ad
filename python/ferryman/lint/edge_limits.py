"""`edge-limits`: a listener for unknown clients without the limits that Envoy's documentation asks for.

Owns the rule. Follows Envoy's page "Configuring Envoy as an edge proxy".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import chains_of, network_filters, seconds, short_name

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import HttpConnectionManager, Subject

_GLOBAL_LIMIT: Final = "envoy.resource_monitors.global_downstream_max_connections"
_GLOBAL_KEY: Final = "overload.global_downstream_max_connections"


def _judge(subject: Subject) -> Iterator[Finding]:
    is_limited = _has_global_limit(subject)
    judged = set()
    for manager in subject.managers:
        if not manager.is_edge or manager.listener.path in judged:
            continue
        judged.add(manager.listener.path)
        missing = list(_missing(manager, subject, is_limited))
        if missing:
            yield Finding(
                manager.listener,
                "open to unknown clients without " + ", ".join(missing),
                "set them, so that no client can use up memory, descriptors or time",
                "address",
            )


def _missing(manager: HttpConnectionManager, subject: Subject, is_limited: bool) -> Iterator[str]:
    listener = manager.listener
    if subject.is_bootstrap and not (is_limited or _has_own_limit(subject, listener)):
        yield "a limit of connections (resource monitor global_downstream_max_connections)"
    if not listener.has("per_connection_buffer_limit_bytes"):
        yield "per_connection_buffer_limit_bytes (1 MiB unless set)"
    options = manager.cursor.child("common_http_protocol_options")
    limits = [seconds(manager.cursor, name) for name in ("request_headers_timeout", "request_timeout")]
    if not any(limits) and not seconds(options, "max_stream_duration"):
        yield "request_headers_timeout"


def _has_global_limit(subject: Subject) -> bool:
    if not subject.is_bootstrap:
        return False
    monitors = subject.root.child("overload_manager").items("resource_monitors")
    return any(item.get("name") == _GLOBAL_LIMIT for item in monitors) or _has_runtime(subject, _GLOBAL_KEY)


def _has_own_limit(subject: Subject, listener: Cursor) -> bool:
    if _has_runtime(subject, f"envoy.resource_limits.listener.{listener.get('name')}.connection_limit"):
        return True
    filters = [inner for chain in chains_of(listener) for inner in network_filters(chain)]
    return any(short_name(inner) == "ConnectionLimit" for inner in filters)


def _has_runtime(subject: Subject, key: str) -> bool:
    for layer in subject.root.child("layered_runtime").items("layers"):
        fields = layer.get("static_layer").fields
        for part in key.split("."):
            if key in fields:
                return True
            if part not in fields:
                break
            fields, key = fields[part].struct_value.fields, key.removeprefix(f"{part}.")
    return False


EDGE_LIMITS: Final = Rule("edge-limits", "a listener for unknown clients without limits", _judge)
