"""`upgrade-idle-timeout` and `idle-timeout-off`: connections that end too early, or never.

Owns both rules. Follows Envoy's pages "How do I configure timeouts?" and "HTTP upgrades":
`stream_idle_timeout` is 5 minutes unless it is set, and counts for a WebSocket too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import chains_of, network_filters, seconds, short_name

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Route, Subject


def _judge_upgrades(subject: Subject) -> Iterator[Finding]:
    for route in subject.routes():
        manager, action = route.table.manager, route.action
        if action is None or action.has("idle_timeout"):
            continue
        if manager is not None and manager.cursor.has("stream_idle_timeout"):
            continue
        upgrade = _upgrade(route)
        if upgrade:
            yield Finding(
                action,
                f"a {upgrade} connection on which nothing moves for 5 minutes is closed",
                "set the route's idle_timeout (0s: never), or send pings more often than that",
            )


def _upgrade(route: Route) -> str:
    """The protocol that the route lets a client change to; "" if there is none, or it is only one of many."""
    action = route.action
    own = action.items("upgrade_configs") if action is not None else []
    for item in own:
        if item.wrapped("enabled") is not False:
            return str(item.get("upgrade_type"))
    manager = route.table.manager
    if own or manager is None:
        return ""
    # What the connection manager lets every route do.
    for item in manager.cursor.items("upgrade_configs"):
        if item.wrapped("enabled") is not False:
            return str(item.get("upgrade_type"))
    return ""


def _judge_off(subject: Subject) -> Iterator[Finding]:
    for manager in subject.managers:
        options = manager.cursor.child("common_http_protocol_options")
        if seconds(options, "idle_timeout") == 0 and not seconds(options, "max_connection_duration"):
            text = "a client that leaves without a word keeps its connection open for ever"
            yield Finding(options, text, "set idle_timeout, or max_connection_duration", "idle_timeout")
        if seconds(manager.cursor, "stream_idle_timeout") == 0 and not _streams_are_limited(manager.cursor):
            text = "a request or response that stops in the middle is kept for ever"
            hint = "set stream_idle_timeout, and idle_timeout: 0s on the routes that need it"
            yield Finding(manager.cursor, text, hint, "stream_idle_timeout")
    for listener in subject.listeners:
        for chain in chains_of(listener):
            for inner in network_filters(chain):
                limited = ("max_downstream_connection_duration",)
                if short_name(inner) != "TcpProxy" or any(inner.has(field) for field in limited):
                    continue
                if seconds(inner, "idle_timeout") == 0:
                    text = "a peer that leaves without a word keeps both connections open for ever"
                    yield Finding(inner, text, "set idle_timeout (1h is the default)", "idle_timeout")


def _streams_are_limited(manager: Cursor) -> bool:
    options = manager.child("common_http_protocol_options")
    return bool(seconds(options, "max_stream_duration") or seconds(options, "max_connection_duration"))


UPGRADE_IDLE_TIMEOUT: Final = Rule(
    "upgrade-idle-timeout", "WebSockets and the like under the idle timeout of 5 minutes", _judge_upgrades
)
IDLE_TIMEOUT_OFF: Final = Rule("idle-timeout-off", "connections that nothing ever ends", _judge_off)
