"""Access logs: where lines go, how they look, and which requests are logged.

Owns AccessLog with its filters, the file, stdout and stderr loggers, and SubstitutionFormatString. What a
format string means is `format.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from ferryman.api.schema import new_message
from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.extensions import open_extension, refuse_typed_config
from ferryman.config.fields import Fields, word
from ferryman.config.format import DEFAULT_TEXT, lower_format, lower_json_format
from ferryman.config.matcher import lower_header_matcher
from ferryman.config.problems import Problems

Sink = model.FileSink | model.StdoutSink | model.StderrSink
LogFormat = model.TextLog | model.JsonLog

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
_SUBSTITUTION = Fields(
    "envoy.config.core.v3.SubstitutionFormatString",
    "text_format json_format text_format_source omit_empty_values",
    checked={"formatters": "no extension is built"},
    no_effect={
        "content_type": "access logs have none",
        "json_format_options": "fields are always sorted, as in Envoy 1.40",
    },
)
_FILTER = Fields(
    "envoy.config.accesslog.v3.AccessLogFilter",
    "status_code_filter duration_filter not_health_check_filter and_filter or_filter header_filter"
    " response_flag_filter",
    checked={"extension_filter": "no extension is built"},
)
_STATUS_CODE = Fields("envoy.config.accesslog.v3.StatusCodeFilter", "comparison")
_DURATION = Fields("envoy.config.accesslog.v3.DurationFilter", "comparison")
_COMPARISON = Fields("envoy.config.accesslog.v3.ComparisonFilter", "op value")
_RUNTIME_VALUE = Fields(
    "envoy.config.core.v3.RuntimeUInt32",
    "default_value",
    no_effect={"runtime_key": "there is no runtime that could override the default"},
)
_RESPONSE_FLAG = Fields("envoy.config.accesslog.v3.ResponseFlagFilter", "flags")
_HEADER = Fields("envoy.config.accesslog.v3.HeaderFilter", "header")
_AND = Fields("envoy.config.accesslog.v3.AndFilter", "filters")
_OR = Fields("envoy.config.accesslog.v3.OrFilter", "filters")

_OPS: Final = ("eq", "ge", "le", "ne")


def lower_access_logs(cursor: Cursor, field: str = "access_log") -> list[model.AccessLog]:
    """The access logs in a repeated field."""
    lowered = [_lower_access_log(item) for item in cursor.items(field)]
    return [log for log in lowered if log is not None]


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
    log_filter = _lower_filter(cursor.child("filter")) if "filter" in fields else None
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
    return _lower_substitution(cursor.child("log_format")) if "log_format" in fields else _default_format()


def _lower_substitution(cursor: Cursor) -> LogFormat:
    fields = _SUBSTITUTION.read(cursor)
    for formatter in cursor.items("formatters"):
        refuse_typed_config(formatter, "envoy.formatter")
    omit = fields.get("omit_empty_values", False)
    if "json_format" in fields:
        root = lower_json_format(cursor, fields["json_format"], "json_format")
        return model.JsonLog(root=root, omit_empty_values=omit)
    if "text_format_source" in fields:
        source = cursor.child("text_format_source")
        text = (read_data_source(source) or b"").decode("utf-8", "replace")
        return model.TextLog(format=lower_format(source, text, None), omit_empty_values=omit)
    text = fields.get("text_format", "")
    return model.TextLog(format=lower_format(cursor, text, "text_format"), omit_empty_values=omit)


@cache
def _default_format() -> model.TextLog:
    parts = lower_format(Cursor(new_message(_SUBSTITUTION.message), Problems(), None), DEFAULT_TEXT, None)
    return model.TextLog(format=parts, omit_empty_values=False)


def _lower_filter(cursor: Cursor) -> model.AccessLogFilter | None:
    fields = _FILTER.read(cursor)
    for name, lower in _FILTERS.items():
        if name in fields:
            return lower(cursor.child(name))
    if "extension_filter" in fields:
        refuse_typed_config(cursor.child("extension_filter"), "envoy.access_loggers.extension_filters")
    return None


def _lower_comparison(cursor: Cursor) -> model.Comparison:
    fields = _COMPARISON.read(cursor)
    value = _RUNTIME_VALUE.read(cursor.child("value")).get("default_value", 0) if "value" in fields else 0
    return model.Comparison(op=word(cursor, "op", _OPS), value=value)


def _lower_status_code(cursor: Cursor) -> model.AccessLogFilter:
    _STATUS_CODE.read(cursor)
    return model.StatusCodeFilter(comparison=_lower_comparison(cursor.child("comparison")))


def _lower_duration(cursor: Cursor) -> model.AccessLogFilter:
    _DURATION.read(cursor)
    return model.DurationFilter(comparison=_lower_comparison(cursor.child("comparison")))


def _lower_response_flag(cursor: Cursor) -> model.AccessLogFilter:
    return model.ResponseFlagFilter(flags=list(_RESPONSE_FLAG.read(cursor).get("flags", ())))


def _lower_header(cursor: Cursor) -> model.AccessLogFilter:
    _HEADER.read(cursor)
    return model.HeaderFilter(header=lower_header_matcher(cursor.child("header")))


def _lower_filters(cursor: Cursor) -> list[model.AccessLogFilter]:
    lowered = [_lower_filter(item) for item in cursor.items("filters")]
    return [item for item in lowered if item is not None]


def _lower_and(cursor: Cursor) -> model.AccessLogFilter:
    _AND.read(cursor)
    return model.AndFilter(filters=_lower_filters(cursor))


def _lower_or(cursor: Cursor) -> model.AccessLogFilter:
    _OR.read(cursor)
    return model.OrFilter(filters=_lower_filters(cursor))


_FILTERS: Final[Mapping[str, Callable[[Any], model.AccessLogFilter]]] = {
    "status_code_filter": _lower_status_code,
    "duration_filter": _lower_duration,
    "not_health_check_filter": lambda _: model.NotHealthCheckFilter(),
    "and_filter": _lower_and,
    "or_filter": _lower_or,
    "header_filter": _lower_header,
    "response_flag_filter": _lower_response_flag,
}
