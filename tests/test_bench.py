"""The benchmark's tables and where they go. It is run by `make bench`, not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ferryman.config.pipeline import LoadOptions, load_bootstrap, read_sources

from bench import results, slow, soak
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


@pytest.mark.parametrize("part", ["slow", "soak"])
def test_configurations_of_attack_and_soak_load(part: str, tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    configurations = {
        "slow": slow.configuration(1, 2, 3),
        "soak": soak.configuration(1, 2, 3, (4, 5), tmp_path),
    }
    file.write_text(json.dumps(configurations[part]))
    lowered = load_bootstrap(read_sources([str(file)]), LoadOptions())
    assert len(lowered.listeners) == len(configurations[part]["static_resources"]["listeners"])


def test_growth_is_the_slope_of_the_samples() -> None:
    samples = [
        soak.Sample(at_s=at, memory_mib=10 + 0.5 * at, descriptors=9, threads=5) for at in (0.0, 5.0, 20.0)
    ]
    assert soak.slope(samples) == pytest.approx(0.5)
