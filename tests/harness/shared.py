"""One started thing (a rig, a pair of rigs) for all cases of an area.

Owns: when it is started and ended. If an area cannot start as a whole because a proxy refuses its
configuration, it is started without the cases that Ferryman refuses; if that fails too, each case is started
alone. So one refused field fails its own case only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from harness.case import Area, Case
from harness.proxy_process import StartError
from harness.refusals import refusals


class Closing(Protocol):
    """Something to end."""

    def close(self) -> None:
        """End it."""


T = TypeVar("T", bound=Closing)


class Shared(Generic[T]):
    """Keeps what serves the current area open, and nothing else."""

    def __init__(self, start: Callable[[Area, Path], T], directory: Path) -> None:
        self._start, self._directory, self._count = start, directory, 0
        self._area: Area | None = None
        self._refused: dict[str, str] = {}
        self._serves_all = False
        self._open: T | None = None

    def serving(self, area: Area, case: Case) -> T:
        """What serves the case; StartError if its configuration is refused."""
        if self._area is not area:
            self._area = area
            self._begin(area)
        if case.name in self._refused:
            raise StartError(self._refused[case.name])
        if self._serves_all and self._open is not None:
            return self._open
        return self._replace(area.alone(case))

    def serving_all(self, area: Area) -> T | None:
        """What serves all cases of the area at once, if there is such a thing."""
        if self._area is not area:
            self._area = area
            self._begin(area)
        return self._open if self._serves_all else None

    def _begin(self, area: Area) -> None:
        """Starts the area as a whole; if it is refused, what is left without the cases that are to blame."""
        self._refused = {}
        self._serves_all = True
        try:
            self._replace(area)
        except StartError:
            self._refused = refusals(area)
            try:
                self._replace(area.without(self._refused))
            except StartError:
                self._serves_all = False

    def forget(self) -> None:
        """End what is open; the next case starts anew."""
        self.close()
        self._area = None

    def close(self) -> None:
        """End what is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _replace(self, area: Area) -> T:
        self.close()
        self._count += 1
        directory = self._directory / f"{self._count}-{area.name}"
        directory.mkdir(parents=True)
        self._open = self._start(area, directory)
        return self._open
