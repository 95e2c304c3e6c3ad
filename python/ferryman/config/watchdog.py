"""The watchdog: how long a thread may be stuck, and what follows.

Owns Watchdog, Watchdogs and their actions.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto#config-bootstrap-v3-watchdog
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_WATCHDOGS = Fields("envoy.config.bootstrap.v3.Watchdogs", "main_thread_watchdog worker_watchdog")
_WATCHDOG = Fields(
    "envoy.config.bootstrap.v3.Watchdog",
    "miss_timeout megamiss_timeout kill_timeout max_kill_timeout_jitter multikill_timeout"
    " multikill_threshold actions",
)
_ACTION = Fields("envoy.config.bootstrap.v3.Watchdog.WatchdogAction", "config event")
_CONFIG = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "the type of typed_config says which action it is"},
    where="a watchdog",
)
_ABORT = Fields(
    "envoy.watchdog.v3.AbortActionConfig",
    no_effect={"wait_duration": "the process ends at once"},
)
WATCHDOG_ACTIONS: Final = {_ABORT.message: _ABORT}
"""What can be done about a stuck thread."""

_MISS_MS: Final = 200
_MEGAMISS_MS: Final = 1000
_EVENTS: Final = ("unknown", "kill", "multikill", "megamiss", "miss")


def lower_watchdogs(cursor: Cursor) -> tuple[model.Watchdog, model.Watchdog]:
    """That of the main thread and that of the workers. The cursor stands on the Bootstrap."""
    fields = cursor.fields_set()
    if "watchdog" in fields and "watchdogs" in fields:
        cursor.problem("watchdog and watchdogs cannot both be set", "remove watchdog", "watchdog")
    if "watchdog" in fields:
        both = _lower_watchdog(cursor.child("watchdog"))
        return both, both
    each = cursor.child("watchdogs")
    _WATCHDOGS.read(each)
    return (
        _lower_watchdog(each.child("main_thread_watchdog")),
        _lower_watchdog(each.child("worker_watchdog")),
    )


def _lower_watchdog(cursor: Cursor) -> model.Watchdog:
    fields = _WATCHDOG.read(cursor)
    threshold = fields.get("multikill_threshold")
    events = [_lower_action(item) for item in cursor.items("actions")]
    return model.Watchdog(
        miss_timeout_ms=milliseconds(cursor, "miss_timeout", fields, _MISS_MS),
        megamiss_timeout_ms=milliseconds(cursor, "megamiss_timeout", fields, _MEGAMISS_MS),
        kill_timeout_ms=milliseconds(cursor, "kill_timeout", fields, 0) or None,
        max_kill_timeout_jitter_ms=milliseconds(cursor, "max_kill_timeout_jitter", fields, 0),
        multikill_timeout_ms=milliseconds(cursor, "multikill_timeout", fields, 0) or None,
        multikill_threshold=0.0 if threshold is None else threshold.value,
        aborts_on_miss="miss" in events,
        aborts_on_megamiss="megamiss" in events,
    )


def _lower_action(cursor: Cursor) -> str:
    """The event at which the process is to be aborted; at `kill` and `multikill` it is in any case."""
    fields = _ACTION.read(cursor)
    config = cursor.child("config")
    _CONFIG.read(config)
    opened = open_extension(config, "envoy.guarddog_actions", WATCHDOG_ACTIONS)
    if opened is not None:
        opened[1].read(opened[0])
    return _EVENTS[fields.get("event", 0)]
