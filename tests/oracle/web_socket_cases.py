"""What is said in WebSockets, and how they are asked for: the cases of `test_web_sockets`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.web_socket_client import Fields, Step, masked, unmasked
from harness.web_socket_frames import DEFLATE

BYE: Step = ("close", 1000, "bye")


@dataclass
class Case:
    """A visit, and what of it may differ from Envoy."""

    steps: list[Step] = field(default_factory=list)
    path: str = "/echo"
    early: list[Step] = field(default_factory=list)
    protocol: str = "websocket"
    fields: Fields = field(default_factory=list)
    manager: str = "plain"
    """Which of `MANAGERS`."""
    is_direct: bool = True
    """Whether the frames must be those of a visit without a proxy."""
    down: tuple[str, ...] = ("h1", "h2")
    up: tuple[str, ...] = ("h1", "h2")
    ignore: str = ""
    """Statistics that depend on who is first."""


def says(*steps: Step) -> Case:
    """Says this, sees as much come back, and closes."""
    frames = sum(step[0] not in ("pong", "raw") for step in steps)
    return Case([*steps, ("expect", frames), BYE])


def refused(what: int, **more: Any) -> Case:
    return Case(path=f"/says/{what}", is_direct=False, **more)


def denied(**more: Any) -> Case:
    return Case([("text", "hello")], is_direct=False, **more)


UPGRADE = {"upgrade_type": "websocket"}
MANAGERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "idle": {"stream_idle_timeout": "0.3s"},
    "short": {"common_http_protocol_options": {"max_stream_duration": "0.4s"}},
    "asked": {"request_timeout": "0.2s"},
    "off": {"upgrade_configs": [{**UPGRADE, "enabled": False}]},
    "unknown": {"upgrade_configs": []},
    "closed": {"http2_protocol_options": {}},
}
ROUTES: list[tuple[str, dict[str, Any]]] = [
    ("/echo/off", {"upgrade_configs": [{**UPGRADE, "enabled": False}]}),
    ("/echo/on", {"upgrade_configs": [UPGRADE]}),
    ("/echo/foo", {"upgrade_configs": [{"upgrade_type": "foo"}]}),
    ("/late/timeout", {"timeout": "0.05s"}),
    ("/echo/timeout", {"timeout": "0.2s"}),
    ("/echo/idle", {"idle_timeout": "0.3s"}),
    ("/echo/rewritten", {"prefix_rewrite": "/closes/4001"}),
]
"""What is in the routes of all of them, above the one that takes everything."""

ABRUPT = r"rq_(rx|tx)_reset|_rq_completed|destroy|_rq_cancelled"
CASES: dict[str, Case] = {
    # Text
    "a text": says(("text", "hello")),
    "an empty text": says(("text", "")),
    "a text of 125 bytes": says(("text", "x" * 125)),
    "a text of 126 bytes": says(("text", "x" * 126)),
    "a text of 65535 bytes": says(("text", "x" * 65_535)),
    "a text of 65536 bytes": says(("text", "x" * 65_536)),
    "a text of many scripts": says(("text", "κόσμε 世界 🌍 عالم")),
    "several texts": says(*(("text", f"message {number}") for number in range(20))),
    "several texts at once": Case(
        [("together", *(("text", f"message {number}") for number in range(20))), ("expect", 20), BYE]
    ),
    "texts one after the other": Case(
        [step for number in range(1, 6) for step in (("text", "x" * number), ("expect", number))] + [BYE]
    ),
    # Binary
    "bytes": says(("bytes", b"\x00\x01\xfe\xff")),
    "no bytes": says(("bytes", b"")),
    "every byte": says(("bytes", bytes(range(256)))),
    "a megabyte": says(("bytes", b"x" * 1_048_576)),
    "a megabyte of the service": Case([("text", "go"), ("expect", 1), BYE], "/large/1048576"),
    "five megabytes both ways": says(("bytes", b"0123456789" * 524_288)),
    "texts and bytes": says(("text", "a"), ("bytes", b"b"), ("text", "c")),
    # Fragments
    "two fragments": says(("text", "one ", False), ("text", "two", True)),
    "fragments without a byte": says(("text", "", False), ("text", "", False), ("text", "", True)),
    "fifty fragments": says(
        *(("bytes", bytes([number]), False) for number in range(49)), ("bytes", b"end", True)
    ),
    "a ping between fragments": says(("text", "one ", False), ("ping", b"?"), ("text", "two", True)),
    "large fragments": says(("bytes", b"a" * 100_000, False), ("bytes", b"b" * 100_000, True)),
    "a frame byte by byte": Case([("bytewise", ("text", "slowly")), ("expect", 1), BYE]),
    "a close byte by byte": Case([("bytewise", BYE)]),
    # Ping and pong
    "a ping": says(("ping", b"")),
    "a ping of 125 bytes": says(("ping", b"p" * 125)),
    "ten pings": says(*(("ping", bytes([number])) for number in range(10))),
    "a pong that nobody asked for": says(("pong", b"here"), ("text", "a")),
    "a ping of the service": Case([("expect", 1), BYE], "/pings"),
    # Closes
    **{f"closed with {code}": Case([("close", code, "")]) for code in
       (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999)},
    "closed without a code": Case([("raw", masked(8, b""))]),
    "closed with a long reason": Case([("close", 1000, "r" * 123)]),
    **{f"closed with {code} by the service": Case([("text", "go")], f"/closes/{code}")
       for code in (1000, 1001, 1011, 4000)},
    "closed in the middle of a message": Case([("text", "one ", False), BYE]),
    # What is malformed is none of the proxy's business.
    "a reserved opcode": Case([("raw", masked(3, b"x"))]),
    "a reserved opcode of control": Case([("raw", masked(11, b"x"))]),
    "a frame that is not masked": Case([("raw", unmasked(1, b"x"))]),
    "no text": Case([("raw", masked(1, b"\xff\xfe"))]),
    "a close of one byte": Case([("raw", masked(8, b"\x03"))]),
    "a ping in fragments": Case([("raw", b"\x09\x81mask\x00")]),
    # Extensions and the like
    "compressed": Case([("text", "again and again and again " * 50), ("expect", 1), BYE],
                       fields=[("sec-websocket-extensions", DEFLATE)]),
    "a compressed megabyte": Case([("bytes", b"0123456789" * 104_858), ("expect", 1), BYE],
                                  fields=[("sec-websocket-extensions", DEFLATE)]),
    "a protocol within": Case([BYE], fields=[("sec-websocket-protocol", "chat, superchat")]),
    "a name in capitals": Case([("text", "hello"), ("expect", 1), BYE], protocol="WebSocket"),
    "an origin and cookies": Case([BYE], fields=[("origin", "http://h.test"), ("cookie", "a=1")]),
    "a path that is rewritten": Case([("text", "go")], "/echo/rewritten", is_direct=False),
    # Before the answer
    "words with the head": Case([("expect", 1), BYE], early=[("text", "early")]),
    "many words with the head": Case(
        [("expect", 2), BYE], early=[("text", "x" * 10_000), ("bytes", b"y" * 10_000)]
    ),
    "words before a late answer": Case([("expect", 1), BYE], "/late", early=[("text", "early")]),
    "words before and after a late answer": Case(
        [("text", "more"), ("expect", 2), BYE], "/late", early=[("text", "early")]
    ),
    "a service that speaks first": Case([("expect", 1), BYE], "/greets"),
    "both speak first": Case([("expect", 2), BYE], "/greets", early=[("text", "early")]),
    # Answers that do not agree
    "a 200 that is no upgrade": refused(200, up=("h1",)),
    "a 200 that is no upgrade, and early words": refused(200, up=("h1",), early=[("text", "early")]),
    **{f"answered with {status}": refused(status) for status in (302, 400, 401, 403, 404, 426, 500, 503)},
    "answered with 403, and early words": refused(403, early=[("text", "early")]),
    # Ends
    "the client ends its half": Case([("text", "hello"), ("expect", 1), ("end",)], ignore=ABRUPT),
    "the client ends its half at once": Case([("end",)], ignore=ABRUPT),
    "the service has last words": Case([("text", "hello"), ("end",)], "/listens", ignore=ABRUPT,
                                  is_direct=False),
    "the service ends its half": Case([("text", "go")], "/ends", ignore=ABRUPT),
    "the service goes": Case([("text", "go")], "/drops", ignore=ABRUPT, is_direct=False),
    "the service resets": Case([("text", "go")], "/resets", ignore=ABRUPT, is_direct=False),
    "the client goes": Case([("text", "hello"), ("expect", 1), ("leave",)], ignore=ABRUPT),
    "the client resets": Case([("text", "hello"), ("expect", 1), ("reset",)], ignore=ABRUPT,
                              is_direct=False),
    # Clocks
    "idle": Case([("text", "hello")], manager="idle", is_direct=False),
    "idle from the beginning": Case(manager="idle", is_direct=False),
    "idle by the route": Case([("text", "hello")], "/echo/idle", is_direct=False),
    "kept awake by pings": Case(
        [*(("ping", b"") if odd else ("pause", 0.1) for odd in [False, True] * 5), ("expect", 5), BYE],
        manager="idle",
    ),
    "too long": Case([("text", "hello")], manager="short", is_direct=False),
    "longer than a request may last": Case([("pause", 0.4), ("text", "hello"), ("expect", 1), BYE],
                                           manager="asked"),
    "longer than the route's timeout": Case([("pause", 0.4), ("text", "hello"), ("expect", 1), BYE],
                                            "/echo/timeout"),
    "not answered in time": Case([("text", "hello")], "/late/timeout", is_direct=False),
    # What is not allowed
    "a type that is unknown": denied(protocol="foo"),
    "none is allowed": denied(manager="unknown"),
    "off in the manager": denied(manager="off"),
    "off in the manager, on for the route": Case([("text", "hello"), ("expect", 1), BYE], "/echo/on",
                                                 manager="off"),
    "unknown to the manager, on for the route": denied(path="/echo/on", manager="unknown"),
    "off for the route": denied(path="/echo/off"),
    "another type for the route": Case([("text", "hello"), ("expect", 1), BYE], "/echo/foo",
                                       protocol="foo"),
    "another type for the route, and this one": Case([("text", "hello"), ("expect", 1), BYE], "/echo/foo"),
    "denied with early words": denied(manager="off", early=[("text", "early")]),
    "not allowed over HTTP 2": denied(manager="closed", down=("h2",)),
}  # fmt: skip
