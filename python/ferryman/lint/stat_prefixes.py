"""`shared-stat-prefix`: two listeners whose statistics are counted together.

Owns the rule. Follows Envoy's pages "HTTP connection manager" and "TCP proxy" (statistics).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import chains_of, network_filters, short_name

if TYPE_CHECKING:
    from ferryman.lint.subject import Subject

_COUNTED: Final = {"HttpConnectionManager": "http", "TcpProxy": "tcp"}


def _judge(subject: Subject) -> Iterator[Finding]:
    first: dict[tuple[str, str], int] = {}
    for number, listener in enumerate(subject.listeners):
        for chain in chains_of(listener):
            for inner in network_filters(chain):
                kind = _COUNTED.get(short_name(inner))
                prefix = inner.get("stat_prefix") if kind else ""
                if kind is None or not prefix:
                    continue
                # The chains of one listener are often one service, and counted together on purpose.
                if first.setdefault((kind, prefix), number) != number:
                    text = f"another listener counts under {kind}.{prefix} too, so their statistics are one"
                    yield Finding(inner, text, "give each a stat_prefix of its own", "stat_prefix")


SHARED_STAT_PREFIX: Final = Rule(
    "shared-stat-prefix", "two listeners whose statistics are counted together", _judge
)
