"""Asking the admin pages of a running proxy.

Owns the connection, over TCP or a Unix domain socket. What the pages say is `admin/`'s business.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from ferryman.errors import FerrymanError

PATIENCE_S = 15.0
"""For how long an answer is waited for."""


class _PathConnection(HTTPConnection):
    """HTTP over a Unix domain socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        """Connects to the path; `@` begins an abstract name."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect("\0" + self._path[1:] if self._path.startswith("@") else self._path)


def ask(address: str, page: str, parameters: Mapping[str, str]) -> tuple[int, str]:
    """Status and text of a page; parameters that are empty are left out. Raises FerrymanError."""
    is_path = address.startswith(("/", "@"))
    query = urlencode({name: value for name, value in parameters.items() if value})
    try:
        connection = _PathConnection(address) if is_path else HTTPConnection(address, timeout=PATIENCE_S)
        with closing(connection):
            connection.request("GET", f"{page}?{query}" if query else page)
            with connection.getresponse() as response:
                return response.status, response.read().decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise FerrymanError(
            f"no answer from the admin pages at {address}: {reason}; --admin says where"
        ) from None
