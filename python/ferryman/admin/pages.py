"""The list of pages that Python answers, and the answering.

Owns finding the page for a request, and that a page which fails answers 500 and is logged, whatever happened.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin.
"""

from __future__ import annotations

import traceback
from typing import Final

from ferryman import _native
from ferryman.admin import certificates, config_dump, explain, init_dump, profiles
from ferryman.admin.page import Page, Question, Reply, RunningConfig, text_reply

PAGES: Final[dict[str, Page]] = {
    page.path: page
    for page in (
        *config_dump.PAGES,
        *certificates.PAGES,
        *init_dump.PAGES,
        *explain.PAGES,
        *profiles.PAGES,
    )
}
"""By path."""


def described() -> list[tuple[str, str, str]]:
    """Path, method and help of each page: a line about the page, then one for each parameter."""
    return [
        (
            page.path,
            "POST" if page.post else "GET",
            "\n".join([page.help, *(f"{name}: {help}" for name, help in page.parameters)]),
        )
        for page in PAGES.values()
    ]


def answer(request: _native.AdminRequest, running: RunningConfig) -> None:
    """Answers one request of the data plane, exactly once; raises nothing."""
    try:
        reply = _reply(request, running)
    except Exception:
        _log_failure(request.path)
        text = f"{request.path} failed; the application log says why. Traffic is not affected.\n"
        reply = text_reply(text, 500)
    try:
        request.reply(reply.status, reply.content_type, reply.body)
    except Exception:
        _log_failure(request.path)


def _reply(request: _native.AdminRequest, running: RunningConfig) -> Reply:
    page = PAGES.get(request.path)
    if page is None:
        return text_reply(f"invalid path {request.path}\n", 404)
    return page.answer(Question(query=request.query, body=request.body), running)


def _log_failure(path: str) -> None:
    """Logs the exception that is handled, on one line."""
    told = " | ".join(line.strip() for line in traceback.format_exc().splitlines())
    _native.log("error", "admin", f"{path} failed: {told}")
