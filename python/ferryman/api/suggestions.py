"""The known name that a mistyped one most likely meant.

Owns the choice only. difflib is imported at the first mistake: most runs have none.
"""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of the known names, or None when none is near (`cutoff` of 1 is the same)."""
    import difflib

    found = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """`did you mean x?`, or None when nothing is near."""
    found = nearest(name, known, cutoff)
    return f"did you mean {found}?" if found else None
