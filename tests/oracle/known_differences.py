"""Reads docs/differences_from_envoy.md: the table of differences that cases may name."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences_from_envoy.md"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|")


def known_differences(text: str | None = None) -> list[str]:
    """The ids of the table's rows, in order."""
    lines = (DOCUMENT.read_text() if text is None else text).splitlines()
    return [match[1] for line in lines if (match := ROW.match(line))]
