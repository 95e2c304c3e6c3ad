"""Pages about the inside of Envoy's process: profilers, heap dumps, allocator, mutexes, look-ups of stats.

Owns the answers that an Envoy gives that was built without these things. They are about how Envoy is made,
and nothing of it is to be found here; the pages are kept so that a program gets a clear answer from them.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#post--cpuprofiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ferryman.admin.page import Page, Question, Reply, RunningConfig, text_reply

Answer = Callable[[Question, RunningConfig], Reply]


def _says(text: str, status: int = 200) -> Answer:
    return lambda question, running: text_reply(text, status)


def _has_no(what: str) -> Answer:
    return _says(f"The current build does not support {what}", 501)


def cpu_profiler(question: Question, running: RunningConfig) -> Reply:
    """There is none to start; to stop it is fine."""
    enable = question.parameter("enable")
    if enable not in ("y", "n"):
        return text_reply("?enable=<y|n>\n", 400)
    return text_reply("OK\n") if enable == "n" else text_reply("failure to start the profiler", 500)


_LOOKUPS: Final = "/stats/recentlookups"

PAGES: Final = (
    Page(
        path="/cpuprofiler",
        help="enable/disable the CPU profiler",
        answer=cpu_profiler,
        parameters=(("enable", "enables the CPU profiler; One of (y, n)"),),
        post=True,
    ),
    Page(
        path="/heapprofiler",
        help="enable/disable the heap profiler",
        answer=_has_no("heap profiler"),
        parameters=(("enable", "enable/disable the heap profiler; One of (y, n)"),),
        post=True,
    ),
    Page(
        path="/allocprofiler",
        help="enable/disable the allocation profiler (if supported)",
        answer=_has_no("allocation profiler"),
        parameters=(("enable", "enable/disable the allocation profiler; One of (y, n)"),),
        post=True,
    ),
    Page(
        path="/heap_dump",
        help="dump current Envoy heap (if supported)",
        answer=_has_no("heap dump"),
    ),
    Page(
        path="/peak_heap_dump",
        help="dump peak Envoy heap (if supported)",
        answer=_has_no("peak heap dump"),
    ),
    Page(path="/memory/tcmalloc", help="print TCMalloc stats", answer=_has_no("TCMalloc")),
    Page(
        path="/contention",
        help="dump current Envoy mutex contention stats (if enabled)",
        answer=_says(
            "Mutex contention tracing is not enabled, as workers share no mutex that could be traced."
        ),
    ),
    Page(
        path=_LOOKUPS,
        help="Show recent stat-name lookups",
        answer=_says("Lookup tracking is not enabled, as stats are not looked up by name.\n\ntotal: 0\n"),
    ),
    Page(
        path=f"{_LOOKUPS}/clear",
        help="clear list of stat-name lookups and counter",
        answer=_says("OK\n"),
        post=True,
    ),
    Page(
        path=f"{_LOOKUPS}/disable",
        help="disable recording of reset stat-name lookup names",
        answer=_says("OK\n"),
        post=True,
    ),
    Page(
        path=f"{_LOOKUPS}/enable",
        help="enable recording of reset stat-name lookup names",
        answer=_has_no("stat-name lookup tracking"),
        post=True,
    ),
)
