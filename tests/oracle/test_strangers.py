"""Whole configurations as users write them (`strangers/`): both proxies take the same ones.

Each file has one purpose and the manner of one writer. They are validated, not started: their ports are
fixed.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from harness import certificates
from harness.bootstrap import PLACEHOLDER
from harness.proxy_process import binary

pytestmark = pytest.mark.oracle
FILES = sorted((Path(__file__).parent / "strangers").iterdir())
REFUSED = {"old_habits"}
"""What both refuse: a duration with a unit that is none."""

WARNED = {
    "compressing_cdn": {"deprecated"},
    "edge_with_hardening": {"edge-limits"},
    "forward_proxy_by_connect": {"upgrade-idle-timeout"},
    "generated_by_a_program": {"idle-timeout-off"},
    "old_habits": {"deprecated"},
    "old_habits_mended": {"deprecated"},
    "static_site": {"unused-cluster"},
    "websocket_chat": {"idle-timeout-off"},
}
"""The rules of `ferryman lint` that speak; where none is named, it has nothing to say."""


def filled(file: Path, directory: Path) -> Path:
    """The file with paths of certificates in the place of their names."""

    def certificate(match: re.Match[str]) -> str:
        kind, _, name = match[1].partition(":")
        return str(certificates.write(kind, name, directory))

    written = directory / file.name
    written.write_text(PLACEHOLDER.sub(certificate, file.read_text()))
    return written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_both_say_the_same(file: Path, tmp_path: Path) -> None:
    written = filled(file, tmp_path)
    for which in ("envoy", "ferryman"):
        command = [*binary(which), "--mode", "validate", "-c", str(written), "-l", "error"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
        assert (done.returncode != 0) == (file.stem in REFUSED), f"{which}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_lint_says_what_it_knows_of_them(file: Path, tmp_path: Path) -> None:
    written = filled(file, tmp_path)
    command = [*binary("ferryman"), "lint", "--format", "json", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    warned = {entry["code"] for entry in found if entry["severity"] == "warning"}
    assert warned == WARNED.get(file.stem, set()), done.stdout
