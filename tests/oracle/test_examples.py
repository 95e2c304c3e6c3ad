"""The examples through the real Envoy: what stands in each README is what Envoy does, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.example import EXAMPLES
from test_examples import run_readme


@pytest.mark.oracle
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_envoy_gives_what_the_readme_says(folder: Path, tmp_path: Path) -> None:
    run_readme(folder, "envoy", tmp_path)
