"""Small upstream services for the demo, the examples and a first try: HTTP/1.1 and TCP echo.

Owns their behaviour, which the request's query steers, and starting one at each endpoint of a configuration:

    show=a,b       tell the values of these request headers
    status=503     answer with this status
    delay_ms=300   wait first
    size=1048576   a body of so many bytes

By hand: `python -m ferryman.demo.sample_upstreams 8081 /tmp/app.sock tcp:9000`, or with a configuration
(`ferryman.yaml`) in place of an address for all its endpoints. Not for load: one thread a connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import stat
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

MAX_BODY_BYTES = 64 << 20


class SampleHandler(BaseHTTPRequestHandler):
    """Answers every request with the upstream's name and what it saw."""

    protocol_version = "HTTP/1.1"
    server_version = "sample-upstream"
    sys_version = ""
    upstream_name: ClassVar[str] = ""

    def _answer(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        received = self._read_body()
        time.sleep(min(60_000, int(query.get("delay_ms", ["0"])[0])) / 1000)
        lines = [f"{self.upstream_name}: {self.command} {self.path}"]
        if received:
            lines.append(f"body: {received} bytes")
        for name in filter(None, query.get("show", [""])[0].split(",")):
            lines.append(f"{name}: {self.headers.get(name, '(absent)')}")
        body = ("\n".join(lines) + "\n").encode()
        if "size" in query:
            body = b"x" * min(MAX_BODY_BYTES, int(query["size"][0]))
        self.send_response(int(query.get("status", ["200"])[0]))
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-upstream", self.upstream_name)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _read_body(self) -> int:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        left = total = int(self.headers.get("content-length", "0"))
        while left > 0:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                break
            left -= len(piece)
        return total - left

    def _read_chunks(self) -> int:
        total = 0
        while size := int(self.rfile.readline().split(b";")[0], 16):
            total += len(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return total

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the proxy's access log is the one to read."""


class _EchoHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := self.request.recv(1 << 16):
                self.request.sendall(piece)


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that leaves in the middle is nothing to report here."""


class _UnixServer(_TcpServer):
    address_family = socket.AF_UNIX
    allow_reuse_address = False

    def server_bind(self) -> None:
        path = str(self.server_address)
        # The socket of an earlier run goes; any other file stays, and bind says that the address is in use.
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
        super().server_bind()


Address = tuple[str, int] | str


class SampleUpstream:
    """One running upstream. `address` is (host, port) or the path of a Unix socket; `kind` http or echo."""

    def __init__(self, address: Address, *, kind: str = "http", name: str | None = None) -> None:
        """Binds and serves at once, in threads. Raises OSError if the address is taken."""
        self.name = name or (address if isinstance(address, str) else f"upstream-{address[1]}")
        handler: type[socketserver.BaseRequestHandler] = _EchoHandler
        if kind == "http":
            # `wbufsize`: head and body leave in one write, so no delayed ACK distorts the demo's latency.
            handler = type("Handler", (SampleHandler,), {"upstream_name": self.name, "wbufsize": 1 << 16})
        self.address: Any = address
        """(host, port), with the port that the kernel gave for 0; or the path of a Unix socket."""
        if isinstance(address, str):
            self._server: socketserver.TCPServer = _UnixServer(address, handler)  # type: ignore[arg-type]
        else:
            self._server = _TcpServer(address, handler)
            self.address = (address[0], self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops accepting and closes the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def upstreams_for(configuration: dict[str, Any]) -> Iterator[list[SampleUpstream]]:
    """A running upstream at every endpoint of an Envoy configuration: TCP echo where only tcp_proxy goes."""
    resources = configuration["static_resources"]
    echo_clusters = set(_tcp_clusters(resources.get("listeners", [])))
    running: list[SampleUpstream] = []
    try:
        for cluster in resources.get("clusters", []):
            kind = "echo" if cluster["name"] in echo_clusters else "http"
            for number, address in enumerate(_addresses(cluster), start=1):
                running.append(SampleUpstream(address, kind=kind, name=f"{cluster['name']}-{number}"))
        yield running
    finally:
        for upstream in running:
            upstream.close()


def _addresses(cluster: dict[str, Any]) -> Iterator[Address]:
    for locality in cluster.get("load_assignment", {}).get("endpoints", []):
        for entry in locality.get("lb_endpoints", []):
            address = entry["endpoint"]["address"]
            if "pipe" in address:
                yield address["pipe"]["path"]
            else:
                yield address["socket_address"]["address"], address["socket_address"]["port_value"]


def _tcp_clusters(listeners: list[dict[str, Any]]) -> Iterator[str]:
    for listener in listeners:
        chains = [*listener.get("filter_chains", []), listener.get("default_filter_chain", {})]
        for chain in chains:
            for network_filter in chain.get("filters", []):
                settings = network_filter["typed_config"]
                if settings["@type"].endswith(".TcpProxy"):
                    weighted = settings.get("weighted_clusters", {}).get("clusters", [])
                    yield from (choice["name"] for choice in weighted)
                    if "cluster" in settings:
                        yield settings["cluster"]


def main(arguments: list[str]) -> None:
    """Serves at each address until Ctrl-C: `8081`, `tcp:9000`, `/path/to.sock`, or all of a `.yaml`."""
    if not arguments:
        sys.exit(
            "usage: python -m ferryman.demo.sample_upstreams ADDRESS…   "
            "(8081, tcp:9000, /path/to.sock, or a configuration: ferryman.yaml)"
        )
    with contextlib.ExitStack() as running, contextlib.suppress(KeyboardInterrupt):
        for text in arguments:
            try:
                _serve(text, running)
            except OSError as error:
                sys.exit(f"error: {text}: {error.strerror}")
        threading.Event().wait()


def _serve(text: str, running: contextlib.ExitStack) -> None:
    if text.endswith((".yaml", ".yml")):
        import yaml

        configuration = yaml.safe_load(Path(text).read_text())
        for upstream in running.enter_context(upstreams_for(configuration)):
            print(f"{upstream.name} at {_shown(upstream.address)}", flush=True)
        return
    kind = "echo" if text.startswith("tcp:") else "http"
    place = text.removeprefix("tcp:")
    address = ("127.0.0.1", int(place)) if place.isdigit() else place
    upstream = SampleUpstream(address, kind=kind)
    running.callback(upstream.close)
    print(f"{upstream.name} ({kind}) at {text}", flush=True)


def _shown(address: Address) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"


if __name__ == "__main__":
    main(sys.argv[1:])
