"""Names as they stand in statistics.

Owns Envoy's replacement of what would break the dots of a stat name apart.

Follows Envoy's `Stats::Utility::sanitizeStatsName`.
"""

from __future__ import annotations


def sanitized(name: str) -> str:
    """The name with `://`, `:/` and `:` as `_`, as Envoy shows it."""
    if ":" not in name and "\0" not in name:
        return name
    return name.replace("://", "_").replace(":/", "_").replace(":", "_").replace("\0", "_")
