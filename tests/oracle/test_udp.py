"""Datagrams: the same ones through Envoy and Ferryman, and everything observed must be equal."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.udp_cases import CASES, Case, Side

pytestmark = pytest.mark.oracle


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    yield CASES[request.param]


def test_both_do_the_same(case: Case, tmp_path: Path) -> None:
    found = {}
    for which in ("envoy", "ferryman"):
        directory = tmp_path / which
        directory.mkdir()
        side = Side(which, case, directory)
        try:
            found[which] = side.observe(case)
        finally:
            side.close()
    differences = [
        line
        for part in ("said", "stats", "lines")
        for line in difflib.ndiff(*(list(map(str, found[which][part])) for which in ("envoy", "ferryman")))
        if not line.startswith("  ")
    ]
    assert not differences, "\n".join(differences)
