"""gRPC and its bridges: the same calls to Envoy and to Ferryman, and everything observed must be equal."""

from __future__ import annotations

import base64
import difflib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness.http2_client import Http2Client
from harness.proxy_process import ProxyProcess

from oracle.test_http2 import Server, comparable

pytestmark = pytest.mark.oracle

TYPES = "type.googleapis.com/envoy.extensions"
FORMAT = (
    "%REQ(:METHOD)% %REQ(:PATH)% %REQ(CONTENT-TYPE)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"
    " %GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %TRAILER(grpc-message)%"
    " %FILTER_STATE(envoy.filters.http.grpc_stats)% %FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)%"
    " %FILTER_STATE(envoy.filters.http.grpc_stats:FIELD:request_message_count)%\n"
)
PATH = "/pkg.Service/Method"


def message(text: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(text).to_bytes(4, "big") + text


def chunked(
    body: bytes, trailers: str, content_type: str = "application/grpc", status: str = "200 OK"
) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    piece = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return head + piece + b"0\r\n" + trailers.encode() + b"\r\n"


def sized(body: bytes, fields: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{fields}content-length: {len(body)}\r\n\r\n".encode() + body


OK = chunked(
    message(b"hello") + message(b"") + message(b"x" * 20),
    "grpc-status: 0\r\ngrpc-message: fine\r\nx-t: 1\r\n",
)
FAILED = chunked(message(b"a"), "grpc-status: 7\r\ngrpc-message: no%20way\r\n")
ONLY = sized(b"", "content-type: application/grpc\r\ngrpc-status: 5\r\ngrpc-message: none\r\n")
CALL = message(b"hello") + message(b"again")

Play = Callable[[tuple[str, int]], list[Any]]


def call(
    *fields: tuple[str, str],
    body: bytes | None = CALL,
    trailers: Any = (),
    path: str = PATH,
    ends: bool = True,
) -> Play:
    """One call over HTTP/2; `ends`: else its client says no more and does not end it."""
    base = {":method": "POST", ":scheme": "http", ":authority": "h.test", ":path": path, "te": "trailers"}
    base |= {"content-type": "application/grpc"} | dict(fields)
    headers = [(name, value) for name, value in base.items() if value != "-"]

    def play(address: tuple[str, int]) -> list[Any]:
        client = Http2Client(address)
        try:
            stream = client.request(headers, body if ends else b"", trailers)
            if not ends:
                client.send(stream, CALL, end_stream=False)
            return [comparable(answer) for answer in client.wait(stream)]
        finally:
            client.close()

    return play


def web(*fields: tuple[str, str], text: bool = False, body: bytes = CALL, path: str = PATH) -> Play:
    """One call of gRPC-Web over HTTP/1.1."""
    kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
    base = {"content-type": kind, "x-grpc-web": "1"} | ({"accept": kind} if text else {})
    return http1(body=base64.b64encode(body) if text else body, path=path, **(base | dict(fields)))


def http1(method: str = "POST", path: str = PATH, body: bytes = b"", **fields: str) -> Play:
    """One request over HTTP/1.1, on a connection of its own."""
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{method} {path} HTTP/1.1", "host: h.test", "connection: close"]
    if "transfer-encoding" not in given:
        given = {"content-length": str(len(body))} | given
    lines += [f"{name}: {value}" for name, value in given.items() if value != "-"]
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def play(address: tuple[str, int]) -> list[Any]:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(request)
            data = b""
            while piece := connection.recv(65536):
                data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        volatile = ("date", "x-request-id", "x-envoy-upstream-service-time")
        fields = sorted(
            f"{line.partition(':')[0]}: *" if line.startswith(volatile) else line for line in lines[1:]
        )
        trailers = ""
        if b"transfer-encoding: chunked" in head.lower():
            rest, trailers = dechunked(rest)
        return [lines[0], fields, rest.decode("latin-1"), trailers]

    return play


def dechunked(data: bytes) -> tuple[bytes, str]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return body, data.decode("latin-1")
        body, data = body + data[:length], data[length + 2 :]
    return body, "cut off"


def filter_of(name: str, message: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{TYPES}.filters.http.{name}.v3.{message}", **config}}


def stats(**config: Any) -> list[dict[str, Any]]:
    return [filter_of("grpc_stats", "FilterConfig", **config)]


WEB = [filter_of("grpc_web", "GrpcWeb")]
BRIDGE = [filter_of("grpc_http1_bridge", "Config")]
UPGRADE = [filter_of("grpc_http1_bridge", "Config", upgrade_protobuf_to_grpc=True)]
NO_QUERY = [filter_of("grpc_http1_bridge", "Config", ignore_query_parameters=True)]
TRAILERS = {"http_protocol_options": {"enable_trailers": True}}
LISTED = {
    "services": [
        {"name": "my.Listed", "method_names": ["Method", "Other"]},
        {"name": "b", "method_names": ["c"]},
    ]
}
ALL = {"stats_for_all_methods": True}


@dataclass
class Exchange:
    """What is said, to a listener with which filters, and what the upstream answers."""

    name: str
    play: Play
    filters: list[dict[str, Any]] = field(default_factory=list)
    upstream: bytes = OK
    hcm: dict[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name of its listener, of its log and in its statistics."""
        return re.sub(r"[^a-z0-9]+", "-", self.name)


TIMED: dict[str, dict[str, Any]] = {
    "/timed": {"max_stream_duration": {"grpc_timeout_header_max": "0s"}},
    "/short": {"max_stream_duration": {"grpc_timeout_header_max": "0.2s"}},
    "/offset": {
        "max_stream_duration": {"grpc_timeout_header_max": "0s", "grpc_timeout_header_offset": "0.1s"}
    },
    "/streams": {"max_stream_duration": {"max_stream_duration": "0.3s"}},
    "/old": {"max_grpc_timeout": "0s", "timeout": "60s"},
    "/both": {"max_grpc_timeout": "60s", "timeout": "0.2s", "grpc_timeout_offset": "0.01s"},
}
"""Routes with limits of time."""
PROTO = {"content_type": "application/x-protobuf"}
EXCHANGES = [
    Exchange("plain call", call()),
    Exchange("plain call that fails", call(), upstream=FAILED),
    Exchange("plain trailers only", call(), upstream=ONLY),
    Exchange("stats", call(), stats()),
    Exchange("stats of all methods", call(), stats(**ALL)),
    Exchange("stats of all methods, false", call(), stats(stats_for_all_methods=False)),
    Exchange("stats of all methods, failure", call(), stats(**ALL), FAILED),
    Exchange("stats of all methods, trailers only", call(), stats(**ALL), ONLY),
    Exchange("stats of all methods, no status", call(), stats(**ALL), chunked(message(b"a"), "")),
    Exchange("stats of all methods, not grpc", call(("content-type", "text/plain")), stats(**ALL)),
    Exchange(
        "stats of all methods, grpc+proto", call(("content-type", "application/grpc+proto")), stats(**ALL)
    ),
    Exchange(
        "stats of all methods, parameters", call(("content-type", "application/grpc;a=b")), stats(**ALL)
    ),
    Exchange("stats of all methods, query", call(path="/a.B/C?x=/y"), stats(**ALL)),
    Exchange("stats of all methods, three parts", call(path="/a/b/c"), stats(**ALL)),
    Exchange("stats of all methods, one part", call(path="/a"), stats(**ALL)),
    Exchange("stats of all methods, no service", call(path="//b"), stats(**ALL)),
    Exchange("stats of all methods, no method", call(path="/a/"), stats(**ALL)),
    Exchange("stats of all methods, odd letters", call(path="/a:b/c%20d"), stats(**ALL)),
    Exchange("stats with dots replaced", call(), stats(replace_dots_in_grpc_service_name=True, **ALL)),
    Exchange(
        "stats of listed methods",
        call(path="/my.Listed/Method"),
        stats(individual_method_stats_allowlist=LISTED),
    ),
    Exchange("stats of unlisted methods", call(path="/a/b"), stats(individual_method_stats_allowlist=LISTED)),
    Exchange(
        "stats of unlisted, three parts", call(path="/a/b/c"), stats(individual_method_stats_allowlist=LISTED)
    ),
    Exchange(
        "stats of listed with dots replaced",
        call(path="/my.Listed/Other"),
        stats(individual_method_stats_allowlist=LISTED, replace_dots_in_grpc_service_name=True),
    ),
    Exchange("stats in filter state", call(), stats(emit_filter_state=True)),
    Exchange("stats in filter state, no message", call(body=None), stats(emit_filter_state=True), ONLY),
    Exchange("stats in filter state, web request", web(), stats(emit_filter_state=True)),
    Exchange("stats of upstream", call(), stats(enable_upstream_stats=True, **ALL)),
    Exchange("stats of upstream, trailers only", call(), stats(enable_upstream_stats=True, **ALL), ONLY),
    Exchange("stats of a direct response", call(path="/direct"), stats(**ALL)),
    Exchange("stats of an unknown cluster", call(path="/none/x"), stats(**ALL)),
    Exchange("stats of no host", call(path="/nohost/x"), stats(**ALL)),
    Exchange("stats of a time out", call(path="/late/x"), stats(**ALL), b"wait"),
    Exchange("stats over http1", http1(body=CALL, content_type="application/grpc"), stats(**ALL)),
    Exchange("stats of half a message", call(body=message(b"abc")[:6]), stats(emit_filter_state=True, **ALL)),
    Exchange("stats of broken frames", call(body=b"\x02" * 20), stats(emit_filter_state=True, **ALL)),
    Exchange(
        "stats of compressed messages", call(body=message(b"abc", 1)), stats(emit_filter_state=True, **ALL)
    ),
    Exchange("stats with trailers of a request", call(trailers=[("x-t", "1")]), stats(**ALL)),
    Exchange("open, its time is up", call(("grpc-timeout", "200m"), path="/timed", ends=False)),
    Exchange("open, all streams' time is up", call(path="/streams", ends=False)),
    Exchange("open, nothing moves", call(ends=False), hcm={"stream_idle_timeout": "0.2s"}),
    Exchange("open, request takes too long", call(ends=False), hcm={"request_timeout": "0.2s"}),
    Exchange("its time is up", call(("grpc-timeout", "200m"), path="/timed"), upstream=b"wait"),
    Exchange("web", web(), WEB),
    Exchange("web with trailers on", web(), WEB, hcm=TRAILERS),
    Exchange("web over http2", call(("content-type", "application/grpc-web+proto"), ("te", "-")), WEB),
    Exchange("web, plain type", web(("content-type", "application/grpc-web")), WEB),
    Exchange("web, type with parameters", web(("content-type", "application/grpc-web; a=b")), WEB),
    Exchange("web, another type", web(("content-type", "application/grpc-web+json")), WEB),
    Exchange("web, upper case", web(("content-type", "application/GRPC-Web")), WEB),
    Exchange("web fails", web(), WEB, FAILED),
    Exchange("web trailers only", web(), WEB, ONLY),
    Exchange("web text", web(text=True), WEB),
    Exchange("web text, proto", web(("content-type", "application/grpc-web-text+proto"), text=True), WEB),
    Exchange("web text, binary answer", web(("accept", "application/grpc-web"), text=True), WEB),
    Exchange("web binary, text answer", web(("accept", "application/grpc-web-text")), WEB),
    Exchange("web text fails", web(text=True), WEB, FAILED),
    Exchange("web text trailers only", web(text=True), WEB, ONLY),
    Exchange("web text without body", web(text=True, body=b""), WEB),
    Exchange("web text, bad size", http1(body=b"AAAAA", content_type="application/grpc-web-text"), WEB),
    Exchange("web text, bad letters", http1(body=b"AA*A", content_type="application/grpc-web-text"), WEB),
    Exchange(
        "web text, padding inside", http1(body=b"AAA=AAA=", content_type="application/grpc-web-text"), WEB
    ),
    Exchange("web text, wrong padding", http1(body=b"AAB=", content_type="application/grpc-web-text"), WEB),
    Exchange("web, no trailers", web(), WEB, chunked(message(b"abc"), "")),
    Exchange(
        "web, a page", web(), WEB, sized(b"<html> 50%\n", "content-type: text/html\r\n", "404 Not Found")
    ),
    Exchange(
        "web text, a page", web(text=True), WEB, sized(b"oops", "content-type: text/plain\r\n", "503 No")
    ),
    Exchange("web, a page of 200", web(), WEB, chunked(b"fine", "x-t: 1\r\n", "text/plain")),
    Exchange("web, a page without type", web(), WEB, sized(b"fine")),
    Exchange("web, an empty page", web(), WEB, sized(b"", "content-type: text/html\r\n", "502 Bad")),
    Exchange("web, a long page", web(), WEB, sized(b"x" * 40_000, "content-type: text/html\r\n", "500 Bad")),
    Exchange("web, answer of web", web(), WEB, chunked(message(b"abc"), "", "application/grpc-web+proto")),
    Exchange("web, no cluster", web(path="/none/x"), WEB),
    Exchange("web, no host", web(path="/nohost/x"), WEB),
    Exchange("web, direct response", web(path="/direct"), WEB),
    Exchange("web, no route", web(path="/noroute"), WEB),
    Exchange("web, odd path", web(path="/a/b/c"), WEB),
    Exchange("web, not web", http1(body=b"hi", content_type="text/plain"), WEB, sized(b"ok")),
    Exchange("web over grpc", call(), WEB),
    Exchange("web with stats", web(), WEB + stats(emit_filter_state=True, **ALL)),
    Exchange("stats before web", web(), stats(emit_filter_state=True, **ALL) + WEB),
    Exchange("web preflight", http1("OPTIONS", access_control_request_method="POST", origin="http://a"), WEB),
    Exchange("bridge", http1(body=CALL, content_type="application/grpc"), BRIDGE),
    Exchange(
        "bridge with trailers on", http1(body=CALL, content_type="application/grpc"), BRIDGE, hcm=TRAILERS
    ),
    Exchange("bridge fails", http1(body=CALL, content_type="application/grpc"), BRIDGE, FAILED),
    Exchange("bridge, trailers only", http1(body=CALL, content_type="application/grpc"), BRIDGE, ONLY),
    Exchange(
        "bridge, odd status",
        http1(content_type="application/grpc"),
        BRIDGE,
        chunked(b"", "grpc-status: x\r\n"),
    ),
    Exchange(
        "bridge, no status",
        http1(content_type="application/grpc"),
        BRIDGE,
        chunked(message(b"a"), "x-t: 1\r\n"),
    ),
    Exchange(
        "bridge, no trailers", http1(content_type="application/grpc"), BRIDGE, chunked(message(b"a"), "")
    ),
    Exchange("bridge over http2", call(), BRIDGE),
    Exchange("bridge, not grpc", http1(body=b"hi", content_type="text/plain"), BRIDGE, sized(b"ok")),
    Exchange("bridge, a page", http1(content_type="application/grpc"), BRIDGE, sized(b"oops", "", "503 No")),
    Exchange("bridge, query", http1(path=PATH + "?a=b", content_type="application/grpc"), BRIDGE),
    Exchange("bridge, query ignored", http1(path=PATH + "?a=b", content_type="application/grpc"), NO_QUERY),
    Exchange("bridge over http2, query", call(path=PATH + "?a=b"), NO_QUERY),
    Exchange("bridge, no host", http1(path="/nohost/x", content_type="application/grpc"), BRIDGE),
    Exchange("bridge, protobuf not upgraded", http1(body=b"hello", **PROTO), BRIDGE),
    Exchange(
        "bridge, protobuf",
        http1(body=b"hello", **PROTO),
        UPGRADE,
        chunked(message(b"abc"), "grpc-status: 0\r\n"),
    ),
    Exchange("bridge, protobuf fails", http1(body=b"hello", **PROTO), UPGRADE, FAILED),
    Exchange("bridge, protobuf, trailers only", http1(body=b"hello", **PROTO), UPGRADE, ONLY),
    Exchange("bridge, protobuf of nothing", http1(body=b"", **PROTO), UPGRADE),
    Exchange("bridge, protobuf, two messages", http1(body=b"hello", **PROTO), UPGRADE),
    Exchange(
        "bridge, protobuf, no trailers", http1(body=b"hello", **PROTO), UPGRADE, chunked(message(b"abc"), "")
    ),
    Exchange(
        "bridge, protobuf in chunks",
        http1(body=b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", transfer_encoding="chunked", **PROTO),
        UPGRADE,
        chunked(message(b"abc"), "grpc-status: 0\r\n"),
    ),
    Exchange(
        "bridge, protobuf over http2",
        call(("content-type", "application/x-protobuf"), body=b"hello"),
        UPGRADE,
    ),
    Exchange("bridge with stats", http1(body=CALL, content_type="application/grpc"), BRIDGE + stats(**ALL)),
    Exchange("stats before bridge", http1(body=CALL, content_type="application/grpc"), stats(**ALL) + BRIDGE),
    Exchange(
        "bridge, large",
        http1(content_type="application/grpc"),
        BRIDGE,
        chunked(b"x" * 300_000, "grpc-status: 0\r\n"),
    ),
    Exchange(
        "bridge, too large",
        http1(content_type="application/grpc"),
        BRIDGE,
        chunked(b"x" * 1_500_000, "grpc-status: 0\r\n"),
    ),
]
"""Each has a listener of its own."""


def configuration(server: int, logs: Path) -> dict[str, Any]:
    listeners = []
    direct = {"status": 200, "body": {"inline_string": "hi"}}
    router = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
    for exchange in EXCHANGES:
        slug = exchange.slug
        routes = [
            {"match": {"path": "/direct"}, "direct_response": direct},
            {"match": {"prefix": "/late"}, "route": {"cluster": "up", "timeout": "0.3s"}},
            {"match": {"prefix": "/none"}, "route": {"cluster": "none"}},
            {"match": {"prefix": "/nohost"}, "route": {"cluster": "nohost"}},
            {"match": {"prefix": "/only", "grpc": {}}, "route": {"cluster": "up"}},
            {"match": {"prefix": "/only"}, "direct_response": direct},
            *[
                {"match": {"prefix": path}, "route": {"cluster": "up", **timed}}
                for path, timed in TIMED.items()
            ],
            {"match": {"safe_regex": {"regex": "/(?:[^n]|n[^o]).*|//b"}}, "route": {"cluster": "up"}},
        ]
        log = {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": str(logs / slug)}
        log["log_format"] = {"text_format_source": {"inline_string": FORMAT}}  # type: ignore[assignment]
        manager = {
            "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": slug,
            "route_config": {
                "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}],
                "validate_clusters": False,
            },
            "http_filters": [*exchange.filters, router],
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
        "alt_stat_name": "up-stat",
        "load_assignment": {"cluster_name": "up", "endpoints": endpoints},
        "typed_extension_protocol_options": {options: with_trailers},
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": [cluster, {"name": "nohost"}]},
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
        pattern = rf"^(http\.{slug}\.|cluster\.(up-stat|nohost)\.(grpc|upstream_rq_[1-5c]))"
        before = self.process.stats(pattern)
        answers = exchange.play(self.process.listeners()[slug])  # type: ignore[arg-type]
        self._settle(slug)
        after = self.process.stats(pattern)
        lines = (self.logs / slug).read_text().splitlines() if (self.logs / slug).exists() else []
        return {
            "answers": answers,
            "forwarded": sorted(self.server.seen),
            "log": sorted(lines),
            "stats": {
                name: value - before.get(name, 0)
                for name, value in after.items()
                if value != before.get(name, 0) and not re.search(IGNORED, name)
            },
        }

    def times(self, name: str) -> bool:
        """Whether a histogram gets a value, some seconds later."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            lines = self.process.admin("/stats?usedonly&filter=upstream_rq_time")[1].splitlines()
            if any(line.startswith(f"{name}: P0(") for line in lines):
                return True
            time.sleep(0.2)
        return False

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


IGNORED = r"_bytes|rq_time|length_ms|delayed_close_timeout"
"""Sizes depend on how the heads are packed, and how frames are cut; delayed closes on who is faster."""


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        server = Server()
        process = ProxyProcess(which, configuration(server.port, directory), directory, [])
        started.append(Side(process, server, directory))
    yield started
    for side in started:
        side.process.stop()
        side.server.close()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_same_as_envoy(exchange: Exchange, sides: list[Side]) -> None:
    envoy, ours = (
        json.dumps(side.observe(exchange), indent=1, sort_keys=True).splitlines() for side in sides
    )
    apart = list(difflib.unified_diff(envoy, ours, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)


def test_upstream_times(sides: list[Side]) -> None:
    name = "stats of upstream"
    exchange = next(exchange for exchange in EXCHANGES if exchange.name == name)
    for side in sides:
        side.observe(exchange)
        assert side.times("cluster.up-stat.grpc.pkg.Service.Method.upstream_rq_time"), side.process.which
