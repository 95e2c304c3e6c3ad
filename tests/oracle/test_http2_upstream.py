"""HTTP/2 to hosts: the same requests through Envoy and Ferryman, and everything observed must be equal."""

from __future__ import annotations

import difflib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness.http2_client import Http2Client
from harness.http2_upstream import Answering, Http2Upstream, UpstreamSide, ok
from harness.proxy_process import ProxyProcess

pytestmark = pytest.mark.oracle

FORMAT = (
    "%PROTOCOL% %UPSTREAM_PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%"
    " %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %BYTES_RECEIVED% %BYTES_SENT%"
    " %TRAILER(x-t)% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER%\n"
)
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
Heads = list[tuple[str, str]]
Ask = Callable[[tuple[str, int]], list[Any]]


def answers(
    headers: Heads, body: bytes | None = None, trailers: Heads | None = None, before: Heads | None = None
) -> Answering:
    """A response; `before`: an informational one."""

    def answer(side: UpstreamSide, stream: int) -> None:
        if before:
            side.h2.send_headers(stream, before)
        side.h2.send_headers(stream, headers, end_stream=body is None and trailers is None)
        if body is not None:
            side.h2.send_data(stream, body, end_stream=trailers is None)
        if trailers is not None:
            side.h2.send_headers(stream, trailers, end_stream=True)

    return answer


def resets(code: int, after: Heads | None = None, body: bytes = b"") -> Answering:
    """A reset, after a head and some data or at once."""

    def answer(side: UpstreamSide, stream: int) -> None:
        if after:
            side.h2.send_headers(stream, after)
            if body:
                side.h2.send_data(stream, body)
            side.flush()
            time.sleep(0.1)
        side.h2.reset_stream(stream, code)

    return answer


def closes(after: Heads | None = None) -> Answering:
    def answer(side: UpstreamSide, stream: int) -> None:
        if after:
            side.h2.send_headers(stream, after)
            side.flush()
            time.sleep(0.1)
        side.over = True

    return answer


def says(data: Callable[[int], bytes]) -> Answering:
    """Bytes as they are."""

    def answer(side: UpstreamSide, stream: int) -> None:
        side.raw(data(stream))

    return answer


def goes_away(side: UpstreamSide, stream: int) -> None:
    """Answers, and takes no more streams."""
    ok(side, stream)
    side.flush()
    side.raw(frame(7, 0, 0, stream.to_bytes(4, "big") + bytes(4)))


def leaves_unprocessed(side: UpstreamSide, stream: int) -> None:
    side.raw(frame(7, 0, 0, bytes(8)))


def nothing(side: UpstreamSide, stream: int) -> None:
    """No answer."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@dataclass
class Request:
    """What is asked, in either version."""

    method: str = "GET"
    path: str = "/"
    headers: Heads = field(default_factory=list)
    body: bytes | None = None
    trailers: Heads = field(default_factory=list)
    times: int = 1


def volatile(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    hidden = {"date", "x-request-id", "x-envoy-upstream-service-time", "x-envoy-expected-rq-timeout-ms"}
    return sorted((name.lower(), "*" if name.lower() in hidden else value) for name, value in headers)


def ask1(address: tuple[str, int], request: Request) -> list[Any]:
    """Over HTTP/1.1, one connection."""
    client = http.client.HTTPConnection(*address, timeout=10)
    found = []
    for _ in range(request.times):
        try:
            headers = {"host": "h.test", **dict(request.headers)}
            if request.trailers:
                client.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
                for name, value in {**headers, "transfer-encoding": "chunked"}.items():
                    client.putheader(name, value)
                client.endheaders()
                end = "".join(f"{name}: {value}\r\n" for name, value in request.trailers)
                body = request.body or b""
                client.send(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n" + end.encode() + b"\r\n")
            else:
                client.request(request.method, request.path, request.body, headers)
            response = client.getresponse()
            head = [response.status, volatile(response.getheaders())]
            found.append([*head, response.read().decode("latin-1")])
        except (OSError, http.client.HTTPException) as error:
            found.append(type(error).__name__)
            client.close()
    client.close()
    return found


def ask2(address: tuple[str, int], request: Request) -> list[Any]:
    """Over HTTP/2, one connection, one after the other."""
    with closing(Http2Client(address)) as client:
        return exchange2(client, request)


def exchange2(client: Http2Client, request: Request) -> list[Any]:
    head = [
        (":method", request.method),
        (":scheme", "http"),
        (":authority", "h.test"),
        (":path", request.path),
    ]
    found = []
    for _ in range(request.times):
        if client.closed:
            break
        stream = client.request(head + request.headers, request.body, request.trailers)
        for answer in client.wait(stream):
            body = answer.body.decode("latin-1")
            found.append({**vars(answer), "headers": volatile(answer.headers), "body": body})
    return found


@dataclass
class Exchange:
    """What is asked, and how the upstream answers."""

    name: str
    request: Request = field(default_factory=Request)
    answer: Answering = ok
    options: dict[str, Any] = field(default_factory=dict)
    hcm: dict[str, Any] = field(default_factory=dict)
    eager: bool = False
    settings: dict[int, int] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-").replace(",", "")


HEAD: Heads = [(":status", "200")]
ALONE = {"override_stream_error_on_invalid_http_message": True}
POST = Request("POST", body=b"hello")
INFORMED = {"proxy_100_continue": True}
EXCHANGES = [
    Exchange("get"),
    Exchange("twice", Request(times=2)),
    Exchange("post", POST),
    Exchange("post without a body", Request("POST")),
    Exchange("put without a body", Request("PUT")),
    Exchange("delete with a body", Request("DELETE", body=b"x")),
    Exchange("a large body", Request("POST", body=b"x" * 300_000)),
    Exchange("a large response", answer=answers(HEAD, b"x" * 60_000)),
    Exchange("trailers of a request", Request("POST", body=b"hello", trailers=[("x-t", "1")])),
    Exchange("trailers of a response", answer=answers(HEAD, b"abc", [("x-t", "end")])),
    Exchange("trailers alone", answer=answers(HEAD, None, [("x-t", "end")])),
    Exchange("head", Request("HEAD"), answers([*HEAD, ("content-length", "5")])),
    Exchange("head without a length", Request("HEAD"), answers(HEAD)),
    Exchange("no content", answer=answers([(":status", "204")])),
    Exchange("not modified", answer=answers([(":status", "304"), ("content-length", "9")])),
    Exchange("no length", answer=answers(HEAD, b"abc")),
    Exchange("an empty response", answer=answers(HEAD)),
    Exchange("an empty response of length 0", answer=answers([*HEAD, ("content-length", "0")])),
    Exchange("an empty last frame", answer=answers([*HEAD, ("content-length", "0")], b"")),
    Exchange(
        "early hints", answer=answers(HEAD, b"a", None, [(":status", "103"), ("link", "a")]), hcm=INFORMED
    ),
    Exchange("continue", POST, answers(HEAD, b"a", None, [(":status", "100")]), hcm=INFORMED),
    Exchange("informational not passed", answer=answers(HEAD, b"a", None, [(":status", "103")])),
    Exchange("cookies", Request(headers=[("cookie", "a=1; b=2")])),
    Exchange("te trailers", Request(headers=[("te", "trailers")])),
    Exchange("te and gzip", Request(headers=[("te", "trailers")])),
    Exchange("set-cookie twice", answer=answers([*HEAD, ("set-cookie", "a"), ("set-cookie", "b")])),
    Exchange("internal error", answer=answers([(":status", "500")], b"no")),
    Exchange("reset with no error", answer=resets(0)),
    Exchange("reset with protocol error", answer=resets(1)),
    Exchange("reset with internal error", answer=resets(2)),
    Exchange("reset as refused", answer=resets(7)),
    Exchange("reset with cancel", answer=resets(8)),
    Exchange("reset with connect error", answer=resets(10)),
    Exchange("reset with calm down", answer=resets(11)),
    Exchange("reset for http 1", answer=resets(13)),
    Exchange("reset after the head", answer=resets(2, HEAD)),
    Exchange("reset after some data", answer=resets(2, HEAD, b"abc")),
    Exchange("refused after the head", answer=resets(7, HEAD)),
    Exchange("closes", answer=closes()),
    Exchange("closes after the head", answer=closes(HEAD)),
    Exchange("goes away", answer=goes_away),
    Exchange("leaves it unprocessed", answer=leaves_unprocessed),
    Exchange("time is up", Request(path="/late"), nothing),
    Exchange("not a frame", answer=says(lambda stream: frame(0, 0, 0, b"x"))),
    Exchange("http 1 text", answer=says(lambda stream: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")),
    Exchange("too large a frame", answer=says(lambda stream: frame(0, 0, stream, b"x" * 20_000))),
    Exchange("a ping of a wrong size", answer=says(lambda stream: frame(6, 0, 0, b"x"))),
    Exchange("a promise", answer=says(lambda stream: frame(5, 4, stream, bytes(4) + b"\x82"))),
    Exchange("upper case", answer=answers([*HEAD, ("X-A", "1")])),
    Exchange("upper case, stream alone", answer=answers([*HEAD, ("X-A", "1")]), options=ALONE),
    Exchange("a connection field", answer=answers([*HEAD, ("connection", "close")])),
    Exchange("no status", answer=answers([("x-a", "1")])),
    Exchange("no status, stream alone", answer=answers([("x-a", "1")]), options=ALONE),
    Exchange("longer than its length", answer=answers([*HEAD, ("content-length", "2")], b"hello")),
    Exchange("shorter than its length", answer=answers([*HEAD, ("content-length", "9")], b"hello")),
    Exchange("too many fields", answer=answers(HEAD + [(f"x-{number}", "1") for number in range(120)])),
    Exchange("too large a head", answer=answers([*HEAD, ("x-a", "1" * 90_000)])),
    Exchange("answers early", POST, eager=True),
    Exchange("processing passed", answer=answers(HEAD, b"a", None, [(":status", "102")]), hcm=INFORMED),
    Exchange("switching protocols", answer=answers([(":status", "101")])),
]


def cluster(name: str, port: int, options: dict[str, Any]) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    protocol = {
        "@type": f"type.googleapis.com/{OPTIONS}",
        "explicit_http_config": {"http2_protocol_options": options},
    }
    return {
        "name": name,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {OPTIONS: protocol},
    }


def configuration(
    port: int, logs: Path, exchanges: list[Exchange], log_format: str = FORMAT
) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions"
    router = {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}}
    listeners = []
    for exchange in exchanges:
        slug = exchange.slug
        routes = [
            {"match": {"path": "/late"}, "route": {"cluster": slug, "timeout": "0.3s"}},
            {"match": {"prefix": "/"}, "route": {"cluster": slug, **exchange.route}},
        ]
        log = {
            "@type": f"{types}.access_loggers.file.v3.FileAccessLog",
            "path": str(logs / slug),
            "log_format": {"text_format_source": {"inline_string": log_format}},
        }
        manager = {
            "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": slug,
            "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
            "http_protocol_options": {"enable_trailers": True},
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
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": listeners,
            "clusters": [cluster(exchange.slug, port, exchange.options) for exchange in exchanges],
        },
    }


IGNORED = r"_bytes|rq_time|_ms$|nghttp2_|outbound|streams_active|version|_cx_.*active"
"""Sizes depend on how the heads are packed, and how frames are cut."""


@dataclass
class Side:
    """One proxy, its upstream and its logs."""

    process: ProxyProcess
    upstream: Http2Upstream
    logs: Path

    def observe(
        self, exchange: Exchange, ask: Callable[[tuple[str, int], Request], list[Any]]
    ) -> dict[str, Any]:
        slug, upstream = exchange.slug, self.upstream
        upstream.answer, upstream.eager, upstream.seen = exchange.answer, exchange.eager, []
        pattern = rf"^cluster\.{slug}\."
        before = self.process.stats(pattern)
        log = self.logs / slug
        lines_before = len(log.read_text().splitlines()) if log.exists() else 0
        found = ask(self.process.listeners()[slug], exchange.request)  # type: ignore[arg-type]
        self._settle(slug)
        after = self.process.stats(pattern)
        return {
            "answers": found,
            "forwarded": [
                {**vars(asked), "headers": volatile(asked.headers), "body": short(asked.body)}
                for asked in upstream.seen
            ],
            "log": log.read_text().splitlines()[lines_before:],
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
            stats = self.process.stats(rf"^(http\.{slug}\.downstream|cluster\.{slug}\.upstream)_rq_active$")
            if not any(stats.values()):
                break
            time.sleep(0.05)
        self.process.admin("/reopen_logs", "POST")
        time.sleep(0.1)


def short(body: bytes) -> str:
    return body.decode("latin-1") if len(body) < 100 else str(len(body))


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    yield from both_sides(EXCHANGES, tmp_path_factory, request)


def both_sides(
    exchanges: list[Exchange], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        upstream = Http2Upstream()
        process = ProxyProcess(which, configuration(upstream.port, directory, exchanges), directory, [])
        started.append(Side(process, upstream, directory))
    yield started
    for side in started:
        side.process.stop()
        side.upstream.close()


@pytest.mark.parametrize("ask", [ask1, ask2], ids=["h1", "h2"])
@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_same_as_envoy(exchange: Exchange, ask: Any, sides: list[Side]) -> None:
    envoy, ours = (
        json.dumps(side.observe(exchange, ask), indent=1, sort_keys=True).splitlines() for side in sides
    )
    apart = list(difflib.unified_diff(envoy, ours, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)
