"""Every case of `translations` over HTTP/2: none reaches the upstream in a form that can be read in two ways.

What came there is judged by `strict_request`, which shares nothing with the codecs, and has to say what the
stream said: the same method, target, authority and body.
"""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conformance.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    RST_STREAM,
    Connection,
    block,
    frame,
)
from harness.bootstrap import TYPE
from harness.proxy_process import ProxyProcess

from smuggling.strict_request import Ambiguous, CutShort, StrictRequest, parse_only_request
from smuggling.test_disguises import disguises
from smuggling.translations import HEAD, SECOND, Translation, cases

REPLY = b"HTTP/1.1 403 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
HOST = re.compile(rb"([0-9A-Za-z._~!$&'()*+,;=%-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{0,5})?")
LOOPBACK = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


class StrictUpstream:
    """Keeps all that comes on each connection, and answers when one request is whole or cannot be one."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._seen: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def all(self) -> list[bytes]:
        """What came on each connection, once the proxy has ended."""
        for thread in self._threads:
            thread.join(10)
        return self._seen

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        data, answered = b"", False
        with connection:
            try:
                while piece := connection.recv(65536):
                    data += piece
                    if not answered and is_over(data):
                        answered = True
                        connection.sendall(REPLY)
                        connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self._seen.append(data)


def is_over(data: bytes) -> bool:
    try:
        parse_only_request(data)
    except CutShort:
        return False
    except Ambiguous:
        return True
    return True


class Attacked:
    """One proxy before a strict upstream, with everything allowed that could be a way in."""

    def __init__(self, which: str, directory: Path) -> None:
        self.upstream = StrictUpstream()
        self.process = ProxyProcess(which, configuration(self.upstream.port), directory, [])
        self._port = int(self.process.listeners()["main"][1])

    def close(self) -> None:
        self.process.stop()
        self.upstream.close()

    def attack(self, case: Translation) -> None:
        """Play the stream until it is over."""
        with Connection(self._port, tls=False) as connection:
            connection.send(stream(case))
            while (came := connection.next()) is not None:
                if came.kind in (GOAWAY, RST_STREAM):
                    break
                if came.kind in (HEADERS, DATA) and came.flags & END_STREAM:
                    break


def stream(case: Translation) -> bytes:
    last = not case.data and not case.trailers
    said = frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), 1, block(case.fields))
    for at, piece in enumerate(case.data):
        ends = at + 1 == len(case.data) and not case.trailers
        said += frame(DATA, END_STREAM if ends else 0, 1, piece)
    if case.trailers:
        said += frame(HEADERS, END_HEADERS | END_STREAM, 1, block(case.trailers))
    return said


def configuration(upstream: int) -> dict[str, Any]:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    trailers = {"explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}
    routes = [
        {"match": {"connect_matcher": {}}, "route": {"cluster": "up"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "up"}},
    ]
    manager = {
        "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "attacked",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http2_protocol_options": {
            "allow_connect": True,
            "override_stream_error_on_invalid_http_message": True,
        },
        "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
        ],
    }
    host = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
    cluster = {
        "name": "up",
        "load_assignment": {
            "cluster_name": "up",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": host}}]}],
        },
        "typed_extension_protocol_options": {
            options: {"@type": f"type.googleapis.com/{options}", **trailers},
        },
    }
    filters = [{"name": "manager", "typed_config": manager}]
    listener = {"name": "main", "address": LOOPBACK, "filter_chains": [{"filters": filters}]}
    return {
        "admin": {"address": LOOPBACK},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def disguised() -> list[Translation]:
    """The disguises of transfer-encoding as fields of HTTP/2, with a body that chunks would end early."""
    made = []
    for number, (name, line) in enumerate(disguises()):
        key, _, value = line.partition(b":")
        fields = (*HEAD, (key.lower(), value.removeprefix(b" ")))
        made.append(Translation(f"disguise {number} {name}", fields, (b"0\r\n\r\n" + SECOND,)))
    return made


def complaint(case: Translation, data: bytes) -> str:
    """What is wrong with what came of a case; empty if nothing is."""
    said = dict(case.fields)
    try:
        seen = parse_only_request(data)
    except CutShort:
        return ""
    except Ambiguous as why:
        return str(why)
    host = re.search(rb"\r\nhost: ([^\r]*)", data)
    if not host or not HOST.fullmatch(host[1]):
        return f"host {host and host[1]!r}"
    if host[1] != said.get(b":authority", said.get(b"host", b"")).strip():
        return f"another host {host[1]!r}"
    return differs(said, case, seen)


def differs(said: dict[bytes, bytes], case: Translation, seen: StrictRequest) -> str:
    upgraded = b":protocol" in said
    if seen.method != (b"GET" if upgraded else said.get(b":method")):
        return f"another method {seen.method!r}"
    target = said.get(b":authority") if seen.method == b"CONNECT" else said.get(b":path", b"")
    if seen.target != target or b"#" in seen.target:
        return f"another target {seen.target!r}"
    if not (seen.target.startswith(b"/") or seen.method == b"CONNECT" or seen.target == b"*"):
        return f"a target of another form {seen.target!r}"
    # What follows the request for a tunnel waits for the answer.
    tunnel = upgraded or seen.method == b"CONNECT"
    if seen.body != (b"" if tunnel else b"".join(case.data)):
        return f"another body {seen.body!r}"
    return ""


@pytest.mark.parametrize("made", [cases, disguised])
def test_nothing_ambiguous_is_forwarded(made: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    listed: list[Translation] = made()
    attacked = Attacked(request.config.getoption("--proxy"), tmp_path)
    try:
        for number, case in enumerate(listed):
            marked = (*case.fields, (b"x-case", b"%d" % number))
            attacked.attack(replace(case, fields=marked))
        assert attacked.process.process.poll() is None
    finally:
        attacked.close()
    found, forwarded = [], set()
    for data in attacked.upstream.all():
        mark = re.search(rb"\r\nx-case: (\d+)\r\n", data)
        if not mark:
            # A connection that was not used, or a head that was broken off.
            found += [f"no request: {data[:200]!r}"] if b"\r\n\r\n" in data else []
            continue
        case = listed[int(mark[1])]
        found += [f"{case.name}: a second request"] if case.name in forwarded else []
        forwarded.add(case.name)
        if why := complaint(case, data):
            found.append(f"{case.name}: {why}: {data[:200]!r}")
    assert not found, f"{len(found)} of {len(listed)}\n" + "\n".join(found[:40])
    assert len(listed) >= 500
    # A proxy that refuses everything would pass as well.
    assert {case.name for case in listed if case.name.startswith("plain")} <= forwarded
    print(f"{len(forwarded)} of {len(listed)} were forwarded")
