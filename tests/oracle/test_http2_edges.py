"""Edges of HTTP/2 from clients: what `test_http2` plays for each feature, here for many values of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.http2_client import Answer, Http2Client
from harness.proxy_process import ProxyProcess

from oracle.test_http2 import (
    CHUNKED,
    GET,
    HOST,
    POST,
    STREAM_ERRORS,
    Exchange,
    Play,
    Server,
    Side,
    asks,
    compare,
    configuration,
)

pytestmark = pytest.mark.oracle


def reply(status: str, *fields: str, body: bytes = b"") -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"content-length: {len(body)}", *fields))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def several(paths: tuple[str, ...]) -> Play:
    def play(client: Http2Client) -> list[Answer]:
        return client.wait(*[client.request([*HOST, (":path", path)]) for path in paths])

    return play


def pieces(*sizes: int) -> Play:
    """A body in DATA frames of these sizes."""

    def play(client: Http2Client) -> list[Answer]:
        stream = client.request([*POST, (":path", "/pieces")], b"")
        for size in sizes:
            client.h2.send_data(stream, b"x" * size)
        client.h2.send_data(stream, b"", end_stream=True)
        client.flush()
        return client.wait(stream)

    return play


def prioritised(client: Http2Client) -> list[Answer]:
    stream = client.h2.get_next_available_stream_id()
    client.answers[stream] = Answer()
    client.h2.send_headers(stream, GET, True, priority_weight=7, priority_depends_on=0)
    client.h2.prioritize(stream + 2, weight=9)
    client.flush()
    return client.wait(stream)


def pinged(client: Http2Client) -> list[Answer]:
    client.h2.ping(b"12345678")
    return client.wait(client.request(GET))


def small_windows(client: Http2Client) -> list[Answer]:
    client.h2.update_settings({4: 1})
    return client.wait(client.request(GET))


FIELDS = (
    ("accept-encoding", "gzip, br"),
    ("authorization", "Basic YTpi"),
    ("cache-control", "no-cache"),
    ("content-type", "a/b"),
    ("cookie", "a=1; b=2"),
    ("cookie", ""),
    ("date", "x"),
    ("etag", '"a"'),
    ("if-none-match", "*"),
    ("max-forwards", "3"),
    ("origin", "http://h.test"),
    ("pragma", "x"),
    ("priority", "u=1, i"),
    ("range", "bytes=0-1"),
    ("referer", "http://h.test/"),
    ("user-agent", "x"),
    ("via", "2 a"),
    ("x-a", ""),
    ("x-a", "a\tb"),
    ("x-a", "\xe9"),
    ("x-a", "1" * 9000),
    ("x-envoy-internal", "true"),
    ("x-envoy-retry-on", "5xx"),
    ("x-envoy-upstream-rq-timeout-ms", "5000"),
    ("x-forwarded-host", "a"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "7"),
    ("x-real-ip", "1.2.3.4"),
    ("trailer", "x-t"),
    ("te", "trailers"),
    ("te", "Trailers"),
    ("server", "x"),
    ("content-language", "de"),
    ("forwarded", "for=1.2.3.4"),
)
PATHS = (
    "/?",
    "/?a=b&c",
    "//",
    "/a//b",
    "/%41",
    "/%zz",
    "/%2f",
    "/a;b=c",
    "/a/./b",
    "/..",
    "/a\\b",
    '/"',
    "/{}",
    "/^`|",
    "/:@",
    "/" + "a" * 3000,
    "/direct?x",
    "/redirect?x=1",
    "/late?",
    "/none/",
    "/direct/more",
)
STATUSES = (
    "200 OK",
    "201 Created",
    "202 A",
    "206 Partial",
    "301 Moved",
    "304 N",
    "400 Bad",
    "404 N",
    "429 T",
    "500 E",
    "503 U",
    "599 X",
)
METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "M-SEARCH", "PRI")
AUTHORITIES = ("h.test:80", "H.TEST", "h.test.", "[::1]", "[::1]:8080", "127.0.0.1:1", "a,b")
RESPONSE_FIELDS = (
    "x-a: 1",
    "x-a:",
    "X-Upper: 1",
    "set-cookie: a=1\r\nset-cookie: b=2",
    "server: x",
    "date: x",
    "connection: close",
    "keep-alive: 1",
    "proxy-connection: close",
    "te: trailers",
    "trailer: x",
    "x-envoy-upstream-service-time: 5",
    "via: 1.1 x",
    "x-a: \xe9",
    "x-a: a\tb",
    "location: /x",
    "vary: *",
    "www-authenticate: Basic",
    "x_a: 1",
    "cache-control: no-cache",
)
BODIES = (
    pieces(1),
    pieces(1, 2, 3),
    pieces(16_384),
    pieces(16_383, 1),
    pieces(10_000, 10_000),
    pieces(60_000 // 4, 15_000, 15_000),
)

EXCHANGES = [
    *[Exchange(f"field {at}", asks(field)) for at, field in enumerate(FIELDS)],
    *[Exchange(f"path {at}", asks((":path", path))) for at, path in enumerate(PATHS)],
    *[
        Exchange(f"status {status}", asks(), upstream=reply(status, body=b"" if "304" in status else b"ok"))
        for status in STATUSES
    ],
    *[
        Exchange(
            f"head {status}",
            asks((":method", "HEAD")),
            upstream=f"HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n".encode(),
        )
        for status in STATUSES[:4]
    ],
    *[Exchange(f"method {method}", asks((":method", method))) for method in METHODS],
    *[Exchange(f"authority {at}", asks((":authority", name))) for at, name in enumerate(AUTHORITIES)],
    *[
        Exchange(f"response field {at}", asks(), upstream=reply("200 OK", field, body=b"ok"))
        for at, field in enumerate(RESPONSE_FIELDS)
    ],
    *[Exchange(f"body {at}", body) for at, body in enumerate(BODIES)],
    Exchange("two streams", several(("/direct", "/a"))),
    Exchange("three kinds of streams", several(("/direct", "/redirect", "/none"))),
    Exchange("priorities", prioritised),
    Exchange("a ping", pinged),
    Exchange("small windows", small_windows),
    Exchange("small windows and chunks", small_windows, upstream=CHUNKED),
    Exchange("empty trailers value", asks(body=b"x", trailers=[("x-t", "")])),
    Exchange("many trailers", asks(body=b"x", trailers=[(f"x-{at}", "1") for at in range(20)])),
    Exchange("fields up to the limit", asks(*[(f"x-{at}", "1") for at in range(90)])),
    Exchange(
        "a limit of fields",
        asks(*[(f"x-{at}", "1") for at in range(9)]),
        {"common_http_protocol_options": {"max_headers_count": 10}},
    ),
    Exchange("a limit of bytes", asks(("x-a", "1" * 2000)), {"max_request_headers_kb": 1}),
    Exchange(
        "one stream at a time",
        several(("/direct",)),
        {"http2_protocol_options": {"max_concurrent_streams": 1}},
    ),
    Exchange("normalised", asks((":path", "/a/../b//c")), {"normalize_path": True, "merge_slashes": True}),
    Exchange("no server field", asks(), {"server_header_transformation": "PASS_THROUGH"}),
    Exchange("a via", asks(), {"via": "me"}),
    Exchange("a stripped port", asks((":authority", "h.test:80")), {"strip_any_host_port": True}),
    Exchange("a stripped dot", asks((":authority", "h.test.")), {"strip_trailing_host_dot": True}),
    Exchange(
        "a mapped reply",
        asks((":path", "/none")),
        {
            "local_reply_config": {
                "body_format": {"text_format_source": {"inline_string": "%RESPONSE_CODE% %PROTOCOL%\n"}}
            }
        },
    ),
    Exchange(
        "an upper limit of a head, stream alone",
        asks(("x-a", "1" * 3000)),
        {"max_request_headers_kb": 2, **STREAM_ERRORS},
    ),
]


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
