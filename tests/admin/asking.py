"""Asks the pages of Python, without a data plane, what it would ask them."""

from __future__ import annotations

from typing import Any

from ferryman.admin import pages
from ferryman.admin.page import RunningConfig
from ferryman.config.parse import parse_bootstrap
from ferryman.config.source import Source
from ferryman.options import Options


class Request:
    """Stands in for `_native.AdminRequest`."""

    def __init__(self, method: str, target: str, body: bytes = b"") -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.body = body
        self.replies: list[tuple[int, str, bytes]] = []

    def reply(self, status: int, content_type: str, body: bytes) -> None:
        self.replies.append((status, content_type, body))


def running(text: str = "{}", options: Options | None = None) -> RunningConfig:
    """A configuration from YAML, as it runs."""
    cursor, problems = parse_bootstrap([Source("f", text, "yaml")])
    assert not problems.has_errors, problems.as_text()
    return RunningConfig(
        options=options or Options(), bootstrap=cursor.message.SerializeToString(), concurrency=2
    )


def ask(config: RunningConfig, target: str, method: str = "GET", body: bytes = b"") -> tuple[int, str, str]:
    """Status, content type and body of a page."""
    request: Any = Request(method, target, body)
    pages.answer(request, config)
    [(status, content_type, answered)] = request.replies
    return status, content_type, answered.decode()
