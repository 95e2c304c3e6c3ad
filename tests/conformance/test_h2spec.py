"""h2spec through the proxy, over cleartext and over TLS: every case passes.

`make conformance` builds the tool and names it in H2SPEC. Without it this fails: what was not judged has not
passed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.server import TRANSPORTS, Server

CASES = 145
"""In the oldest version that will do; later ones have more."""
FLAGS = {"cleartext": [], "tls": ["--tls", "--insecure"]}


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    started = Server(request.config.getoption("--proxy"), tmp_path)
    yield started
    started.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_case_passes(transport: str, server: Server) -> None:
    tool = os.environ.get("H2SPEC")
    assert tool, "run `make conformance`, or name the tool in H2SPEC"
    # Of a timeout, cases that wait for silence wait for all; the others are done at once.
    command = [tool, "--host", "127.0.0.1", "--port", str(server.port(transport)), "--timeout", "5"]
    done = subprocess.run([*command, *FLAGS[transport]], capture_output=True, text=True, timeout=110)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    assert found, done.stdout + done.stderr
    total, passed = int(found[1]), int(found[2])
    assert total >= CASES and passed == total, done.stdout[done.stdout.find("Failures") :]
    print(f"{transport}: {passed} of {total}")
    assert server.process.process.poll() is None
