"""Options that more than one kind of test takes."""

from __future__ import annotations

import pytest

try:
    from ferryman import _native
except ImportError:  # configuration can be worked on without a Rust build
    _native = None

NEED_THE_DATA_PLANE = (
    "tests/failure/",
    "tests/smuggling/",
    "tests/test_demo.py",
    "tests/test_examples.py::test_commands_give_what_the_readme_says",
    "tests/test_process.py",
    "tests/test_proxy.py",
    "tests/test_scenarios.py::test_scenario[",
    "tests/test_structure.py::test_life_of_a_request_names_every_module_in_order",
    "tests/test_structure.py::test_paths_in_documents_exist[docs/life_of_a_request.md]",
    "tests/test_structure.py::test_paths_in_documents_exist[docs/threads.md]",
)
"""Skipped as long as the native module has no `Proxy`: there is nothing yet that they could start."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--proxy",
        default="ferryman",
        choices=["ferryman", "envoy"],
        help="what the scenarios are played to; envoy checks the expectations themselves",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(_native, "Proxy") or config.getoption("--proxy") == "envoy":
        return
    for item in items:
        if item.nodeid.startswith(NEED_THE_DATA_PLANE):
            item.add_marker(pytest.mark.skip(reason="the native module has no Proxy"))
