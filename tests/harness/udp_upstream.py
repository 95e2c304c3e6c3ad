"""UDP hosts and clients for tests.

Owns: a host that answers each datagram as its words ask, and clients that send and receive. Does not own the
proxies (`proxy_process`).
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

TIMEOUT_S = 10.0
QUIET_S = 0.15
"""How long nothing must come before it is said that nothing comes."""


class UdpUpstream:
    """A host: `big N` is answered with N bytes, `quiet` not at all, else with its name and the words."""

    def __init__(self, name: str = "host", address: str = "127.0.0.1") -> None:
        """Binds a free port and begins to answer."""
        self.name = name
        self.received: list[bytes] = []
        self.clients: list[tuple[str, int]] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(65_536)
            if data == b"the end of " + self.name.encode():
                return
            self.received.append(data)
            self.clients.append(client[:2])
            words = data.split()
            if words[:1] == [b"big"]:
                self._socket.sendto(b"x" * int(words[1]), client)
            elif words[:1] != [b"quiet"]:
                self._socket.sendto(self.name.encode() + b":" + data, client)

    def close(self) -> None:
        """Stops answering and closes the port."""
        with socket.socket(self._socket.family, socket.SOCK_DGRAM) as last:
            last.sendto(b"the end of " + self.name.encode(), self._socket.getsockname())
        self._thread.join(TIMEOUT_S)
        self._socket.close()


class UdpClient:
    """A client of its own port."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Sends to `address` from a free port."""
        self.received = 0
        self._to = address
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(("::1" if ":" in address[0] else "127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def send(self, data: bytes) -> None:
        """Sends one datagram."""
        self._socket.sendto(data, self._to)

    def receive(self, wait_s: float = TIMEOUT_S) -> tuple[bytes, tuple[str, int]] | None:
        """The next datagram and who sent it; None when none comes."""
        self._socket.settimeout(wait_s)
        with suppress(TimeoutError):
            data, sender = self._socket.recvfrom(65_536)
            self.received += 1
            return data, sender[:2]
        return None

    def ask(self, data: bytes) -> bytes:
        """Sends, and the answer."""
        self.send(data)
        answer = self.receive()
        assert answer is not None, f"no answer to {data[:50]!r}"
        return answer[0]

    def close(self) -> None:
        """Closes the port."""
        self._socket.close()
