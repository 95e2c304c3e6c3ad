"""The results: as JSON for machines, as Markdown for README.md and `docs/benchmarks.md`."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.cases import CASES
from bench.idle import IdleConnections
from bench.peers import Measurement, medians
from bench.proxies import FLOOR, present
from bench.scale import Footprint
from bench.slow import Attack
from bench.soak import Soak

Row = Measurement | Footprint | IdleConnections | Attack | Soak
"""One measurement of any part."""


def machine() -> str:
    """The machine in a line: processor, CPUs, kernel."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def versions(proxies: Sequence[str]) -> dict[str, str]:
    """What each proxy says of its version."""
    found = {}
    for proxy in proxies:
        if proxy == FLOOR:
            continue
        flag = "-v" if proxy in ("nginx", "haproxy") else "--version"
        done = subprocess.run([present(proxy) or proxy, flag], capture_output=True, text=True)
        numbers = re.search(r"\d+\.\d+\.\d+", (done.stdout + done.stderr).split("version")[-1])
        found[proxy] = numbers[0] if numbers else "?"
    return found


def peers_table(measurements: Sequence[Measurement], proxies: Sequence[str]) -> str:
    """CPU microseconds a request, each case a row, and Ferryman's ratios."""
    ratios = ["of Envoy", "must", "of the best peer"] if {"ferryman", "envoy"} <= set(proxies) else []
    lines = [_row(["Work", *(proxy.capitalize() for proxy in proxies), *ratios])]
    lines.append(_row(["---"] * (1 + len(proxies) + len(ratios))))
    for name, row in medians(measurements).items():
        cells = [CASES[name].what, *(f"{row[proxy]:.1f}" if proxy in row else "–" for proxy in proxies)]
        if ratios:
            cells += _ratios(row, CASES[name].must)
        lines.append(_row(cells))
    return "\n".join(lines)


def _ratios(row: Mapping[str, float], must: float) -> list[str]:
    if "ferryman" not in row:
        return ["–", "–", "–"]
    ours, envoy = row["ferryman"], row.get("envoy")
    best = min((value for proxy, value in row.items() if proxy not in ("ferryman", FLOOR)), default=None)
    return [
        f"{ours / envoy:.2f}" if envoy else "–",
        f"≤ {must:.2f}",
        f"{ours / best:.2f}" if best else "–",
    ]


def scale_table(rows: Sequence[Footprint]) -> str:
    """Footprint by number of clusters."""
    heads = ["Clusters", "Proxy", "Ready s", "Memory MiB", "Scrape s", "Scrape MB", "`usedonly` s"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [
        _row([
            f"{one.clusters:,}", one.proxy.capitalize(), f"{one.ready_s:.2f}", f"{one.memory_mib:.1f}",
            f"{one.scrape_s:.2f}", f"{one.scrape_mb:.1f}", f"{one.used_only_scrape_s:.3f}",
        ])
        for one in rows
    ]  # fmt: skip
    return "\n".join(lines)


def idle_table(rows: Sequence[IdleConnections]) -> str:
    """Memory of an idle connection."""
    heads = ["Idle", "Proxy", "Connections", "KiB a connection"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [
        _row([one.kind, one.proxy.capitalize(), f"{one.connections:,}", f"{one.kib_per_connection:.1f}"])
        for one in rows
    ]
    return "\n".join(lines)


def slow_table(rows: Sequence[Attack]) -> str:
    """What slow attackers do to the client beside them, and when they are cut."""
    heads = [
        "Slow",
        "Proxy",
        "Connections",
        "Cut",
        "from–to s",
        "Good requests",
        "failed",
        "p99 alone ms",
        "p99 ms",
    ]
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [
        _row([
            one.mode, one.proxy.capitalize(), f"{one.connections:,}", f"{one.cut:,}",
            f"{one.cut_after_s[0]:.1f}–{one.cut_after_s[1]:.1f}", f"{one.good_requests:,}",
            f"{one.good_failed}", f"{one.p99_alone_ms:.1f}", f"{one.p99_ms:.1f}",
        ])
        for one in rows
    ]  # fmt: skip
    return "\n".join(lines)


def soak_table(rows: Sequence[Soak]) -> str:
    """What a soak showed."""
    heads = [
        "Proxy",
        "Minutes",
        "Requests",
        "failed",
        "Clients in the churn",
        "MiB an hour",
        "MiB",
        "Descriptors",
    ]
    heads += ["Threads", "Gauges left"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [
        _row([
            one.proxy.capitalize(), f"{one.minutes:g}", f"{one.requests:,}", f"{one.failed}",
            f"{one.churned:,}", f"{one.mib_per_hour:+.2f}", f"{one.memory_mib:.1f}",
            f"{one.descriptors[0]}–{one.descriptors[1]}",
            f"{one.threads[0]}–{one.threads[1]}", ", ".join(one.gauges_left) or "none",
        ])
        for one in rows
    ]  # fmt: skip
    return "\n".join(lines)


def write_json(
    path: Path,
    parts: Mapping[str, Sequence[Row]],
    proxies: Sequence[str],
) -> None:
    """Everything that was measured, with the machine and the versions."""
    rows = {part: [asdict(one) for one in measured] for part, measured in parts.items()}
    path.write_text(
        json.dumps({"machine": machine(), "versions": versions(proxies), **rows}, indent=1) + "\n"
    )


def put_into(documents: Sequence[Path], part: str, text: str) -> bool:
    """Replaces what stands between `<!-- bench:PART -->` and `<!-- /bench:PART -->` in documents.

    False if none of them has a place for it.
    """
    start, end = f"<!-- bench:{part} -->", f"<!-- /bench:{part} -->"
    has_place = False
    for document in documents:
        before, opened, rest = document.read_text().partition(start)
        _, closed, after = rest.partition(end)
        if opened and closed:
            document.write_text(f"{before}{start}\n{text}\n{end}{after}")
            has_place = True
    return has_place


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
