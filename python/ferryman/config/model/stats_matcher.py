"""Which statistics there are (Envoy: `config.metrics.v3.StatsMatcher`)."""

from __future__ import annotations

from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.struct import Tagged


class AllStats(Tagged, tag="all", frozen=True):
    """All statistics, or none."""

    accepted: bool


class IncludedStats(Tagged, tag="include", frozen=True):
    """Those whose whole names match one of the patterns."""

    patterns: list[StringMatcher]


class ExcludedStats(Tagged, tag="exclude", frozen=True):
    """Those whose whole names match none of the patterns."""

    patterns: list[StringMatcher]


StatsMatcher = AllStats | IncludedStats | ExcludedStats
