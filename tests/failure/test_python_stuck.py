"""Python holds the GIL for seconds: traffic and the vital admin pages go on as if nothing were."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.bootstrap import bootstrap_of
from harness.case import Area, Case
from harness.proxy_process import binary

from failure.conftest import small_bootstrap

STUCK_SECONDS = 6
PATIENCE = 1.0


def get(address: str, path: str) -> tuple[int, bytes]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_traffic_and_admin_go_on(which: str, tmp_path: Path) -> None:
    if which == "envoy":
        pytest.skip("Envoy has no Python to get stuck")
    reply = {"match": {"path": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}
    area = Area("stuck", [Case("stuck", virtual_hosts=[{"name": "a", "domains": ["*"], "routes": [reply]}])])
    bootstrap = bootstrap_of(area)
    bootstrap["static_resources"]["clusters"] = small_bootstrap()["static_resources"]["clusters"]
    text = json.dumps(bootstrap).replace("$(log)", str(tmp_path / "access.log"))
    config = tmp_path / "bootstrap.json"
    config.write_text(text)
    python = Path(binary("ferryman")[0]).with_name(Path(sys.executable).name)
    script = Path(__file__).with_name("stuck_python.py")
    process = subprocess.Popen(
        [str(python), str(script), str(config), str(STUCK_SECONDS)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert process.stdout.readline() == "stuck\n"
        deadline = time.monotonic() + STUCK_SECONDS - 2
        rounds = 0
        while time.monotonic() < deadline:
            assert get(addresses["listeners"]["stuck"][0], "/") == (200, b"hi")
            assert get(addresses["listeners"]["stuck"][0], "/missing")[0] == 404
            for page in ("/ready", "/stats", "/stats/prometheus", "/clusters", "/memory"):
                assert get(addresses["admin"], page)[0] == 200, page
            rounds += 1
        assert rounds > 10
        status, told = get(addresses["admin"], "/explain")
        assert status == 200 and b"RouteNotFound" in told and b"facts alone" in told
        assert process.stdout.readline() == "free\n"
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
