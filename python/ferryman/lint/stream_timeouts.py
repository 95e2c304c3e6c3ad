"""`stream-timeout`: a route for streams under the default timeout of 15 seconds.

Owns the rule. Follows Envoy's page "How do I configure timeouts?": the time counts from the end of the
request to the end of the response, so a stream of a server is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import HttpConnectionManager, Route, Subject

_GRPC_PACKAGES: Final = ("grpc_web", "grpc_json_transcoder", "connect_grpc_bridge")
_STREAMED: Final = ("application/grpc", "text/event-stream", "application/connect")


def _judge(subject: Subject) -> Iterator[Finding]:
    for route in subject.routes():
        action = route.action
        if action is None or action.has("timeout") or _is_limited_otherwise(action):
            continue
        what = _streams(route)
        if what:
            yield Finding(
                action,
                f"{what}, and the default timeout cuts each response after 15 s",
                "set timeout: 0s, and idle_timeout for streams that hang",
            )


def _is_limited_otherwise(action: Cursor) -> bool:
    """A stream's longest duration takes the place of the timeout."""
    return action.has("max_stream_duration") and action.child("max_stream_duration").has(
        "max_stream_duration"
    )


def _streams(route: Route) -> str:
    """Why the route is one for streams; "" if nothing says so."""
    match = route.cursor.child("match")
    if match.has("grpc"):
        return "the route takes gRPC alone"
    for header in match.items("headers"):
        value = str(header.message).lower()
        if header.get("name").lower() in ("accept", "content-type"):
            streamed = next((kind for kind in _STREAMED if kind in value), None)
            if streamed and not header.get("invert_match"):
                return f"the route takes {streamed} alone"
    manager = route.table.manager
    found = _grpc_filter(manager) if manager is not None else ""
    return f"{found} stands before this route" if found else ""


def _grpc_filter(manager: HttpConnectionManager) -> str:
    for inner in manager.filters():
        package = inner.type_name.split(".")
        for name in _GRPC_PACKAGES:
            if name in package:
                return f"the filter {name}"
    return ""


STREAM_TIMEOUT: Final = Rule(
    "stream-timeout", "a route for streams under the default timeout of 15 seconds", _judge
)
