from __future__ import annotations

from typing import Any

import pytest
from ferryman import _native
from ferryman.admin import pages
from ferryman.admin.page import Page, Question, Reply, RunningConfig, parse_parameters

from admin.asking import ask, running


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    monkeypatch.setattr(_native, "log", lambda *line: lines.append(line))
    return lines


def test_parameters_are_decoded_and_the_first_counts() -> None:
    assert parse_parameters("a=1%202+3&b&a=2&&=x&c=d=e") == {"a": "1 2+3", "b": "", "c": "d=e"}


def test_a_page_that_fails_answers_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, logged: list[tuple[str, ...]]
) -> None:
    def fail(question: Question, config: RunningConfig) -> Reply:
        raise ValueError("of\nsome kind")

    monkeypatch.setitem(pages.PAGES, "/bad", Page(path="/bad", help="", answer=fail))
    status, content_type, body = ask(running(), "/bad?x")
    assert (status, content_type) == (500, "text/plain; charset=UTF-8")
    assert body == "/bad failed; the application log says why. Traffic is not affected.\n"
    [(level, component, line)] = logged
    assert (level, component) == ("error", "admin")
    assert line.startswith("/bad failed: ") and "ValueError: of | some kind" in line and "\n" not in line


def test_an_answer_that_nobody_waits_for_raises_nothing(logged: list[tuple[str, ...]]) -> None:
    class Gone:
        method, path, query, body = "GET", "/certs", "", b""

        def reply(self, *answer: Any) -> None:
            raise _native.NativeError("the client is gone")

    gone: Any = Gone()
    pages.answer(gone, running())
    assert "the client is gone" in logged[0][2]


def test_a_page_that_is_not_in_the_list() -> None:
    assert ask(running(), "/nope")[0] == 404


def test_the_pages_as_the_data_plane_is_told() -> None:
    described = {path: (method, help.split("\n")) for path, method, help in pages.described()}
    assert described["/certs"][0] == "GET"
    method, (first, *parameters) = described["/config_dump"]
    assert (method, first) == ("GET", "dump current Envoy configs")
    assert [line.partition(": ")[0] for line in parameters] == [
        "resource",
        "mask",
        "name_regex",
        "include_eds",
    ]
    assert {path for path, (method, _) in described.items() if method == "POST"} == {
        "/allocprofiler",
        "/cpuprofiler",
        "/heapprofiler",
        "/stats/recentlookups/clear",
        "/stats/recentlookups/disable",
        "/stats/recentlookups/enable",
    }


@pytest.mark.parametrize("path", ["/heap_dump", "/peak_heap_dump", "/memory/tcmalloc", "/allocprofiler"])
def test_what_there_is_not_is_said(path: str) -> None:
    status, _, body = ask(running(), path)
    assert status == 501 and body.startswith("The current build does not support ")


def test_lookups_and_contention_are_not_traced() -> None:
    assert ask(running(), "/stats/recentlookups")[2].endswith("\n\ntotal: 0\n")
    assert ask(running(), "/contention")[2].startswith("Mutex contention tracing is not enabled")
