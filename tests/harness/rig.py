"""One proxy between scripted clients and scripted upstreams, for the cases of one area.

Owns: the order of events in a case. The proxy is quiet before a case and after it: no connection is
open on either side, so that every case starts alike and its stats deltas are complete. What must not
happen is awaited with a request to a listener of the harness's own (the sentinel) on the same worker,
never with a pause.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

from harness.bootstrap import SENTINEL, bootstrap_of, substitute
from harness.case import Area, Case
from harness.observation import Normaliser, Observation, stat_deltas
from harness.proxy_process import ProxyProcess
from harness.script import Conversation, ScriptError, Signals, Step
from harness.stat_listing import StatListing
from harness.upstream import Refusing, Replies, Silent, Upstream

ACTIVE = re.compile(r"(_cx_active|_rq_active|_rq_pending_active)$")
SERVICE_TIME = re.compile(rb"(?i)\r\nx-envoy-upstream-service-time: (\d+)\r\n")
QUIET_LIMIT = 4.0
SERVER_NAMES = ("up", "up2", "up3", "up.sock")


class Rig:
    """A started proxy with its upstreams; `run` plays one case."""

    def __init__(self, which: str, area: Area, directory: Path, descriptors: int | None = None) -> None:
        self.which = which
        self.directory = directory
        self.log_path = directory / "access.log"
        self._servers = {name: Upstream(name, directory) for name in SERVER_NAMES}
        self._others: dict[str, Refusing | Silent] = {"refused": Refusing(), "silent": Silent()}
        self._free_ports: dict[str, int] = {}
        self._sentinel: socket.socket | None = None
        self._barriers = 0
        try:
            config = substitute(bootstrap_of(area), self._lookup)
            self.proxy = ProxyProcess(which, config, directory, area.flags, descriptors)
        except Exception:
            self._close_servers()
            raise
        self._listeners = self.proxy.listeners()

    def close(self) -> None:
        """End the proxy and the upstreams."""
        self.proxy.stop()
        if self._sentinel:
            self._sentinel.close()
        self._close_servers()

    def run(self, case: Case) -> Observation:
        """Play a case and record what happened."""
        signals = Signals(case.limit, self.proxy.admin, self.directory)
        observation = Observation()
        self._begin_upstreams(case, signals)
        before = self.proxy.stats()
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        clients = self._play_clients(case, signals, observation)
        self.barrier()
        for client in clients:
            client.read_ready()
        ports = self._port_names(clients)
        for client in clients:
            client.hang_up()
        self._settle(observation)
        after = self.proxy.stats()
        lines = self._log_lines(log_start)
        normaliser = Normaliser(ports, str(self.directory), case.mask, case.shape)
        self._record(case, observation, clients, normaliser)
        observation.log = [normaliser.log_line(line, split=case.log_format is None) for line in lines]
        deltas = stat_deltas(before, after, case.stats, case.ignore_stats)
        _take_out_time_digits(deltas, clients)
        deltas = normaliser.sizes_taken_out(deltas)
        observation.stats = {normaliser.text(name): delta for name, delta in deltas.items()}
        return observation

    def listing(self) -> StatListing:
        """All statistics there are now."""
        normaliser = Normaliser(self._port_names([]), str(self.directory), [], None)
        return StatListing.of(self.proxy, normaliser.text)

    def begin(self, case: Case, signals: Signals | None = None) -> None:
        """Let the upstreams play the case's script, for tests that drive the clients themselves."""
        self._begin_upstreams(case, signals or Signals(case.limit))

    def forwarded(self, server: str) -> list[bytes]:
        """What an upstream server saw since `begin`, a connection each."""
        return self._servers[server].recorded()

    def address(self, listener: str) -> tuple[str, int]:
        """Where a TCP listener is."""
        found = self._listeners[listener]
        assert not isinstance(found, str)
        return found

    def _begin_upstreams(self, case: Case, signals: Signals) -> None:
        scripts = self._fill(case, case.upstream)
        by_server = isinstance(scripts, dict) and "replies" not in scripts
        for name, server in self._servers.items():
            script = scripts.get(name) if by_server else scripts
            server.begin(Replies.load(script), signals, case.limit)

    def _play_clients(self, case: Case, signals: Signals, observation: Observation) -> list[Conversation]:
        scripts: list[list[Step]] = self._fill(case, case.scripts())
        clients = [Conversation(self._connect(case), signals, case.limit) for _ in scripts]

        def play(client: Conversation, script: list[Step]) -> None:
            try:
                client.play(script)
            except ScriptError as error:
                observation.problems.append(f"client: {error}")

        threads = [
            threading.Thread(target=play, args=pair) for pair in zip(clients[1:], scripts[1:], strict=True)
        ]
        for thread in threads:
            thread.start()
        play(clients[0], scripts[0])
        for thread in threads:
            thread.join()
        return clients

    def _connect(self, case: Case) -> socket.socket:
        if case.admin is not None:
            address: Any = self.proxy.admin_address
        elif case.to is not None:
            host, _, port = self._fill(case, case.to).rpartition(":")
            address = (host, int(port))
        else:
            address = self._listeners[case.listener_name]
        if isinstance(address, str):
            unix = socket.socket(socket.AF_UNIX)
            unix.settimeout(case.limit)
            unix.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            return unix
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family)
        sock.settimeout(case.limit)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if case.source:
            host, _, port = str(self._fill(case, case.source)).partition(":")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, int(port or 0)))
        sock.connect(address)
        return sock

    def barrier(self) -> int:
        """A round trip through the worker; returns its number."""
        self._barriers += 1
        if self._sentinel is None:
            self._sentinel = socket.create_connection(self._listeners[SENTINEL], timeout=10)  # type: ignore[arg-type]
        self._sentinel.sendall(f"GET /{self._barriers} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            data = self._sentinel.recv(4096)
            if not data:
                raise RuntimeError(f"{self.which} closed the sentinel connection: {self.proxy.output}")
            received += data
        return self._barriers

    def _settle(self, observation: Observation) -> None:
        self._wait_until_quiet(observation, "downstream_")
        for server in self._servers.values():
            server.hang_up()
        self._wait_until_quiet(observation, "")

    def _wait_until_quiet(self, observation: Observation, part: str) -> None:
        deadline = time.monotonic() + QUIET_LIMIT
        while True:
            active = [
                name
                for name, value in self.proxy.stats(f"{part}.*_active$").items()
                if value and ACTIVE.search(name) and not re.search(r"\.(sentinel|admin)\.", name)
            ]
            if not active:
                return
            if time.monotonic() > deadline:
                observation.problems.append(f"still active: {', '.join(active)}")
                return
            time.sleep(0.001)

    def _log_lines(self, start: int) -> list[str]:
        marker = f"{SENTINEL} /{self.barrier()}\n"
        deadline = time.monotonic() + QUIET_LIMIT
        while time.monotonic() < deadline:
            if self.log_path.exists():
                with self.log_path.open("rb") as log:
                    log.seek(start)
                    text = log.read().decode("latin-1")
                if marker in text:
                    lines = text[: text.index(marker)].splitlines()
                    return [line for line in lines if not line.startswith(SENTINEL)]
            time.sleep(0.001)
        raise RuntimeError(f"{self.which} did not log the sentinel request; it said: {self.proxy.output}")

    def _record(
        self, case: Case, observation: Observation, clients: list[Conversation], normaliser: Normaliser
    ) -> None:
        for client in clients:
            side = normaliser.side(bytes(client.received), client.methods, bool(client.ended))
            tls = {"tls": client.tls} if client.tls else {}
            observation.connections.append({**side, "closed": bool(client.ended), **tls})
            observation.downstream_bytes.append(normaliser.exact(bytes(client.received)))
        for name, server in self._servers.items():
            recorded = server.recorded()
            if recorded:
                observation.upstreams[name] = [normaliser.side(data, None, True) for data in recorded]
                observation.upstream_bytes[name] = [normaliser.exact(data) for data in recorded]
            observation.problems += server.errors

    def _port_names(self, clients: list[Conversation]) -> dict[int, str]:
        names = {server.port: f"<{name}>" for name, server in self._servers.items() if server.port}
        names |= {other.port: f"<{name}>" for name, other in self._others.items()}
        names |= {port: f"<{name}>" for name, port in self._free_ports.items()}
        for name, address in self._listeners.items():
            if not isinstance(address, str):
                names.setdefault(address[1], f"<{name}>")
        names[self.proxy.admin_address[1]] = "<admin>"
        for client in clients:
            names.setdefault(client.local_port, "<client>")
        return names

    def _fill(self, case: Case, value: Any) -> Any:
        return substitute(value, lambda name: case.host if name == "host" else self._lookup(name))

    def _lookup(self, name: str) -> str:
        if name in self._servers:
            server = self._servers[name]
            return str(server.path or server.port)
        if name in self._others:
            return str(self._others[name].port)
        if name == "dir":
            return str(self.directory)
        if name == "log":
            return str(self.log_path)
        if name.startswith(("cert:", "key:")):
            from harness import certificates  # only where it is needed: `cryptography` is

            kind, _, which = name.partition(":")
            return str(certificates.write(kind, which, self.directory))
        if name.startswith("port:"):
            if name not in self._free_ports:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    self._free_ports[name] = probe.getsockname()[1]
            return str(self._free_ports[name])
        raise KeyError(f"unknown placeholder $({name})")

    def _close_servers(self) -> None:
        for server in self._servers.values():
            server.close()
        for other in self._others.values():
            other.close()


def _take_out_time_digits(deltas: dict[str, int], clients: list[Conversation]) -> None:
    """A service time of two digits is one byte more on the wire than one of one digit."""
    extra = sum(len(time) - 1 for client in clients for time in SERVICE_TIME.findall(client.received))
    for name in deltas:
        if name.endswith(".downstream_cx_tx_bytes_total"):
            deltas[name] -= extra
