"""docs/not_supported.md and docs/extensions.md say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from ferryman.config import native_checks, operators

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    "CEL": "request.path",
    "COALESCE": '{"operators": ["PROTOCOL"]}',
    "COMMON_DURATION": "DS_RX_BEG:DS_RX_END:ms",
    "METADATA": "ROUTE:name",
    "XFCC_VALUE": "uri",
}


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("document_support", ROOT / "tools" / "document_support.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["extensions.md", "not_supported.md"])
def test_the_document_is_current(name: str) -> None:
    made = tool().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run tools/document_support.py"


def test_the_documents_name_what_is_refused() -> None:
    pages = tool().PAGES
    fields = pages["not_supported.md"]()
    section = fields.partition("### envoy.config.cluster.v3.Cluster\n")[2].partition("\n### ")[0]
    assert "`health_checks`" in section and "`type`: STATIC" in section and "`connect_timeout`" not in section
    assert "`%CEL%`" in fields and "`--base-id`" in fields
    rows = pages["extensions.md"]().splitlines()
    assert any("`envoy.filters.http.router`" in row and row.endswith("| built |") for row in rows)
    assert any("`envoy.filters.http.lua`" in row and row.endswith("| not yet |") for row in rows)


@pytest.mark.skipif(native_checks._native("check_operator") is None, reason="no native module")
def test_the_data_plane_fills_all_other_operators() -> None:
    refused = set()
    for name in operators.OPERATORS:
        argument = EXAMPLES.get(name, "name") if name in operators.ARGUMENT_REQUIRED else None
        if native_checks.operator_complaint(name, argument) is not None:
            refused.add(name)
    assert refused == operators.NOT_BUILT
