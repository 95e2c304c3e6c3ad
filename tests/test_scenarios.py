"""Every scenario: configuration, bytes in, and what must come out, be counted and be logged.

The scenarios of a folder share one proxy. `--proxy envoy` plays them to the real Envoy, which is how an
expectation is checked; a scenario about a documented difference (`differs`) is left out then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.case import Area, Case, load_folder
from harness.expectation import unmet
from harness.proxy_process import StartError, binary
from harness.rig import Rig
from harness.shared import Shared

FOLDER = Path(__file__).parent / "scenarios"
AREAS = [load_folder(path) for path in sorted(FOLDER.iterdir()) if path.is_dir()]
ALL = [pytest.param(area, case, id=case.slug) for area in AREAS for case in area.cases]


@pytest.fixture(scope="session")
def rigs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared[Rig]]:
    which = request.config.getoption("--proxy")
    shared = Shared(lambda area, directory: Rig(which, area, directory), tmp_path_factory.mktemp("scenarios"))
    yield shared
    shared.close()


@pytest.mark.parametrize(("area", "case"), ALL)
def test_scenario(area: Area, case: Case, rigs: Shared[Rig], request: pytest.FixtureRequest) -> None:
    if case.differs and request.config.getoption("--proxy") == "envoy":
        pytest.skip(f"Envoy differs: {case.differs}")
    which = request.config.getoption("--proxy")
    if not Path(binary(which)[0]).exists():
        pytest.skip(f"{which} is not installed beside this Python")
    if case.alone:
        rigs.forget()
        area = area.alone(case)
    try:
        rig = rigs.serving(area, case)
    except StartError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        seen = rig.run(case)
    except Exception:
        rigs.forget()
        raise
    missed = unmet(case.expect, seen)
    if missed:
        shown = [f"received {seen.downstream_bytes}", f"forwarded {seen.upstream_bytes}", f"log {seen.log}"]
        pytest.fail("\n".join([*missed, "", *shown, f"stats {seen.stats}"]), pytrace=False)


def test_every_scenario_expects_something() -> None:
    assert not [case.name for area in AREAS for case in area.cases if not case.expect]
