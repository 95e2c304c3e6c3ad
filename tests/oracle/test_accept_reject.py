"""Both validators on the same small configurations: the same verdict, or a refusal by name."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.bootstrap import LOOPBACK, NETWORK_FILTERS, TYPE, merge
from harness.proxy_process import binary

from oracle.known_differences import known_differences

pytestmark = pytest.mark.oracle
FILE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "accept_reject.yaml").read_text()
)
ENTRIES = [(entry, kind == "accepted") for kind in ("accepted", "refused") for entry in FILE[kind]]
REFUSED_BY_NAME = "not supported yet"
PARTS = {"name", "text", "differs", "bootstrap", "listener", "hcm", "routes", "route", "virtual_hosts", "tcp",
         "cluster"}  # fmt: skip


def configuration(entry: dict[str, Any]) -> str:
    """The file that an entry stands for."""
    if "text" in entry:
        return str(entry["text"])
    route = {"match": {"prefix": "/"}, "route": {"cluster": "up"}, **entry.get("route", {})}
    host = {"name": "a", "domains": ["*"], "routes": entry.get("routes", [route])}
    router = {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
    hcm = {
        "stat_prefix": "a",
        "route_config": {"name": "a", "virtual_hosts": entry.get("virtual_hosts", [host])},
        "http_filters": [router],
    }
    kind, config = "http_connection_manager", merge(hcm, entry.get("hcm", {}))
    if "tcp" in entry:
        kind, config = "tcp_proxy", entry["tcp"]
    chain = {"filters": [{"name": kind, "typed_config": {"@type": NETWORK_FILTERS[kind], **config}}]}
    listener = {"name": "a", "address": LOOPBACK, "filter_chains": [chain]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 80}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    cluster = {
        "name": "up",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "up", "endpoints": endpoints},
    }
    resources = {
        "listeners": [{**listener, **entry.get("listener", {})}],
        "clusters": [{**cluster, **entry.get("cluster", {})}],
    }
    whole = merge({"static_resources": resources}, entry.get("bootstrap", {}))
    return json.dumps(whole).replace("$(x5000)", "x" * 5000)


def verdict(which: str, file: Path) -> tuple[bool, str]:
    """Whether a validator accepts a file, and what it said."""
    command = [*binary(which), "-c", str(file), "--mode", "validate", "-l", "error"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("entry", "accepted"), ENTRIES, ids=[entry["name"].replace(" ", "-") for entry, _ in ENTRIES]
)
def test_same_verdict(
    entry: dict[str, Any], accepted: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert set(entry) <= PARTS, f"unknown parts {sorted(set(entry) - PARTS)}"
    file = tmp_path / "bootstrap.yaml"
    file.write_text(configuration(entry))
    ours_is = request.config.getoption("--ours")
    with ThreadPoolExecutor(2) as threads:
        envoy = threads.submit(verdict, "envoy", file)
        ours = threads.submit(verdict, ours_is, file)
    (envoy_accepts, envoy_said), (ours_accepts, ours_said) = envoy.result(), ours.result()
    said = f"Envoy: {envoy_said}\nours: {ours_said}\n{file.read_text()}"
    assert envoy_accepts == accepted, f"the entry stands under the wrong heading\n{said}"
    assert "Traceback" not in ours_said, said
    if REFUSED_BY_NAME in ours_said:
        assert not ours_accepts, said
    elif "differs" in entry:
        assert entry["differs"] in known_differences()
        assert ours_is == "envoy" or envoy_accepts != ours_accepts, f"no difference any more\n{said}"
    else:
        assert envoy_accepts == ours_accepts, said


def test_names_are_used_once() -> None:
    names = [entry["name"] for entry, _ in ENTRIES]
    assert len(names) == len(set(names))
