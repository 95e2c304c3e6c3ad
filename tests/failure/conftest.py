"""What the failure tests share: the proxy under test and a way to start it with a configuration."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.bootstrap import bootstrap_of, cluster
from harness.case import Area, Case
from harness.proxy_process import binary
from harness.rig import Rig

StartRig = Callable[..., Rig]


@pytest.fixture
def which(request: pytest.FixtureRequest) -> str:
    """The proxy under test; `--proxy envoy` checks the tests themselves where Envoy does the same."""
    chosen = str(request.config.getoption("--proxy"))
    if not Path(binary(chosen)[0]).exists():
        pytest.skip(f"{chosen} is not installed beside this Python")
    return chosen


@pytest.fixture
def start_rig(which: str, tmp_path: Path) -> Iterator[StartRig]:
    """Starts rigs for one case each; they are ended after the test."""
    rigs: list[Rig] = []

    def start(case: Case, descriptors: int | None = None) -> Rig:
        rigs.append(Rig(which, Area("failure", [case]), tmp_path, descriptors))
        rigs[-1].begin(case)
        return rigs[-1]

    yield start
    for rig in rigs:
        rig.close()


def small_bootstrap(**listener: Any) -> dict[str, Any]:
    """One listener with a tcp_proxy and one cluster, with nothing left to fill in."""
    bootstrap = bootstrap_of(Area("failure", [Case("small", filters=[{"tcp_proxy": {"access_log": []}}])]))
    resources = bootstrap["static_resources"]
    resources["clusters"] = [cluster("up")]
    resources["clusters"][0]["load_assignment"] = {"cluster_name": "up"}
    resources["listeners"] = [{**resources["listeners"][-1], **listener}]
    return bootstrap


def run_to_end(which: str, bootstrap: dict[str, Any] | str, directory: Path, *flags: str) -> tuple[int, str]:
    """Exit code and output of a proxy that is expected to end by itself."""
    config = directory / "bootstrap.yaml"
    config.write_text(bootstrap if isinstance(bootstrap, str) else json.dumps(bootstrap))
    command = [*binary(which), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", *flags]
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False
    )
    return run.returncode, run.stdout
