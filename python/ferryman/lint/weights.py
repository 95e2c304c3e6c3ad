"""`zero-weight`: a weighted cluster that gets no request.

Owns the rule. Follows envoy.config.route.v3.WeightedCluster and tcp_proxy's `weighted_clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject


def _judge(subject: Subject) -> Iterator[Finding]:
    for route in subject.routes():
        action = route.action
        if action is not None and action.has("weighted_clusters"):
            weighted = action.child("weighted_clusters")
            # The runtime may give it another weight.
            if not weighted.get("runtime_key_prefix"):
                yield from _without_weight(weighted)


def _without_weight(weighted: Cursor) -> Iterator[Finding]:
    for cluster in weighted.items("clusters"):
        if not cluster.wrapped("weight"):
            name = cluster.get("name") or cluster.get("cluster_header")
            text = f"`{name}` has no weight, so it gets no request"
            yield Finding(cluster, text, "give it a weight, or take it out")


ZERO_WEIGHT: Final = Rule("zero-weight", "a weighted cluster that gets no request", _judge)
