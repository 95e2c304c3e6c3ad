"""All statistics of a proxy, in a form in which two proxies can be compared.

Owns: reading the whole of `/stats` and `/stats/prometheus`, and what the two may differ in, of which
`stat_listing.yaml` is the list. The values that traffic changes are compared case by case (`observation`);
here it is which statistics there are, of which kind, with which tags, which were ever written, and the values
of what belongs to no case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.proxy_process import ProxyProcess

RULES = yaml.safe_load((Path(__file__).parent / "stat_listing.yaml").read_text())
KINDS = ("Counters", "Gauges", "Histograms", "TextReadouts")
VALUES = re.compile("|".join(f"(?:{prefix})" for prefix in RULES["values"]))


@dataclass
class StatListing:
    """What a proxy lists."""

    names: set[str]
    """As `Counters cluster.up.upstream_rq_total`."""
    used: set[str]
    """Those of them that were ever written."""
    metrics: set[str]
    """The lines of the Prometheus page without their values."""
    values: set[str]
    """As `listener_manager.listener_added: 3`."""

    @classmethod
    def of(cls, proxy: ProxyProcess, normalise: Callable[[str], str]) -> StatListing:
        """Asks the proxy."""
        prometheus = proxy.admin("/stats/prometheus")[1]
        numbers = proxy.admin("/stats?type=Counters")[1] + proxy.admin("/stats?type=Gauges")[1]
        return cls(
            names=_names(proxy, "", normalise),
            used=_names(proxy, "usedonly&", normalise),
            metrics={
                line if line.startswith("#") else line.rpartition(" ")[0]
                for line in normalise(prometheus).splitlines()
            },
            values={line for line in normalise(numbers).splitlines() if VALUES.match(line)},
        )

    def differences(self, other: StatListing) -> list[str]:
        """What only one of the two has and no rule explains, a line each."""
        lines = []
        for what in ("names", "used", "metrics", "values"):
            mine, others = getattr(self, what), getattr(other, what)
            for sign, found in (("-", mine - others), ("+", others - mine)):
                lines += [
                    f"{what} {sign} {entry}" for entry in sorted(found) if not _is_explained(what, entry)
                ]
        return lines


def _names(proxy: ProxyProcess, parameters: str, normalise: Callable[[str], str]) -> set[str]:
    pages = {kind: proxy.admin(f"/stats?{parameters}type={kind}")[1] for kind in KINDS}
    return {
        f"{kind} {line.partition(': ')[0]}"
        for kind, page in pages.items()
        for line in normalise(page).splitlines()
    }


def _is_explained(what: str, entry: str) -> bool:
    return any(re.search(rule["match"], entry) for rule in RULES["differences"] if what in rule["in"])
