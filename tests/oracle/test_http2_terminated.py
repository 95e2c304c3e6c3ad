"""CONNECT and POST of HTTP/2 clients that end here: what is seen through Envoy and Ferryman is equal."""

from __future__ import annotations

import difflib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from harness.http2_client import Http2Client
from harness.http2_upstream import Answering, Asked, ok
from harness.proxy_process import ProxyProcess

from oracle.test_http2_upstream import Exchange, Side, configuration, volatile

pytestmark = pytest.mark.oracle
MUCH = 300_000


@dataclass
class Terminated(Exchange):
    """What is asked, how the host behaves, and how the client ends."""

    method: str = "CONNECT"
    connect: dict[str, Any] = field(default_factory=dict)
    host: str = "echoes"
    says: bytes = b"hello"
    early: bytes = b""
    reads: int | None = None
    ends: str = "half"
    more_route: dict[str, Any] = field(default_factory=dict)
    to: str = "up"

    def __post_init__(self) -> None:
        match = {"connect_matcher": {}} if self.method == "CONNECT" else {"prefix": "/"}
        upgrade = {"upgrade_type": "CONNECT", "connect_config": self.connect}
        cluster = self.slug if self.to == "up" else self.to
        route = {
            "match": match,
            "route": {"cluster": cluster, "upgrade_configs": [upgrade], **self.more_route},
        }
        self.hcm = {
            "upgrade_configs": [{"upgrade_type": "CONNECT"}],
            "http2_protocol_options": {"allow_connect": True},
            "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
            **self.hcm,
        }


class TcpUpstream:
    """A host of plain TCP that behaves as it is told; what came on each connection is in `seen`."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = int(self.listener.getsockname()[1])
        self.host = "echoes"
        self.seen: list[Asked] = []
        self.answer: Answering = ok
        self.eager = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            asked = Asked()
            self.seen.append(asked)
            threading.Thread(target=self._serve, args=(connection, asked, self.host), daemon=True).start()

    def _serve(self, connection: socket.socket, asked: Asked, host: str) -> None:
        with connection:
            try:
                if host == "speaks first":
                    connection.sendall(b"welcome")
                while data := connection.recv(65536):
                    asked.body += data
                    if host == "echoes":
                        connection.sendall(data)
                    elif host == "closes":
                        connection.sendall(b"bye")
                        return
                    elif host == "resets":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    elif host == "says much":
                        connection.sendall(b"x" * MUCH)
                asked.ended = True
            except OSError as error:
                asked.reset = error.errno


def ask(address: tuple[str, int], tunnel: Terminated) -> list[Any]:
    head = [(":method", tunnel.method), (":authority", "h.test:80")]
    if tunnel.method != "CONNECT":
        head += [(":scheme", "http"), (":path", "/tcp")]
    reads = len(tunnel.early + tunnel.says) if tunnel.reads is None else tunnel.reads
    with closing(Http2Client(address)) as client:
        stream = client.request(head, b"")
        if tunnel.early:
            client.send(stream, tunnel.early, end_stream=False)
        answer = client.wait_for_headers(stream)
        if dict(answer.headers).get(":status") == "200" and not client.is_over(stream):
            if tunnel.says:
                client.send(stream, tunnel.says, end_stream=False)
            client.wait_for_body(stream, reads)
            if not client.is_over(stream):
                if tunnel.ends == "half":
                    client.h2.end_stream(stream)
                elif tunnel.ends == "trailers":
                    client.h2.send_headers(stream, [("x-t", "end")], end_stream=True)
                elif tunnel.ends == "resets":
                    client.h2.reset_stream(stream, 8)
                client.flush()
        if tunnel.ends not in ("leaves", "resets"):
            client.wait(stream)
        body = answer.body.decode("latin-1") if len(answer.body) < 100 else str(len(answer.body))
        return [{**vars(answer), "headers": volatile(answer.headers), "body": body}]


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("connect", {}),
    ("post", {"method": "POST", "connect": {"allow_post": True}}),
]
VERSIONS = [
    ("text", {"version": "V1"}),
    ("binary", {"version": "V2"}),
]

TUNNELS = [
    tunnel
    for kind, more in KINDS
    for tunnel in [
        Terminated(f"{kind} and both end", **more),
        Terminated(f"{kind} with early bytes", early=b"early", **more),
        Terminated(f"{kind} with much data", says=b"0123456789" * 6000, **more),
        Terminated(f"{kind} that the client leaves", ends="leaves", **more),
        Terminated(f"{kind} that the client resets", ends="resets", **more),
        Terminated(f"{kind} that the client ends with trailers", ends="trailers", **more),
        Terminated(f"{kind} to a host that speaks first", host="speaks first", says=b"", reads=7, **more),
        Terminated(f"{kind} to a host that closes", host="closes", ends="waits", **more),
        Terminated(f"{kind} to a host that says much", host="says much", reads=MUCH, **more),
        Terminated(f"{kind} that is idle", ends="waits", more_route={"idle_timeout": "0.2s"}, **more),
        Terminated(f"{kind} that outlasts the timeout", more_route={"timeout": "0.1s"}, **more),
        Terminated(f"{kind} to a cluster that is not there", to="nowhere", **more),
        # Of a CONNECT the code of the reset is another one than Envoy's.
        *([Terminated(f"{kind} to a host that resets", host="resets", ends="waits", **more)] if more else []),
        *(
            Terminated(
                f"{kind} with a {what} proxy header",
                **{**more, "connect": {**more.get("connect", {}), "proxy_protocol_config": header}},
            )
            for what, header in VERSIONS
        ),
    ]
]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        upstream: Any = TcpUpstream()
        configured = configuration(upstream.port, directory, TUNNELS)  # type: ignore[arg-type]
        for listener in configured["static_resources"]["listeners"]:
            manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
            manager["route_config"]["validate_clusters"] = False
        process = ProxyProcess(which, configured, directory, [])
        started.append(Side(process, upstream, directory))
    yield started
    for side in started:
        side.process.stop()
        side.upstream.close()


def masked(text: str) -> str:
    """Ports of the client and of the listener differ; the binary header ends with them."""
    text = re.sub(r"PROXY (\S+ \S+ \S+) \d+ \d+", r"PROXY \1", text)
    return re.sub(
        r"(QUIT.n!.u0011.u0000.f(?:.u007f|\x7f).*?(?:.u007f|\x7f).u0000.u0000.u0001).*?hello",
        r"\1 hello",
        text,
    )


@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: tunnel.name)
def test_same_as_envoy(tunnel: Terminated, sides: list[Side]) -> None:
    found = []
    for side in sides:
        side.upstream.host = tunnel.host  # type: ignore[attr-defined]
        observed = side.observe(tunnel, lambda address, _: ask(address, tunnel))
        found.append(masked(json.dumps(observed, indent=1, sort_keys=True)).splitlines())
    apart = list(difflib.unified_diff(*found, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)
