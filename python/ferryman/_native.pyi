"""The data plane. Everything here is Rust; see `crates/native`."""

from collections.abc import Sequence
from typing import Self, final

__all__ = [
    "AdminRequest",
    "NativeError",
    "Proxy",
    "Regex",
    "__version__",
    "check_certificate",
    "check_operator",
    "check_regex",
    "check_trusted_ca",
    "log",
]

class NativeError(Exception):
    """The data plane refused: `args[0]` is one clear line (what, where, why)."""

@final
class AdminRequest:
    """An admin page that Python answers; `reply` must be called exactly once."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    def reply(self, status: int, content_type: str, body: bytes) -> None: ...

@final
class Proxy:
    """One data plane: workers, listeners, clusters, admin.

    Create, `apply`, `start`, then `next_event` until it ends.
    """

    def __new__(
        cls,
        bootstrap: bytes,
        *,
        log_level: str,
        component_log_levels: Sequence[tuple[str, str]],
        log_path: str | None,
        log_format: str,
        log_format_escaped: bool,
        server_info: bytes,
        python_pages: Sequence[tuple[str, str, str]],
    ) -> Self:
        """Makes the data plane; nothing is bound yet.

        `bootstrap`: a `model.Bootstrap` in msgpack. `server_info`: the JSON that `/server_info` completes
        with state and uptime. `python_pages`: path, method (GET or POST) and help text of the admin pages
        that Python answers.
        Raises NativeError.
        """

    def apply(self, clusters: Sequence[bytes], listeners: Sequence[bytes]) -> None:
        """Takes a whole configuration (each a model in msgpack): compiles all of it, binds, then swaps.

        Raises NativeError, and then nothing was bound or changed.
        """

    def start(self, *, signals: bool = True) -> None:
        """Starts workers, the control thread and admin; from here on traffic flows.

        `signals`: SIGTERM and SIGINT drain and end the proxy, SIGUSR1 reopens the logs. Without it all three
        stay with Python.
        """

    def admin_address(self) -> str | None:
        """The address that admin listens on, `IP:port` or a path."""

    def listener_addresses(self) -> list[tuple[str, str]]:
        """Name and bound address of each listener."""

    def next_event(self, timeout_s: float | None) -> AdminRequest | str | None:
        """Waits, with the GIL released, for work for Python.

        An `AdminRequest`, or "stopped" once drained and ended, "failed" once no worker is left; None
        when the time is over.
        """

    def certificates(self) -> list[bytes]:
        """The certificates in use now, by TLS context, each in msgpack. See `admin/certificates.py`."""

    def failed_streams(self, *, request_id: str, connection_id: int | None, most: int) -> list[bytes]:
        """The latest streams that ended in an error made by the proxy, the latest first, each in msgpack.

        Those of this downstream connection, or else with this `x-request-id`, or all if it is empty; at most
        `most`. See `admin/failed_stream.py`.
        """

    def shutdown(self, *, drain: bool) -> None:
        """Asks it to end, as SIGTERM does; `next_event` then says "stopped"."""

    def close(self) -> None:
        """Joins all threads and closes all sockets. Idempotent."""

@final
class Regex:
    """A compiled RE2 pattern, which takes time linear to the text."""

    def __new__(cls, pattern: str) -> Self:
        """Raises NativeError when the data plane's engine does not take the pattern."""

    def matches(self, text: str) -> bool:
        """Whether it matches the whole text."""

def check_regex(pattern: str) -> str | None:
    """None if the data plane's engine takes this RE2 pattern, else why not."""

def check_operator(name: str, argument: str | None) -> str | None:
    """None if the data plane can fill this command operator, else why not."""

def check_certificate(chain: bytes, key: bytes) -> tuple[str, str] | None:
    """None if the data plane can use this chain and key, else which of them not, and why."""

def check_trusted_ca(trusted_ca: bytes | None, crl: bytes | None) -> tuple[str, str] | None:
    """None if the data plane can use both, else which of them not, and why."""

def log(level: str, component: str, message: str) -> None:
    """Writes one line to the application log, in its format, if the component's level lets it through."""

__version__: str
