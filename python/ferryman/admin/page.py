"""What a page is, what it is asked, what it answers.

Owns these four values and nothing else: which pages there are is `pages.py`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from ferryman.admin.config_places import KeptSources
from ferryman.options import Options

TEXT = "text/plain; charset=UTF-8"
JSON = "application/json"


def now() -> datetime:
    """The time of day, of the whole world."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class RunningConfig:
    """The configuration that runs, as the pages tell of it."""

    options: Options
    bootstrap: bytes
    """The envoy.config.bootstrap.v3.Bootstrap, serialized: it is read anew whenever it is asked for."""
    concurrency: int
    """Workers, at least 1."""
    loaded_at: datetime = field(default_factory=now)
    """When the bootstrap was read; the resources in it are applied right after it."""
    applied_at: datetime = field(default_factory=now)
    sources: KeptSources = field(default_factory=KeptSources)
    """The texts that it came from."""
    certificates: Callable[[], list[bytes]] = list
    """Those that are in use now, by TLS context, as msgpack."""
    last_failed_stream: Callable[[str, int | None], list[bytes]] = lambda request_id, connection_id: []
    """The latest stream that ended in an error, if there is one, as msgpack: of a connection, or else by
    request id (any, if empty)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request for a page. Method and path were matched already."""

    query: str = ""
    """What follows the question mark, percent-encoded."""
    body: bytes = b""

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters, decoded; of a name that stands twice the first counts, as with Envoy."""
        return parse_parameters(self.query)

    @property
    def form(self) -> dict[str, str]:
        """The body's parameters, for pages that take a form."""
        return parse_parameters(self.body.decode(errors="replace"))

    def parameter(self, name: str) -> str:
        """One parameter; "" when it is not there, which no page tells from an empty one."""
        return self.parameters.get(name, "")


def parse_parameters(encoded: str) -> dict[str, str]:
    """`a=1&b` as names and values. A plus sign stays one."""
    found: dict[str, str] = {}
    for entry in encoded.split("&"):
        name, _, value = entry.partition("=")
        if name:
            found.setdefault(unquote(name), unquote(value))
    return found


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    body: bytes
    content_type: str = JSON
    status: int = 200


def text_reply(text: str, status: int = 200) -> Reply:
    """An answer in plain text."""
    return Reply(text.encode(), TEXT, status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. Texts are Envoy's, for `/help`."""

    path: str
    help: str
    answer: Callable[[Question, RunningConfig], Reply]
    parameters: tuple[tuple[str, str], ...] = ()
    """Name and meaning of each parameter."""
    post: bool = False
    """Whether it changes something and so must be asked for with POST."""
