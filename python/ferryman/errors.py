"""Every exception that Ferryman raises on purpose, and how they hang together.

    FerrymanError                 all of them; str() is a sentence for the user, never a traceback
    ├── ConfigError               the configuration was refused; `.problems` has every reason
    ├── SourceError               a configuration file could not be read at all
    └── StartError                the configuration is good, but the machine says no (a port in use, …)

Owns the exception types only. What a problem in a configuration is, and how it is shown, is
`ferryman.config.problems`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferryman.config.problems import Problems


class FerrymanError(Exception):
    """Something went wrong that the user can do something about."""


class ConfigError(FerrymanError):
    """The configuration was refused. `problems` holds all that was found, warnings included."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """All problems as text, with their places and excerpts."""
        return self.problems.as_text()


class SourceError(FerrymanError):
    """A configuration file cannot be read: missing, a folder, no permission, not UTF-8."""


class WorkersEndedError(FerrymanError):
    """All workers ended by themselves, each by a bug that the log tells of."""


class StartError(FerrymanError):
    """The machine refuses what the configuration asks for: a port in use, a log that cannot be opened."""
