"""`access-log-fields`: an access log that cannot answer why a request failed.

Owns the rule. Follows Envoy's page "Access logging": the response flags say what went wrong in the proxy, the
request id leads to the lines of the other services.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import walk

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject

_FLAGS: Final = ("%RESPONSE_FLAGS", "%RESPONSE_CODE_DETAILS", "FLAGS%")
_REQUEST_ID: Final = (
    "X-REQUEST-ID",
    "%STREAM_ID%",
    "%TRACE_ID%",
    "TRACEPARENT",
    "X-B3-TRACEID",
    "%UNIQUE_ID%",
)
_FORMATS: Final = ("log_format", "format", "json_format", "typed_json_format")


def _judge(subject: Subject) -> Iterator[Finding]:
    for manager in subject.managers:
        for log in manager.cursor.items("access_log"):
            inner = log.unpack("typed_config") if log.has("typed_config") else None
            text = _format(inner) if inner is not None else ""
            if inner is None or "%" not in text:
                continue
            missing = [] if any(word in text for word in _FLAGS) else ["%RESPONSE_FLAGS%"]
            if not any(word in text for word in _REQUEST_ID):
                missing.append("%REQ(X-REQUEST-ID)%")
            if missing:
                yield Finding(
                    inner,
                    f"the lines lack {' and '.join(missing)}, so they cannot tell why a request failed",
                    "add it to the format" if len(missing) == 1 else "add them to the format",
                    next(name for name in _FORMATS if name in inner.fields_set()),
                )


def _format(logger: Cursor) -> str:
    """All text of a logger's own format, in capitals; "" when it has none or it stands elsewhere."""
    texts = []
    for name in _FORMATS:
        if name in logger.fields_set():
            field = logger.get(name)
            texts += [field] if isinstance(field, str) else [_texts(logger.child(name))]
    return " ".join(texts).upper()


def _texts(cursor: Cursor) -> str:
    strings = []
    for message in walk(cursor):
        for field, value in message.message.ListFields():
            if isinstance(value, str):
                strings.append(value)
                # A format in another file is not read.
                if field.name == "filename":
                    return ""
    return " ".join(strings)


ACCESS_LOG_FIELDS: Final = Rule(
    "access-log-fields", "an access log that cannot answer why a request failed", _judge
)
