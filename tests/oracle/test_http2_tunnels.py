"""Upgrades and CONNECT to hosts of HTTP/2: what is seen through Envoy and Ferryman must be equal."""

from __future__ import annotations

import difflib
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from harness.http2_client import Http2Client
from harness.http2_upstream import UpstreamSide

from oracle.test_http2_upstream import (
    HEAD,
    Exchange,
    Request,
    Side,
    answers,
    both_sides,
    resets,
    volatile,
)

pytestmark = pytest.mark.oracle

CONNECT_PROTOCOL = {8: 1}
"""SETTINGS_ENABLE_CONNECT_PROTOCOL."""


@dataclass
class Tunnel(Exchange):
    """What is asked for, and what is said once, or before, the host agreed."""

    wants: str = "websocket"
    early: bytes = b""
    ends: bool = True
    """Whether the client ends its side, and waits for the other; else it goes."""
    eager: bool = True
    echoes: bool = True

    def __post_init__(self) -> None:
        self.hcm = {
            "upgrade_configs": [{"upgrade_type": name} for name in ("websocket", "foo", "CONNECT")],
            "http2_protocol_options": {"allow_connect": True},
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "v",
                        "domains": ["*"],
                        "routes": [
                            {"match": match, "route": {"cluster": self.slug}}
                            for match in ({"connect_matcher": {}}, {"prefix": "/"})
                        ],
                    }
                ]
            },
            **self.hcm,
        }


def receive_head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            break
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def receive(client: socket.socket, size: int, data: bytes) -> bytes:
    """So many bytes, or up to the end."""
    while len(data) < size:
        more = client.recv(65536)
        if not more:
            break
        data += more
    return data


def ask1(address: tuple[str, int], tunnel: Tunnel) -> list[Any]:
    """Over HTTP/1.1."""
    if tunnel.wants == "CONNECT":
        head = "CONNECT h.test:80 HTTP/1.1\r\nhost: h.test:80\r\n"
    else:
        head = f"GET /chat HTTP/1.1\r\nhost: h.test\r\nconnection: Upgrade\r\nupgrade: {tunnel.wants}\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in tunnel.request.headers)
    with socket.create_connection(address, timeout=10) as client:
        client.sendall((head + fields + "\r\n").encode() + tunnel.early)
        answer, rest = receive_head(client)
        lines = answer.decode().split("\r\n")
        found = [lines[0], volatile([tuple(line.split(": ", 1)) for line in lines[1:]])]  # type: ignore[misc]
        if lines[0].split(" ")[1:2] not in (["101"], ["200"]) or b"content-length" in answer:
            return [*found, receive(client, 1 << 30, rest).decode("latin-1")]
        try:
            rest = receive(client, len(tunnel.early), rest)
            client.sendall(b"hello")
            rest = receive(client, len(tunnel.early) + 5, rest)
            if tunnel.ends:
                client.shutdown(socket.SHUT_WR)
                rest = receive(client, 1 << 30, rest)
        except OSError:
            rest += b" and no more"
        return [*found, rest.decode("latin-1")]


def ask2(address: tuple[str, int], tunnel: Tunnel) -> list[Any]:
    """Over HTTP/2."""
    head = [(":method", "CONNECT"), (":authority", "h.test:80")]
    if tunnel.wants != "CONNECT":
        head = [
            (":method", "CONNECT"),
            (":protocol", tunnel.wants),
            (":scheme", "http"),
            (":authority", "h.test"),
            (":path", "/chat"),
        ]
    with closing(Http2Client(address)) as client:
        stream = client.request(head + tunnel.request.headers, b"")
        if tunnel.early:
            client.send(stream, tunnel.early, end_stream=False)
        answer = client.wait_for_headers(stream)
        agreed = dict(answer.headers).get(":status") == "200" and not client.is_over(stream)
        if agreed:
            client.send(stream, b"hello", end_stream=False)
            client.wait_for_body(stream, len(tunnel.early) + 5)
            if tunnel.ends and not client.is_over(stream):
                client.h2.end_stream(stream)
                client.flush()
        if tunnel.ends or not agreed:
            client.wait(stream)
        return [{**vars(answer), "headers": volatile(answer.headers), "body": answer.body.decode("latin-1")}]


def agrees(side: UpstreamSide, stream: int) -> None:
    side.h2.send_headers(stream, HEAD)


SILENT = {"echoes": False}

TUNNELS = [
    *(
        Tunnel(f"{wants.lower()} {what}", request, answer, wants=wants, **more)
        for wants in ("websocket", "foo", "CONNECT")
        for what, request, answer, more in [
            ("agreed", Request(), agrees, {}),
            ("agreed where the host says so", Request(), agrees, {"settings": CONNECT_PROTOCOL}),
            ("with other fields", Request(headers=[("x-a", "1")]), agrees, {}),
            ("with early bytes", Request(), agrees, {"early": b"early"}),
            ("that the client leaves", Request(), agrees, {"ends": False}),
            ("answered with 201", Request(), answers([(":status", "201")], b"no"), SILENT),
            ("answered with 204", Request(), answers([(":status", "204")]), SILENT),
            (
                "answered with 302",
                Request(),
                answers([(":status", "302"), ("location", "/")]),
                {"echoes": False},
            ),
            (
                "answered with 403",
                Request(),
                answers([(":status", "403"), ("content-length", "2")], b"no"),
                {"echoes": False},
            ),
            ("answered with 500", Request(), answers([(":status", "500")]), SILENT),
            ("refused", Request(), resets(7), SILENT),
            ("reset", Request(), resets(1), SILENT),
        ]
        # Any 2xx opens the tunnel of CONNECT: docs/differences_from_envoy.md, connect-2xx.
        if not (wants == "CONNECT" and what in ("answered with 201", "answered with 204"))
    ),
]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    yield from both_sides(TUNNELS, tmp_path_factory, request)  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", [ask1, ask2], ids=["h1", "h2"])
@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: tunnel.name)
def test_same_as_envoy(tunnel: Tunnel, ask: Any, sides: list[Side]) -> None:
    found = []
    for side in sides:
        side.upstream.settings, side.upstream.echoes = tunnel.settings, tunnel.echoes
        ending = lambda address, _: ask(address, tunnel)  # noqa: E731
        found.append(json.dumps(side.observe(tunnel, ending), indent=1, sort_keys=True).splitlines())
    apart = list(difflib.unified_diff(*found, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)
