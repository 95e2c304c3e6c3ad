"""What `Http2ProtocolOptions` says about PING, SETTINGS and resets. `--proxy envoy` checks it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from conformance.frames import (
    ACK,
    GOAWAY,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Connection,
    frame,
    number,
    request,
    setting,
)

from http2_hosts.rig import Rig, Setup, get, statuses

ASKS_OFTEN = {"connection_keepalive": {"interval": "0.02s", "timeout": "10s"}}
ASKS = {"connection_keepalive": {"interval": "0.05s", "timeout": "0.2s"}}
ASKS_BEFORE_STREAMS = {"connection_keepalive": {"timeout": "0.3s", "connection_idle_interval": "0.001s"}}
CUSTOM = {
    "custom_settings_parameters": [{"identifier": 19712, "value": 5}, {"identifier": 5, "value": 32768}],
    "max_concurrent_streams": 9,
}
PAST_PINGS = 700
"""More than any limit on frames that carry nothing."""
SETUPS = {
    "good": Setup(),
    "asked": Setup(ASKS_OFTEN),
    "silent": Setup(ASKS),
    "doubted": Setup(ASKS_BEFORE_STREAMS),
    "custom": Setup(CUSTOM),
    "mute": Setup(),
}
LISTENERS = {
    "main": {},
    "asks": ASKS,
    "asks_often": ASKS_OFTEN,
    "custom": CUSTOM,
    "few_resets": {"stream_reset_burst": 10, "stream_reset_rate": 1},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    which, directory = request.config.getoption("--proxy"), tmp_path_factory.mktemp("options")
    plain = ("silent", "doubted", "custom", "mute")
    started = Rig(which, SETUPS, directory, plain, LISTENERS)
    yield started
    started.close()


def until(is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_host_that_answers_pings_stays(rig: Rig) -> None:
    host = rig.hosts["asked"]
    with closing(rig.client()) as client:
        assert statuses(client, [client.request(get("/asked/"))]) == ["200"]
        until(lambda: host.pings > PAST_PINGS)
        assert statuses(client, [client.request(get("/asked/"))]) == ["200"]
    assert host.connections == 1


def test_a_host_that_is_silent_loses_its_connection(rig: Rig) -> None:
    with closing(rig.client()) as client:
        assert statuses(client, [client.request(get("/silent/"))]) == ["503"]
    stats = rig.wait_for("silent", lambda stats: stats["upstream_cx_active"] == 0)
    assert stats["http2.keepalive_timeout"] == stats["upstream_cx_destroy_local_with_active_rq"] == 1
    details = "upstream_reset_before_response_started{connection_termination}"
    assert rig.log_of("silent", 1) == [f"/silent/ 503 UC {details}"]


def test_a_host_is_asked_before_a_stream_after_a_silence(rig: Rig) -> None:
    """It answers nothing: the second request, after a while, finds that out."""
    listener = rig.listeners["doubted"]
    with closing(rig.client()) as client:
        client.request(get("/doubted/"))
        side, _ = listener.accept()
        with side:
            side.settimeout(10)
            came = b""
            side.sendall(frame(SETTINGS, 0, 0))
            while frame(SETTINGS, ACK, 0) not in came:
                came += side.recv(65536)
            time.sleep(0.01)  # longer than the interval
            client.request(get("/doubted/"))
            while piece := side.recv(65536):
                came += piece
    assert came.count(bytes([0, 0, 8, PING, 0])) == 1
    assert rig.stats("doubted")["http2.keepalive_timeout"] == 1


def test_a_client_that_answers_pings_stays(rig: Rig) -> None:
    with Connection(port(rig, "asks_often"), tls=False) as client:
        pings = 0
        while pings < PAST_PINGS:
            came = client.next()
            assert came is not None and came.kind != GOAWAY
            if came.kind == PING:
                pings += 1
                client.send(frame(PING, ACK, 0, came.payload))


def test_a_client_that_is_silent_loses_its_connection(rig: Rig) -> None:
    before = rig.process.stats("^http2.keepalive_timeout$").get("http2.keepalive_timeout", 0)
    asked = 0
    with Connection(port(rig, "asks"), tls=False) as client:
        client.send(request(1, get("/mute/")))
        while (came := client.next()) is not None:
            asked += came.kind == PING
    assert asked == 1
    stats = rig.process.stats("^http2|^http.asks")
    assert stats["http2.keepalive_timeout"] == before + 1
    assert stats["http.asks.downstream_cx_destroy_local"] == 1
    line = "/mute/ 0 DC downstream_local_disconnect(http2_ping_timeout)"
    assert line in rig.log_of("mute", 1)


def settings_of(payload: bytes) -> list[tuple[int, int]]:
    entries = [payload[at : at + 6] for at in range(0, len(payload), 6)]
    return [(int.from_bytes(entry[:2], "big"), int.from_bytes(entry[2:], "big")) for entry in entries]


OWN = [(19712, 5), (5, 32768), (1, 4096), (8, 0), (3, 9), (4, 16 << 20)]


def test_clients_are_told_custom_settings(rig: Rig) -> None:
    with Connection(port(rig, "custom"), tls=False) as client:
        came = client.next()
        assert came is not None and settings_of(came.payload) == OWN
        client.send(frame(SETTINGS, ACK, 0))
        client.send(frame(0xEE, 0, 0, bytes(32768)))
        client.send(request(1, get("/good/")))
        assert any(came.kind == 1 for came in iter(client.next, None) if came.kind in (1, GOAWAY))


def test_hosts_are_told_custom_settings(rig: Rig) -> None:
    with closing(rig.client()) as client:
        client.request(get("/custom/"))
        side, _ = rig.listeners["custom"].accept()
        with side:
            came = b""
            while len(came) < len(PREFACE) + 9 + 7 * 6:
                came += side.recv(65536)
    payload = came[len(PREFACE) + 9 :][: 7 * 6]
    assert settings_of(payload) == [(2, 0), *OWN]


def test_resets_at_their_limit_end_the_connection(rig: Rig) -> None:
    with Connection(port(rig, "few_resets"), tls=False) as client:
        streams = range(1, 60, 2)
        client.send(
            b"".join(
                request(stream, get("/good/")) + frame(RST_STREAM, 0, stream, number(8)) for stream in streams
            )
        )
        away = [came for came in iter(client.next, None) if came.kind == GOAWAY]
    assert [int.from_bytes(came.payload[:4], "big") for came in away] == [21]


def port(rig: Rig, listener: str) -> int:
    return int(rig.addresses[listener][1])


def test_settings_that_only_say_something_are_harmless(rig: Rig) -> None:
    with Connection(
        port(rig, "main"), tls=False, preface=PREFACE + frame(SETTINGS, 0, 0, setting(6, 1))
    ) as client:
        client.send(request(1, get("/good/")))
        assert any(came.kind == 1 for came in iter(client.next, None) if came.kind in (1, GOAWAY))
