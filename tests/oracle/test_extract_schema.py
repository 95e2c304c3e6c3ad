"""The data files of `ferryman.api` are what the release itself has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
TOOL = Path(__file__).resolve().parents[2] / "tools" / "extract_schema.py"


def test_the_data_files_are_those_of_the_release() -> None:
    pytest.importorskip("envoy")
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
