"""What becomes of the proxy's own answers (Envoy: `LocalReplyConfig`)."""

from __future__ import annotations

from ferryman.config.model.access_log import AccessLogFilter, JsonLog, TextLog
from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.struct import Model


class BodyFormat(Model, frozen=True):
    """What a body is made of, and its type."""

    format: TextLog | JsonLog
    content_type: str


class LocalReplyMapper(Model, frozen=True):
    """What becomes of the replies that the filter chooses; with `has_body`, `body` takes the body's place."""

    filter: AccessLogFilter
    status_code: int | None
    has_body: bool
    body: bytes
    body_format: BodyFormat | None
    headers_to_add: list[HeaderValueOption]


class LocalReplyConfig(Model, frozen=True):
    """The first mapper whose filter matches counts; `body_format`: where that has none."""

    mappers: list[LocalReplyMapper]
    body_format: BodyFormat | None
