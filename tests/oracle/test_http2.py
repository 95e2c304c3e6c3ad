"""HTTP/2 from clients: the same streams to Envoy and to Ferryman, and everything observed must be equal."""

from __future__ import annotations

import difflib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness.http2_client import Answer, Http2Client
from harness.proxy_process import ProxyProcess

pytestmark = pytest.mark.oracle

HOST = [(":method", "GET"), (":scheme", "http"), (":authority", "h.test")]
POST = [(":method", "POST"), *HOST[1:]]
GET = [*HOST, (":path", "/")]
FORMAT = (
    "%PROTOCOL% %REQ(:METHOD)% %REQ(:SCHEME)% %REQ(:AUTHORITY)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%"
    " %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %TRAILER(x-t)% %REQ(x-a)% %REQ(cookie)%\n"
)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n0\r\nx-t: end\r\n\r\n"
)

Play = Callable[[Http2Client], list[Answer]]


def asks(*fields: tuple[str, str], body: bytes | None = None, trailers: Any = ()) -> Play:
    """One request with these fields, in the place of the usual ones where they have the same name."""
    base = dict(POST if body is not None else HOST) | {":path": "/"}
    given = {name for name, _ in fields}
    headers = [(name, value) for name, value in base.items() if name not in given] + list(fields)

    def play(client: Http2Client) -> list[Answer]:
        return client.wait(client.request([pair for pair in headers if pair[1] != "-"], body, trailers))

    return play


def many(client: Http2Client) -> list[Answer]:
    streams = [client.request([*HOST, (":path", f"/{number}")]) for number in range(20)]
    return client.wait(*streams)


def large(client: Http2Client) -> list[Answer]:
    return client.wait(client.request([*POST, (":path", "/large")], b"x" * 300_000))


def resets(client: Http2Client) -> list[Answer]:
    stream = client.request([*POST, (":path", "/reset")], b"")
    time.sleep(0.3)
    client.h2.reset_stream(stream, 8)
    client.flush()
    return client.wait(client.request(GET))


def leaves(client: Http2Client) -> list[Answer]:
    client.request([*POST, (":path", "/left")], b"")
    time.sleep(0.3)
    client.close()
    return []


def early(client: Http2Client) -> list[Answer]:
    """The response is whole before the request is."""
    return client.wait(client.request([*POST, (":path", "/direct")], b""))


def twice(client: Http2Client) -> list[Answer]:
    first = client.wait(client.request(GET))
    return first + client.wait(client.request(GET))


def websocket(client: Http2Client) -> list[Answer]:
    """Says hello if it is let in, hears it back, and leaves."""
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), *HOST[1:], (":path", "/ws")]
    stream = client.request([*fields, ("sec-websocket-version", "13")], b"")
    answer = client.wait_for_headers(stream)
    if client.closed or client.goaway is not None or answer.headers[:1] != [(":status", "200")]:
        return client.wait(stream)
    client.send(stream, b"ping", end_stream=False)
    client.wait_for_body(stream, 4)
    client.h2.reset_stream(stream, 8)
    client.flush()
    return [answer]


def bytes_of(data: bytes) -> Play:
    def play(client: Http2Client) -> list[Answer]:
        client.raw(data)
        return client.wait()

    return play


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@dataclass
class Exchange:
    """What is said, to which listener."""

    name: str
    play: Play
    hcm: dict[str, Any] = field(default_factory=dict)
    upstream: bytes = OK

    @property
    def slug(self) -> str:
        """The name of its listener, of its log and in its statistics."""
        return self.name.replace(" ", "-").replace(",", "")


STREAM_ERRORS = {"http2_protocol_options": {"override_stream_error_on_invalid_http_message": True}}
WEBSOCKET = {
    "http2_protocol_options": {"allow_connect": True},
    "upgrade_configs": [{"upgrade_type": "websocket"}],
}
EXCHANGES = [
    Exchange("get", asks()),
    Exchange("http2 only", asks(), {"codec_type": "HTTP2"}),
    Exchange("no such route", asks((":path", "/none"))),
    Exchange("direct response", asks((":path", "/direct"))),
    Exchange("redirect", asks((":path", "/redirect"))),
    Exchange("head", asks((":method", "HEAD"))),
    Exchange("options asterisk", asks((":method", "OPTIONS"), (":path", "*"))),
    Exchange("post", asks(body=b"hello")),
    Exchange("post with length", asks(("content-length", "5"), body=b"hello")),
    Exchange("put without body", asks((":method", "PUT"))),
    Exchange("trailers of a request", asks(body=b"hello", trailers=[("x-t", "1")])),
    Exchange("trailers of a response", asks(), upstream=CHUNKED),
    Exchange("no content", asks(), upstream=b"HTTP/1.1 204 No Content\r\n\r\n"),
    Exchange("until close", asks(), upstream=b"HTTP/1.1 200 OK\r\n\r\nuntil close"),
    Exchange("empty response", asks(), upstream=b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    Exchange(
        "hop-by-hop fields of a response",
        asks(),
        upstream=b"HTTP/1.1 200 OK\r\nconnection: x-b\r\nkeep-alive: 5\r\nx-b: 1\r\n"
        + OK.split(b"\r\n", 1)[1],
    ),
    Exchange("early hints", asks(), {"proxy_100_continue": True}, b"HTTP/1.1 103 H\r\nlink: a\r\n\r\n" + OK),
    Exchange("expect", asks(("expect", "100-continue"), body=b"hello")),
    Exchange("expect passed on", asks(("expect", "100-continue"), body=b"hi"), {"proxy_100_continue": True}),
    Exchange("upstream breaks off", asks(), upstream=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"),
    Exchange("upstream says nothing", asks(), upstream=b""),
    Exchange("upstream is malformed", asks(), upstream=b"HTTP/9\r\n\r\n"),
    Exchange("time is up", asks((":path", "/late")), upstream=b"wait"),
    Exchange("many streams", many),
    Exchange("a large body", large),
    Exchange("one after the other", twice),
    Exchange("a stream is reset", resets, upstream=b"wait"),
    Exchange("the client leaves", leaves, upstream=b"wait"),
    Exchange("answered early", early),
    Exchange("crumbs of a cookie", asks(("cookie", "a=1"), ("cookie", "b=2"))),
    Exchange("te trailers", asks(("te", "trailers"))),
    Exchange("host in the place of authority", asks((":authority", "-"), ("host", "h.test"))),
    Exchange("host beside authority", asks(("host", "other.test"))),
    Exchange("no authority", asks((":authority", "-"))),
    Exchange("https scheme", asks((":scheme", "https"))),
    Exchange("a path with dots", asks((":path", "/a/../b"))),
    Exchange("a fragment", asks((":path", "/a#b"))),
    Exchange("an odd method", asks((":method", "BREW"))),
    Exchange("x-forwarded-for", asks(("x-forwarded-for", "1.2.3.4"), ("x-a", "1"))),
    Exchange("upper case", asks(("X-A", "1"))),
    Exchange("upper case, stream alone", asks(("X-A", "1")), STREAM_ERRORS),
    Exchange("connection field", asks(("connection", "close"))),
    Exchange("connection field, stream alone", asks(("connection", "close")), STREAM_ERRORS),
    Exchange("te gzip", asks(("te", "gzip")), STREAM_ERRORS),
    Exchange("transfer-encoding", asks(("transfer-encoding", "chunked")), STREAM_ERRORS),
    Exchange("a line feed in a value", asks(("x-a", "1\nb: 2")), STREAM_ERRORS),
    Exchange("a zero in a value", asks(("x-a", "1\0")), STREAM_ERRORS),
    Exchange("no path", asks((":path", "-")), STREAM_ERRORS),
    Exchange("an empty path", asks((":path", "")), STREAM_ERRORS),
    Exchange("no scheme", asks((":scheme", "-")), STREAM_ERRORS),
    Exchange("an unknown pseudo-header", asks((":x", "1")), STREAM_ERRORS),
    Exchange("a repeated path", asks((":path", "/a"), (":path", "/b")), STREAM_ERRORS),
    Exchange("longer than its length", asks(("content-length", "3"), body=b"hello"), STREAM_ERRORS),
    Exchange("shorter than its length", asks(("content-length", "9"), body=b"hello"), STREAM_ERRORS),
    Exchange(
        "two lengths", asks(("content-length", "5"), ("content-length", "6"), body=b"hello"), STREAM_ERRORS
    ),
    Exchange(
        "underscores rejected",
        asks(("a_b", "1")),
        {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}},
    ),
    Exchange(
        "underscores dropped",
        asks(("a_b", "1")),
        {"common_http_protocol_options": {"headers_with_underscores_action": "DROP_HEADER"}},
    ),
    Exchange("too many fields", asks(*[(f"x-{number}", "1") for number in range(120)])),
    Exchange("too large a head", asks(("x-a", "1" * 70_000))),
    Exchange("websocket without leave", websocket, upstream=b"101"),
    Exchange(
        "websocket",
        websocket,
        {
            "http2_protocol_options": {"allow_connect": True},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        },
        upstream=b"101",
    ),
    Exchange(
        "websocket refused by the upstream",
        websocket,
        {
            "http2_protocol_options": {"allow_connect": True},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        },
        upstream=b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno",
    ),
    Exchange("connect refused", asks((":method", "CONNECT"), (":scheme", "-"), (":path", "-"))),
    Exchange("ping of a wrong size", bytes_of(frame(6, 0, 0, b"123"))),
    Exchange("data on no stream", bytes_of(frame(0, 0, 0, b"123"))),
    Exchange("data on an idle stream", bytes_of(frame(0, 0, 99, b"123"))),
    Exchange("an even stream", bytes_of(frame(1, 5, 2, b"\x82\x86\x84\x41\x01h"))),
    Exchange("too large a frame", bytes_of(frame(0, 0, 1, b"x" * 20_000))),
    Exchange("a window that is opened by nothing", bytes_of(frame(8, 0, 0, bytes(4)))),
]
"""Each has a listener of its own."""


class Server:
    """An upstream that keeps what came and gives one answer to each request."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self.listener.getsockname()[1])
        self.answer = OK
        self.seen: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections. Those there are end with their proxies."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        with connection:
            while True:
                try:
                    piece = connection.recv(65536)
                except OSError:
                    return
                if not piece:
                    return
                data += piece
                while (length := whole(data)) is not None:
                    self.seen.append(normal(data[:length].decode("latin-1")))
                    data = data[length:]
                    if not self._reply(connection):
                        return

    def _reply(self, connection: socket.socket) -> bool:
        answer = self.answer
        if answer == b"wait":
            connection.settimeout(3)
            try:
                connection.recv(1)
            except OSError:
                return False
            return False
        if answer == b"101":
            connection.sendall(b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
            connection.sendall(connection.recv(4))
            connection.recv(1)
            return False
        connection.sendall(answer)
        lasts = b"content-length: 9" not in answer and b"until close" not in answer and answer != b""
        return lasts and not answer.startswith(b"HTTP/9")


def whole(data: bytes) -> int | None:
    """The length of the first request, once all of it is there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    if b"transfer-encoding: chunked" in head:
        last = re.compile(rb"(^|\r\n)0\r\n(.+\r\n)*\r\n").search(data, end + 4)
        # A request that is left open is answered all the same when its path says so.
        return last.end() if last else (len(data) if b"/left" in head or b"/reset" in head else None)
    length = re.search(rb"content-length: (\d+)", head)
    total = end + 4 + (int(length[1]) if length else 0)
    return total if len(data) >= total else None


def normal(text: str) -> str:
    """Without what differs from run to run; chunks as one body, for they are cut anywhere."""
    text = re.sub(r"(x-request-id|x-envoy-expected-rq-timeout-ms): [^\r]*", r"\1: *", text)
    head, _, body = text.partition("\r\n\r\n")
    if "chunked" in head:
        sizes = re.compile(r"(^|\r\n)[0-9a-f]+\r\n")
        body = sizes.sub("|", body).replace("|", "")
    return f"{head}\r\n\r\n{body if len(body) < 100 else len(body)}"


def configuration(server: int, logs: Path, exchanges: list[Exchange]) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions"
    listeners = []
    direct = {"status": 200, "body": {"inline_string": "hi"}}
    router = {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}}
    for exchange in exchanges:
        slug = exchange.slug
        routes = [
            {"match": {"path": "/direct"}, "direct_response": direct},
            {"match": {"path": "/redirect"}, "redirect": {"path_redirect": "/there"}},
            {"match": {"path": "/late"}, "route": {"cluster": "up", "timeout": "0.3s"}},
            {"match": {"path": "/none"}, "route": {"cluster": "none"}},
            {"match": {"prefix": "/"}, "route": {"cluster": "up"}},
        ]
        log = {"@type": f"{types}.access_loggers.file.v3.FileAccessLog", "path": str(logs / slug)}
        log["log_format"] = {"text_format_source": {"inline_string": FORMAT}}  # type: ignore[assignment]
        manager = {
            "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": slug,
            "route_config": {
                "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}],
                "validate_clusters": False,
            },
            "http_filters": [router],
            "access_log": [{"name": "file", "typed_config": log}],
            **exchange.hcm,
        }
        listeners.append(
            {
                "name": slug,
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
            }
        )
    address = {"socket_address": {"address": "127.0.0.1", "port_value": server}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    with_trailers = {
        "@type": f"type.googleapis.com/{options}",
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
    }
    cluster = {
        "name": "up",
        "load_assignment": {"cluster_name": "up", "endpoints": endpoints},
        "typed_extension_protocol_options": {options: with_trailers},
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": [cluster]},
    }


@dataclass
class Side:
    """One proxy, its upstream and its logs."""

    process: ProxyProcess
    server: Server
    logs: Path

    def observe(self, exchange: Exchange) -> dict[str, Any]:
        slug = exchange.slug
        self.server.answer, self.server.seen = exchange.upstream, []
        pattern = rf"^(http\.{slug}\.|http2\.)"
        before = self.process.stats(pattern)
        client = Http2Client(self.process.listeners()[slug])  # type: ignore[arg-type]
        answers = exchange.play(client)
        client.close()
        self._settle(slug)
        after = self.process.stats(pattern)
        lines = (self.logs / slug).read_text().splitlines() if (self.logs / slug).exists() else []
        return {
            "answers": [comparable(answer) for answer in answers],
            "goaway": client.goaway,
            "forwarded": sorted(self.server.seen),
            "log": sorted(lines),
            "stats": {
                name: value - before.get(name, 0)
                for name, value in after.items()
                if value != before.get(name, 0) and not re.search(IGNORED, name)
            },
        }

    def _settle(self, slug: str) -> None:
        """Until nothing is open, and the log is written."""
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            stats = self.process.stats(rf"^http\.{slug}\.downstream_(cx|rq)_active")
            if not any(stats.values()):
                break
            time.sleep(0.05)
        self.process.admin("/reopen_logs", "POST")
        time.sleep(0.15)


IGNORED = r"_bytes|rq_time|length_ms|nghttp2_|outbound|pending|streams_active"
"""Sizes depend on how the heads are packed, and how frames are cut."""


def comparable(answer: Answer) -> dict[str, Any]:
    volatile = {"date", "x-request-id", "x-envoy-upstream-service-time"}
    headers = sorted((name, "*" if name in volatile else value) for name, value in answer.headers)
    return {**vars(answer), "headers": headers, "body": answer.body.decode("latin-1")}


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        server = Server()
        process = ProxyProcess(which, configuration(server.port, directory, EXCHANGES), directory, [])
        started.append(Side(process, server, directory))
    yield started
    for side in started:
        side.process.stop()
        side.server.close()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_same_as_envoy(exchange: Exchange, sides: list[Side]) -> None:
    compare(exchange, sides)


def compare(exchange: Exchange, sides: list[Side]) -> None:
    envoy, ours = (
        json.dumps(side.observe(exchange), indent=1, sort_keys=True).splitlines() for side in sides
    )
    # Envoy closes without a word where its library stops in the middle of a head.
    if '"goaway": null' in "".join(envoy):
        envoy, ours = ([line for line in side if '"goaway"' not in line] for side in (envoy, ours))
    apart = list(difflib.unified_diff(envoy, ours, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)
