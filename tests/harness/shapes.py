"""The form of an admin page whose values are times and sizes.

Owns: reducing a JSON or Prometheus body to what two proxies can agree on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any


def shape_of(kind: str, body: str, normalise: Callable[[str], str]) -> Any:
    """What is compared of a body.

    `json`: the value; `json_keys`: key paths with types; `prometheus`: names with labels; `lines`: sorted;
    `stat_names`: the names in /stats.
    """
    if kind == "json":
        return json.loads(body)
    if kind == "json_keys":
        return sorted(_paths(json.loads(body), ""))
    if kind == "prometheus":
        lines = normalise(body).splitlines()
        return sorted({re.sub(r" [-+0-9.eInfNa]+$", "", line) for line in lines if line})
    if kind == "lines":
        return sorted(normalise(body).splitlines())
    if kind == "stat_names":
        return sorted({line.split(":")[0] for line in normalise(body).splitlines()})
    raise ValueError(f"unknown shape {kind!r}")


def _paths(value: Any, path: str) -> set[str]:
    if isinstance(value, dict):
        return {found for key, entry in value.items() for found in _paths(entry, f"{path}.{key}")}
    if isinstance(value, list):
        return {found for entry in value for found in _paths(entry, f"{path}[]")}
    return {f"{path}: {type(value).__name__}"}
