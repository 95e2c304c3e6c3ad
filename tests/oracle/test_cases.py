"""Same configuration and same traffic to Envoy and to Ferryman: everything observed must be equal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness.case import Area, Case, load_area
from harness.expectation import unmet
from harness.observation import Observation, differences
from harness.proxy_process import StartError
from harness.shared import Shared

from oracle.conftest import Pair
from oracle.known_differences import known_differences
from oracle.test_accept_reject import ENTRIES

pytestmark = pytest.mark.oracle
AREAS = [load_area(path) for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))]
ALL = [
    pytest.param(area, case, id=f"{area.name}-{case.slug if case else 'all-statistics'}")
    for area in AREAS
    for case in (*area.cases, None)
]
"""The cases, and after those of an area None: everything that the two have counted by then."""
KNOWN = known_differences()


@pytest.mark.parametrize(("area", "case"), ALL)
def test_same_as_envoy(
    area: Area, case: Case | None, pairs: Shared[Pair], request: pytest.FixtureRequest
) -> None:
    if case is None:
        _compare_listings(area, pairs)
        return
    try:
        envoy, ours = pairs.serving(area, case).run(case)
    except StartError as error:
        if error.not_supported:
            pytest.skip(error.not_supported)
        pytest.fail(str(error), pytrace=False)
    except Exception:
        pairs.forget()
        raise
    if envoy.problems and not case.problems:
        pytest.fail(
            f"the case does not work with Envoy: {envoy.problems}\n{_report(envoy, ours)}", pytrace=False
        )
    found = differences(envoy.comparable(), ours.comparable())
    if case.differs is None:
        if found:
            pytest.fail("\n".join([*found, "", _report(envoy, ours)]), pytrace=False)
        return
    if request.config.getoption("--ours") == "envoy":
        return
    assert found, f"no difference any more: take {case.differs!r} out of the case"
    missed = unmet(case.ours, ours)
    if missed:
        pytest.fail("\n".join([*missed, "", _report(envoy, ours)]), pytrace=False)


def _compare_listings(area: Area, pairs: Shared[Pair]) -> None:
    """All statistics after all cases. A case that names a difference may count otherwise."""
    pair = pairs.serving_all(area)
    if pair is None:
        pytest.skip("each case of this area is started alone")
    envoy, ours = pair.listings()
    apart = _what_differing_cases_count(area)
    found = [line for line in envoy.differences(ours) if apart is None or not re.search(apart, line)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def _what_differing_cases_count(area: Area) -> str | None:
    """A pattern for statistics that cases count into which name a difference."""
    differing = [case for case in area.cases if case.differs]
    slugs = {case.listener_name for case in differing}
    shared = {"up", "up2", "http1"} if differing else set()
    names = "|".join(re.escape(name) for name in sorted(slugs | shared))
    return rf"""[."\s]({names})[."]|envoy_cluster_\w*upstream_rq""" if names else None


def test_every_difference_that_a_case_names_is_documented() -> None:
    named = {case.differs for area in AREAS for case in area.cases if case.differs}
    named |= {entry["differs"] for entry, _ in ENTRIES if "differs" in entry}
    assert named <= set(KNOWN), f"not in the document: {sorted(named - set(KNOWN))}"
    assert set(KNOWN) <= named, f"no case shows it any more: {sorted(set(KNOWN) - named)}"
    assert len(KNOWN) == len(set(KNOWN)), "an id is used twice in the document"


def test_every_differing_case_says_what_ferryman_does() -> None:
    silent = [case.name for area in AREAS for case in area.cases if bool(case.differs) != bool(case.ours)]
    assert not silent, f"`differs` and `ours` go together: {silent}"


def _report(envoy: Observation, ours: Observation) -> str:
    parts = []
    for name, seen in (("Envoy", envoy), ("ours", ours)):
        parts.append(f"--- {name}: downstream {seen.downstream_bytes}\n    upstream {seen.upstream_bytes}")
        parts.append(f"    log {seen.log}\n    problems {seen.problems}")
    return "\n".join(parts)
