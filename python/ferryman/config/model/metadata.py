"""Metadata (Envoy: `config.core.v3.Metadata`)."""

from __future__ import annotations

from typing import Any

Struct = dict[str, Any]
"""None, floats, texts, bools, lists and further structs by name, sorted by it."""

Metadata = dict[str, Struct]
"""Structs by namespace, sorted by it."""
