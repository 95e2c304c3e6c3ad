"""gRPC to hosts that speak HTTP/2: the same calls to Envoy and Ferryman, and all observed must be equal."""

from __future__ import annotations

import base64
import difflib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from harness.http2_upstream import Http2Upstream, UpstreamSide
from harness.proxy_process import ProxyProcess

from oracle.test_grpc import ALL, BRIDGE, CALL, UPGRADE, WEB, filter_of, message, stats
from oracle.test_http2_upstream import (
    Exchange,
    Heads,
    Request,
    Side,
    answers,
    ask1,
    ask2,
    closes,
    configuration,
    goes_away,
    leaves_unprocessed,
    nothing,
    resets,
)

pytestmark = pytest.mark.oracle

FORMAT = (
    "%PROTOCOL% %UPSTREAM_PROTOCOL% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"
    " %GRPC_STATUS% %TRAILER(grpc-message)% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_TRANSPORT_FAILURE_REASON%"
    " %FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)%\n"
)
HEAD: Heads = [(":status", "200"), ("content-type", "application/grpc")]
TWO = message(b"hello") + message(b"x" * 20)
OK = answers(HEAD, TWO, [("grpc-status", "0"), ("x-t", "1")])
FAILED = answers(HEAD, message(b"a"), [("grpc-status", "7"), ("grpc-message", "no%20way")])
ONLY = answers([*HEAD, ("grpc-status", "5"), ("grpc-message", "none")])
ROUTER = filter_of("router", "Router")


def call(*fields: tuple[str, str], path: str = "/pkg.Service/Method", body: bytes | None = CALL) -> Request:
    head = [("content-type", "application/grpc"), ("te", "trailers")]
    return Request("POST", path, list((dict(head) | dict(fields)).items()), body)


def other(kind: str, body: bytes = CALL) -> Request:
    return Request("POST", "/pkg.Service/Method", [("content-type", kind)], body)


def through(*filters: list[dict[str, Any]]) -> dict[str, Any]:
    """With filters."""
    return {"http_filters": [one for some in filters for one in some] + [ROUTER]}


def timed(**duration: str) -> dict[str, Any]:
    return {"max_stream_duration": duration}


def echoes(side: UpstreamSide, stream: int) -> None:
    """Answers before the request is whole."""
    side.h2.send_headers(stream, HEAD)
    side.h2.send_data(stream, message(b"early"))
    side.h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)


def resets_after_status(side: UpstreamSide, stream: int) -> None:
    """As a server does that has not read all of a request that is over for it."""
    echoes(side, stream)
    side.h2.reset_stream(stream, 0)


STATS = through(stats(emit_filter_state=True, **ALL))
LATE = "/late"
EXCHANGES = [
    Exchange("call", call(), OK),
    Exchange("call that fails", call(), FAILED),
    Exchange("trailers only", call(), ONLY),
    Exchange("no status", call(), answers(HEAD, TWO, [("x-t", "1")])),
    Exchange("no trailers", call(), answers(HEAD, TWO)),
    Exchange("an odd status", call(), answers(HEAD, TWO, [("grpc-status", "x")])),
    Exchange("a status beyond all", call(), answers(HEAD, TWO, [("grpc-status", "77")])),
    Exchange(
        "a status in head and trailers",
        call(),
        answers([*HEAD, ("grpc-status", "3")], TWO, [("grpc-status", "0")]),
    ),
    Exchange("without te", call(("te", "gzip")), OK),
    Exchange("no messages", call(body=None), OK),
    Exchange("an empty message", call(body=message(b"")), OK),
    Exchange("a large message", call(body=message(b"x" * 200_000)), OK),
    Exchange("metadata", call(("x-bin", base64.b64encode(bytes(range(256))).decode())), OK),
    Exchange("a page", call(), answers([(":status", "503"), ("content-type", "text/html")], b"oops")),
    Exchange("not found", call(), answers([(":status", "404")])),
    Exchange("answers early", call(), echoes, eager=True),
    Exchange("answers early and resets", call(), resets_after_status, eager=True),
    Exchange("reset as cancelled", call(), resets(8)),
    Exchange("reset as refused", call(), resets(7)),
    Exchange("reset with internal error", call(), resets(2)),
    Exchange("reset with calm down", call(), resets(11)),
    Exchange("reset with inadequate security", call(), resets(12)),
    Exchange("reset after the head", call(), resets(8, HEAD)),
    Exchange("reset after a message", call(), resets(8, HEAD, message(b"one"))),
    Exchange("closes", call(), closes()),
    Exchange("closes after the head", call(), closes(HEAD)),
    Exchange("goes away", call(), goes_away),
    Exchange("leaves it unprocessed", call(), leaves_unprocessed),
    Exchange("the route's time is up", call(path=LATE), nothing),
    Exchange(
        "the call's time is up",
        call(("grpc-timeout", "200m")),
        nothing,
        route=timed(grpc_timeout_header_max="0s"),
    ),
    Exchange(
        "the call's time is cut",
        call(("grpc-timeout", "9S")),
        nothing,
        route=timed(grpc_timeout_header_max="0.2s"),
    ),
    Exchange(
        "the call has time", call(("grpc-timeout", "60S")), OK, route=timed(grpc_timeout_header_max="0s")
    ),
    Exchange("all streams' time is up", call(), nothing, route=timed(max_stream_duration="0.2s")),
    Exchange("stats", call(), OK, hcm=STATS),
    Exchange("stats, a call that fails", call(), FAILED, hcm=STATS),
    Exchange("stats, trailers only", call(), ONLY, hcm=STATS),
    Exchange("stats, reset", call(), resets(8), hcm=STATS),
    Exchange("stats, reset after a message", call(), resets(8, HEAD, message(b"one")), hcm=STATS),
    Exchange("stats, time is up", call(path=LATE), nothing, hcm=STATS),
    Exchange("web", other("application/grpc-web+proto"), OK, hcm=through(WEB)),
    Exchange("web, a call that fails", other("application/grpc-web+proto"), FAILED, hcm=through(WEB)),
    Exchange("web, trailers only", other("application/grpc-web+proto"), ONLY, hcm=through(WEB)),
    Exchange("web, reset", other("application/grpc-web+proto"), resets(8), hcm=through(WEB)),
    Exchange(
        "web, reset after the head", other("application/grpc-web+proto"), resets(8, HEAD), hcm=through(WEB)
    ),
    Exchange("web text", other("application/grpc-web-text", base64.b64encode(CALL)), OK, hcm=through(WEB)),
    Exchange(
        "web, time is up", replace(other("application/grpc-web+proto"), path=LATE), nothing, hcm=through(WEB)
    ),
    Exchange("bridge", call(), OK, hcm=through(BRIDGE)),
    Exchange("bridge, a call that fails", call(), FAILED, hcm=through(BRIDGE)),
    Exchange("bridge, trailers only", call(), ONLY, hcm=through(BRIDGE)),
    Exchange("bridge, reset", call(), resets(8), hcm=through(BRIDGE)),
    Exchange("bridge, protobuf", other("application/x-protobuf", b"hi"), OK, hcm=through(UPGRADE)),
    Exchange(
        "bridge, protobuf that fails", other("application/x-protobuf", b"hi"), FAILED, hcm=through(UPGRADE)
    ),
]
"""Each has a listener and a cluster of its own."""


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        upstream = Http2Upstream()
        bootstrap = configuration(upstream.port, directory, EXCHANGES, FORMAT)
        started.append(Side(ProxyProcess(which, bootstrap, directory, []), upstream, directory))
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
