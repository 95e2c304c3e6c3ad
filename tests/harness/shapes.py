"""The form of an admin page whose values are times and sizes.

Owns: reducing a JSON or Prometheus body to what two proxies can agree on.
"""

from __future__ import annotations

import json
import re
from typing import Any


def shape_of(kind: str, body: str) -> Any:
    """`json_keys`: every key path and value type; `prometheus`: every name with labels, and the types."""
    if kind == "json_keys":
        return sorted(_paths(json.loads(body), ""))
    if kind == "prometheus":
        return sorted({re.sub(r" [-+0-9.eInfNa]+$", "", line) for line in body.splitlines() if line})
    raise ValueError(f"unknown shape {kind!r}")


def _paths(value: Any, path: str) -> set[str]:
    if isinstance(value, dict):
        return {found for key, entry in value.items() for found in _paths(entry, f"{path}.{key}")}
    if isinstance(value, list):
        return {found for entry in value for found in _paths(entry, f"{path}[]")}
    return {f"{path}: {type(value).__name__}"}
