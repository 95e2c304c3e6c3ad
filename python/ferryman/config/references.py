"""Names across resources: what is defined, what is used, and what is used but not defined.

Owns the node's names, whether there are internal listeners, the secrets, the clusters' names and everything
that names a cluster. Lowering fills it in as it meets them; `check` then reports every use of a name that is
not there.
"""

from __future__ import annotations

import difflib
from typing import Final

from ferryman.config.cursor import Cursor
from ferryman.config.secrets import Secrets

_MAX_HINTS: Final = 20
"""Names looked up for a likely spelling: the search reads every name that exists."""


class References:
    """The names of one configuration."""

    def __init__(self) -> None:
        self.node_id = ""
        self.node_cluster = ""
        self.internal_buffer_bytes: int | None = None
        self.secrets = Secrets()
        self._clusters: set[str] = set()
        self._uses: list[tuple[str, Cursor, str, bool]] = []
        self._hints: dict[str, str | None] = {}

    def define_cluster(self, name: str) -> bool:
        """Note that a cluster exists; False when one of that name did already."""
        if name in self._clusters:
            return False
        self._clusters.add(name)
        return True

    def use_cluster(self, name: str, cursor: Cursor, field: str) -> None:
        """Note that `field` of the message at `cursor` names a cluster, which must exist."""
        if name:
            self._uses.append((name, cursor, field, True))

    def mention_cluster(self, name: str, cursor: Cursor, field: str) -> None:
        """Note that `field` names a cluster that may come later: its absence is only warned of."""
        if name:
            self._uses.append((name, cursor, field, False))

    def check(self) -> None:
        """Report every cluster that is named and does not exist."""
        for name, cursor, field, must_exist in self._uses:
            if name in self._clusters:
                continue
            report = cursor.problem if must_exist else cursor.warn
            report(f"cluster `{name}` not found", self._hint(name), field, "reference")

    def _hint(self, name: str) -> str | None:
        if name not in self._hints and len(self._hints) < _MAX_HINTS:
            self._hints[name] = self._nearest(name)
        return self._hints.get(name)

    def _nearest(self, name: str) -> str | None:
        near = difflib.get_close_matches(name, self._clusters, n=1)
        if near:
            return f"did you mean `{near[0]}`?"
        if not self._clusters:
            return "no cluster is defined"
        if len(self._clusters) <= 8:
            return "there are " + ", ".join(f"`{known}`" for known in sorted(self._clusters))
        return None
