"""The pages of Python against what the real Envoy answered; `record.py` says how the answers were got."""

from __future__ import annotations

import pytest

from admin.asking import ask, running
from admin.record import HERE, PYTHON_PAGES, normalise

CONFIG = running((HERE / "envoy.yaml").read_text())


@pytest.mark.parametrize(("name", "method", "target"), PYTHON_PAGES, ids=lambda value: value)
def test_pages_are_those_of_envoy(name: str, method: str, target: str) -> None:
    envoy = (HERE / "golden" / name).read_text()
    status, content_type, body = ask(CONFIG, target, method)
    if name == "dump_bad_regex":
        # Each engine has words of its own for what is wrong.
        envoy, body = envoy.partition(" (:")[0], body.partition(" (:")[0]
    assert f"{status}\n{content_type}\n{normalise(body)}" == envoy
