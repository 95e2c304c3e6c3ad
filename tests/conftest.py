"""Options that more than one kind of test takes."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--proxy",
        default="ferryman",
        choices=["ferryman", "envoy"],
        help="what the scenarios are played to; envoy checks the expectations themselves",
    )
