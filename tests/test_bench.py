"""The benchmark's tables and where they go. It is run by `make bench`, not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import results
from bench.__main__ import PARTS
from bench.peers import Measurement
from bench.proxies import FLOOR

ROOT = Path(__file__).resolve().parents[1]


def places(document: Path) -> set[str]:
    return {part for part in PARTS if f"<!-- bench:{part} -->" in document.read_text()}


def test_the_documents_have_a_place_for_every_table() -> None:
    assert places(ROOT / "docs" / "benchmarks.md") == set(PARTS)
    assert places(ROOT / "README.md") == {"peers"}


def test_a_table_goes_into_each_document_that_has_a_place(tmp_path: Path) -> None:
    place = "before\n<!-- bench:idle -->\nold\n<!-- /bench:idle -->\nafter\n"
    documents = [tmp_path / "a.md", tmp_path / "b.md"]
    for document, text in zip(documents, [place, "nothing\n"], strict=True):
        document.write_text(text)
    assert results.put_into(documents, "idle", "new")
    assert documents[0].read_text() == place.replace("old", "new")
    assert documents[1].read_text() == "nothing\n"
    assert not results.put_into(documents, "scale", "new")


def measured(proxy: str, cost: float) -> Measurement:
    return Measurement(
        case="h1", proxy=proxy, cpu_us_per_request=cost, requests_per_s=1, p50="", p99="", memory_mib=1,
        requests=1, failed=0,
    )  # fmt: skip


@pytest.mark.parametrize(("ours", "ratio"), [(12.0, "0.24"), (60.0, "1.20")])
def test_ratios_are_of_medians(ours: float, ratio: str) -> None:
    rows = [measured("ferryman", ours), *(measured("envoy", cost) for cost in (10.0, 50.0, 90.0))]
    _, _, row = results.peers_table(rows, ["ferryman", "envoy"]).splitlines()
    assert [cell.strip() for cell in row.split("|")[2:5]] == [f"{ours:.1f}", "50.0", ratio]


def test_the_floor_is_no_peer() -> None:
    rows = [
        measured("ferryman", 12.0),
        measured("envoy", 30.0),
        measured("nginx", 15.0),
        measured(FLOOR, 6.0),
    ]
    _, _, row = results.peers_table(rows, ["ferryman", "envoy", "nginx", FLOOR]).splitlines()
    assert row.rstrip(" |").endswith("0.80")
