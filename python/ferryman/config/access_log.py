"""Access logs: where lines go, how they look, and when.

Owns AccessLog, the file, stdout and stderr loggers, and the options that say when a line is due. Which
requests are logged is `access_log_filter.py`, how lines look `substitution_format.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from ferryman.api.schema import new_message
from ferryman.config import model
from ferryman.config.access_log_filter import lower_access_log_filter
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.format import DEFAULT_TEXT, lower_format, lower_json_format
from ferryman.config.problems import Problems
from ferryman.config.substitution_format import SUBSTITUTION_FORMAT, LogFormat, lower_substitution_format

Sink = model.FileSink | model.StdoutSink | model.StderrSink

_ACCESS_LOG = Fields(
    "envoy.config.accesslog.v3.AccessLog",
    "filter typed_config",
    no_effect={"name": "the type of typed_config says which logger it is"},
)
_FILE = Fields(
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "path format json_format typed_json_format log_format",
)
_STDOUT = Fields("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", "log_format")
_STDERR = Fields("envoy.extensions.access_loggers.stream.v3.StderrAccessLog", "log_format")

_OLDER_EVENTS: Final = frozenset(
    ("access_log_flush_interval", "flush_access_log_on_new_request", "flush_access_log_on_connected")
)
_ON_START: Final = ("flush_access_log_on_new_request", "flush_access_log_on_start")
_ON_CONNECTED: Final = ("flush_access_log_on_connected", "flush_log_on_tunnel_successfully_established")


def lower_access_logs(cursor: Cursor, field: str = "access_log") -> list[model.AccessLog]:
    """The access logs in a repeated field."""
    lowered = [_lower_access_log(item) for item in cursor.items(field)]
    return [log for log in lowered if log is not None]


def lower_access_log_events(cursor: Cursor, fields: dict[str, Any], options: Fields) -> model.AccessLogEvents:
    """When lines are written beside the end, for a filter whose `access_log_options` are such.

    `fields` may hold the older fields instead, which stand beside `access_log_options`.
    """
    older = _OLDER_EVENTS.intersection(fields)
    if "access_log_options" in fields:
        for name in sorted(older):
            cursor.problem(f"{name} and access_log_options cannot both be set", "remove it", name)
        cursor = cursor.child("access_log_options")
        fields = options.read(cursor)
    interval = "access_log_flush_interval"
    return model.AccessLogEvents(
        on_start=any(fields.get(name, False) for name in _ON_START),
        on_connected=any(fields.get(name, False) for name in _ON_CONNECTED),
        flush_interval_ms=milliseconds(cursor, interval, fields, 0) if interval in fields else None,
    )


def check_log_path(cursor: Cursor, path: str, field: str) -> None:
    """Report a log file that cannot be opened; nothing is created by asking."""
    folder = os.path.dirname(path) or "."
    if not path:
        return
    if os.path.isdir(path):
        cursor.problem(f"cannot open {path}: it is a folder", field=field)
    elif not os.path.isdir(folder):
        cursor.problem(f"cannot open {path}: there is no folder {folder}", field=field)
    elif len(os.fsencode(os.path.basename(path))) > os.pathconf(folder, "PC_NAME_MAX"):
        cursor.problem(f"cannot open {path}: the name is too long", field=field)
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        cursor.problem(f"cannot open {path}: permission denied", field=field)


def lower_file_log(cursor: Cursor, path: str, field: str) -> model.AccessLog:
    """A log file in the default format, as the admin's `access_log_path` asks for."""
    check_log_path(cursor, path, field)
    return model.AccessLog(sink=model.FileSink(path=path), format=_default_format(), filter=None)


def _lower_access_log(cursor: Cursor) -> model.AccessLog | None:
    fields = _ACCESS_LOG.read(cursor)
    log_filter = lower_access_log_filter(cursor.child("filter")) if "filter" in fields else None
    opened = open_extension(cursor, "envoy.access_loggers", BUILT)
    if opened is None:
        return None
    inner, lower = opened
    sink, log_format = lower(inner)
    return model.AccessLog(sink=sink, format=log_format, filter=log_filter)


def _lower_file(cursor: Cursor) -> tuple[Sink, LogFormat]:
    fields = _FILE.read(cursor)
    sink = model.FileSink(path=fields.get("path", ""))
    check_log_path(cursor, sink.path, "path")
    for name in ("json_format", "typed_json_format"):
        if name in fields:
            root = lower_json_format(cursor, fields[name], name)
            return sink, model.JsonLog(root=root, omit_empty_values=False)
    if fields.get("format"):
        text = lower_format(cursor, fields["format"], "format")
        return sink, model.TextLog(format=text, omit_empty_values=False)
    return sink, _log_format(cursor, fields)


def _lower_stdout(cursor: Cursor) -> tuple[Sink, LogFormat]:
    return model.StdoutSink(), _log_format(cursor, _STDOUT.read(cursor))


def _lower_stderr(cursor: Cursor) -> tuple[Sink, LogFormat]:
    return model.StderrSink(), _log_format(cursor, _STDERR.read(cursor))


BUILT: Final[Mapping[str, Callable[[Any], tuple[Sink, LogFormat]]]] = {
    _FILE.message: _lower_file,
    _STDOUT.message: _lower_stdout,
    _STDERR.message: _lower_stderr,
}
"""The access loggers that are built, by the type of their configuration."""


def _log_format(cursor: Cursor, fields: dict[str, Any]) -> LogFormat:
    return (
        lower_substitution_format(cursor.child("log_format")) if "log_format" in fields else _default_format()
    )


@cache
def _default_format() -> model.TextLog:
    parts = lower_format(Cursor(new_message(SUBSTITUTION_FORMAT), Problems(), None), DEFAULT_TEXT, None)
    return model.TextLog(format=parts, omit_empty_values=False)
