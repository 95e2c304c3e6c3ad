"""tcp_proxy with tunneling_config to hosts of HTTP/2: what is seen through Envoy and Ferryman is equal."""

from __future__ import annotations

import difflib
import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness.http2_upstream import Answering, Http2Upstream, UpstreamSide
from harness.proxy_process import ProxyProcess

from oracle.test_http2_upstream import HEAD, Exchange, Side, answers, cluster, goes_away, resets

pytestmark = pytest.mark.oracle

FORMAT = (
    "%RESPONSE_FLAGS% %RESPONSE_CODE% %UPSTREAM_PROTOCOL% %DOWNSTREAM_LOCAL_CLOSE_REASON%"
    " %UPSTREAM_LOCAL_CLOSE_REASON% %DOWNSTREAM_DETECTED_CLOSE_TYPE% %UPSTREAM_DETECTED_CLOSE_TYPE%"
    " %UPSTREAM_TRANSPORT_FAILURE_REASON% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT%"
    " %UPSTREAM_CLUSTER% %FILTER_STATE(envoy.tcp_proxy.propagate_response_headers)%"
    " %FILTER_STATE(envoy.tcp_proxy.propagate_response_trailers)%\n"
)
TYPES = "type.googleapis.com/envoy.extensions"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Session(Exchange):
    """What is configured, and what the client does: says something, reads so many bytes, ends in some way."""

    tunneling: dict[str, Any] = field(default_factory=dict)
    proxy: dict[str, Any] = field(default_factory=dict)
    says: bytes = b"ping"
    reads: int = 4
    ends: str = "half"
    eager: bool = True
    echoes: bool = True
    upstream_settings: dict[int, int] = field(default_factory=dict)


def ask(address: tuple[str, int], session: Session) -> list[Any]:
    received = b""
    with socket.create_connection(address, timeout=10) as client:
        try:
            client.sendall(session.says)
            while len(received) < session.reads and (more := client.recv(65536)):
                received += more
            if session.ends == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif session.ends != "close":
                if session.ends == "half":
                    client.shutdown(socket.SHUT_WR)
                while more := client.recv(65536):
                    received += more
        except OSError as error:
            return [_short(received), type(error).__name__]
    return [_short(received)]


def _short(received: bytes) -> str:
    return received.decode("latin-1") if len(received) < 100 else f"{len(received)} bytes, {sum(received)}"


def agrees(side: UpstreamSide, stream: int) -> None:
    side.h2.send_headers(stream, HEAD)


def agrees_and(then: Answering) -> Answering:
    def answer(side: UpstreamSide, stream: int) -> None:
        agrees(side, stream)
        side.flush()
        time.sleep(0.1)
        then(side, stream)

    return answer


def ends_with(body: bytes, trailers: list[tuple[str, str]] | None = None) -> Answering:
    """Data of the host, and its end."""

    def answer(side: UpstreamSide, stream: int) -> None:
        side.h2.send_data(stream, body, end_stream=trailers is None)
        if trailers is not None:
            side.h2.send_headers(stream, trailers, end_stream=True)

    return answer


def closes(side: UpstreamSide, stream: int) -> None:
    side.over = True


SILENT: dict[str, Any] = {"echoes": False, "reads": 0, "ends": "wait", "says": b""}
REFUSED = [
    (
        f"answered with {status}",
        answers([(":status", status), ("x-why", "because")], None if status == "204" else b"no"),
    )
    for status in ("201", "204", "403", "503")
]
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("connect", {"hostname": "h.test:80"}),
    ("post", {"hostname": "h.test", "use_post": True, "post_path": "/tcp?a=b"}),
]
KEEPS = {"propagate_response_headers": True, "propagate_response_trailers": True}
ID = {"typed_config": {"@type": f"{TYPES}.request_id.uuid.v3.UuidRequestIdConfig"}}

SESSIONS = [
    session
    for kind, tunneling in KINDS
    for session in [
        Session(f"{kind} agreed", answer=agrees, tunneling=tunneling),
        Session(f"{kind} where the host speaks extended connect", answer=agrees, tunneling=tunneling,
                upstream_settings={8: 1}),
        Session(f"{kind} that the client leaves", answer=agrees, tunneling=tunneling, ends="close"),
        Session(f"{kind} that the client resets", answer=agrees, tunneling=tunneling, ends="reset"),
        Session(f"{kind} with much data", answer=agrees, tunneling=tunneling, says=b"0123456789" * 6000,
                reads=60_000),
        Session(f"{kind} with fields kept", answer=agrees, tunneling={**tunneling, **KEEPS}),
        Session(f"{kind} that the host ends", answer=agrees_and(ends_with(b"pong")), tunneling=tunneling,
                echoes=False, ends="wait"),
        Session(f"{kind} that the host ends first", answer=agrees_and(ends_with(b"pong")),
                tunneling=tunneling, echoes=False),
        Session(f"{kind} with trailers", answer=agrees_and(ends_with(b"pong", [("x-t", "end")])),
                tunneling={**tunneling, **KEEPS}, echoes=False),
        Session(f"{kind} that the host resets", answer=agrees_and(resets(2)), tunneling=tunneling, **SILENT),
        Session(f"{kind} whose connection closes", answer=agrees_and(closes), tunneling=tunneling, **SILENT),
        Session(f"{kind} on a connection that goes away", answer=goes_away, tunneling=tunneling, **SILENT),
        Session(f"{kind} refused", answer=resets(7), tunneling=tunneling, **SILENT),
        Session(f"{kind} reset", answer=resets(1), tunneling=tunneling, **SILENT),
        Session(f"{kind} answered and ended", answer=answers(HEAD), tunneling=tunneling, **SILENT),
        Session(f"{kind} tried twice", answer=resets(7), tunneling=tunneling,
                proxy={"max_connect_attempts": 2}, **SILENT),
        Session(f"{kind} idle", answer=agrees, tunneling=tunneling, proxy={"idle_timeout": "0.2s"},
                ends="wait"),
        Session(f"{kind} with an identifier", answer=agrees,
                tunneling={**tunneling, "request_id_extension": ID,
                           "headers_to_add": [{"header": {"key": "x-a", "value": "%RESPONSE_FLAGS%"}}]}),
        *(Session(f"{kind} {what}", answer=answer, tunneling={**tunneling, **KEEPS}, **SILENT)
          for what, answer in REFUSED),
    ]
]  # fmt: skip


def configuration(port: int, logs: Path) -> dict[str, Any]:
    listeners = []
    for session in SESSIONS:
        log = {
            "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": str(logs / session.slug),
            "log_format": {"text_format_source": {"inline_string": FORMAT}},
        }
        proxy = {
            "@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": session.slug,
            "cluster": session.slug,
            "tunneling_config": session.tunneling,
            "access_log": [{"name": "file", "typed_config": log}],
            **session.proxy,
        }
        listeners.append(
            {
                "name": session.slug,
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
            }
        )
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": listeners,
            "clusters": [cluster(session.slug, port, session.options) for session in SESSIONS],
        },
    }


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        upstream = Http2Upstream()
        process = ProxyProcess(which, configuration(upstream.port, directory), directory, [])
        started.append(Side(process, upstream, directory))
    yield started
    for side in started:
        side.process.stop()
        side.upstream.close()


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
def test_same_as_envoy(session: Session, sides: list[Side]) -> None:
    found = []
    for side in sides:
        side.upstream.settings, side.upstream.echoes = session.upstream_settings, session.echoes
        observed = side.observe(session, lambda address, _: ask(address, session))
        text = UUID.sub("UUID", json.dumps(observed, indent=1, sort_keys=True))
        found.append(text.splitlines())
    apart = list(difflib.unified_diff(*found, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)
