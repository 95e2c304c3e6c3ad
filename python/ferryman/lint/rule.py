"""What a rule is, and how it reports.

Owns the form of a rule and of what it finds. Which rules there are is `rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject

DOCUMENT: Final = "docs/lint.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule warns of: at a message, one of its fields, or one item of a repeated field."""

    cursor: Cursor
    text: str
    hint: str
    field: str | None = None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id, what it warns of in one line, and the judgement."""

    id: str
    warns_of: str
    judge: Callable[[Subject], Iterator[Finding]]

    @property
    def link(self) -> str:
        """Its section in the document."""
        return f"{DOCUMENT}#{self.id}"
