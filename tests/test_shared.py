"""The harness starts an area without the cases that Ferryman refuses, and only once."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.case import Area, Case
from harness.proxy_process import StartError
from harness.shared import Shared

GOOD, BAD = Case("good"), Case("bad", routes=[{"match": {"prefix": "/"}, "route": {"cluster": "nobody"}}])
ALSO_GOOD = Case("also good", routes=[{"match": {"prefix": "/"}, "direct_response": {"status": 200}}])


class Started:
    def __init__(self, names: list[str]) -> None:
        self.names = names

    def close(self) -> None:
        self.names = []


def test_a_refused_case_leaves_the_others_together(tmp_path: Path) -> None:
    begun: list[list[str]] = []

    def start(area: Area, directory: Path) -> Started:
        begun.append([case.name for case in area.cases])
        if BAD in area.cases:
            raise StartError("refused")
        return Started(begun[-1])

    area = Area("area", [GOOD, BAD, ALSO_GOOD])
    shared = Shared(start, tmp_path)
    assert shared.serving(area, GOOD).names == ["good", "also good"]
    with pytest.raises(StartError, match="cluster `nobody` not found"):
        shared.serving(area, BAD)
    assert shared.serving(area, ALSO_GOOD).names == ["good", "also good"]
    assert begun == [["good", "bad", "also good"], ["good", "also good"]]


def test_cases_are_started_alone_if_nothing_else_helps(tmp_path: Path) -> None:
    def start(area: Area, directory: Path) -> Started:
        if len(area.cases) > 1:
            raise StartError("too many")
        return Started([case.name for case in area.cases])

    area = Area("area", [GOOD, ALSO_GOOD])
    shared = Shared(start, tmp_path)
    assert [shared.serving(area, case).names for case in area.cases] == [["good"], ["also good"]]
