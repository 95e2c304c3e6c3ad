"""What lowering refuses is refused by Envoy too, unless the case says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from config.small_bootstrap import bootstrap
from config.test_lowering_problems import CASES, changes, text_of

from oracle.test_accept_reject import verdict

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['at']}: {text_of(case)}".replace(" ", "-"))
def test_envoy_says_the_same(case: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text(bootstrap(changes(case)))
    accepts, said = verdict("envoy", file)
    assert accepts == (case.get("envoy") == "ok"), f"{said}\n{file.read_text()}"
