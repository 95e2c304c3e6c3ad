"""Where a path of the configuration stands in the files that it was loaded from.

Owns keeping their texts, compressed, as they were when they were loaded: a file may have changed since.
Finding a path in a text is the business of `config/source.py`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ferryman.config.problems import Path
    from ferryman.config.source import Format, Source

_STEP: Final = re.compile(r'\.?([A-Za-z0-9_]+)|\[(\d+)\]|\["([^"]*)"\]')


def path_of(text: str) -> Path:
    """The steps of a path such as `static_resources.clusters[0].name`."""
    return tuple(int(index) if index else (field or key) for field, index, key in _STEP.findall(text))


class KeptSources:
    """The texts of a configuration."""

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._texts: list[tuple[str, bytes, Format]] = [
            (source.name, zlib.compress(source.data, 1), source.format) for source in sources
        ]

    def find(self, path: str) -> tuple[str, bool]:
        """`file:line:column` of a path, and whether it stands there; else that of the nearest part above it.

        "" when nothing is known of files. A binary source has no lines.
        """
        from ferryman.config.source import Source, place_in
        from ferryman.config.tree import find

        if not self._texts or not path:
            return "", False
        sources = [Source(name, zlib.decompress(text), form) for name, text, form in self._texts]
        steps = path_of(path)
        readable = [source for source in sources if source.format != "pb"]
        stands = bool(readable) and find([source.root() for source in readable], steps)[1]
        return str(place_in(sources, steps, at_key=stands)), stands
