"""Which connections of HTTP/2 a cluster makes, uses and ends.

`--proxy envoy` checks the expectations themselves.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from conformance.frames import GOAWAY, frame, number
from harness.http2_upstream import UpstreamSide, ok

from http2_hosts.rig import Rig, Setup, get, path_of, statuses, waits_for

LIMITS = {"thresholds": [{"max_requests": 2}]}
ONE = {"thresholds": [{"max_connections": 1, "max_pending_requests": 1}]}
SETUPS = {
    "many": Setup(),
    "limited": Setup({"max_concurrent_streams": 2}),
    "host_limits": Setup(),
    "left": Setup(),
    "closed": Setup(),
    "three_each": Setup(common={"max_requests_per_connection": 3}),
    "idle": Setup(common={"idle_timeout": "0.3s"}),
    "aged": Setup(common={"max_connection_duration": "0.3s"}),
    "two_requests": Setup(cluster={"circuit_breakers": LIMITS}),
    "one_waits": Setup({"max_concurrent_streams": 1}, cluster={"circuit_breakers": ONE}),
    "beside": Setup({"initial_stream_window_size": 65535, "initial_connection_window_size": 1 << 20}),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    started = Rig(request.config.getoption("--proxy"), SETUPS, tmp_path_factory.mktemp("hosts"))
    yield started
    started.close()


def test_many_requests_share_a_connection(rig: Rig) -> None:
    rig.hosts["many"].answer = waits_for(50)
    with closing(rig.client()) as client:
        streams = [client.request(get("/many/")) for _ in range(50)]
        assert statuses(client, streams) == ["200"] * 50
    assert rig.hosts["many"].connections == 1
    stats = rig.stats("many")
    assert (stats["upstream_cx_http2_total"], stats["upstream_rq_total"]) == (1, 50)


def test_a_connection_with_all_its_streams_gets_another_beside_it(rig: Rig) -> None:
    host = rig.hosts["limited"]
    host.answer = waits_for(2)
    with closing(rig.client()) as client:
        streams = [client.request(get("/limited/")) for _ in range(6)]
        assert statuses(client, streams) == ["200"] * 6
    assert host.connections == 3


def test_a_host_says_how_many_streams_it_takes(rig: Rig) -> None:
    host = rig.hosts["host_limits"]
    host.settings = {3: 2}
    with closing(rig.client()) as client:
        assert statuses(client, [client.request(get("/host_limits/"))]) == ["200"]
        host.answer = waits_for(2)
        streams = [client.request(get("/host_limits/")) for _ in range(4)]
        assert statuses(client, streams) == ["200"] * 4
    assert host.connections == 2


def leaves_all_but_one(side: UpstreamSide, stream: int) -> None:
    """The first connection takes one stream of three, and answers it after it has said so."""
    if side.upstream.connections > 1:
        ok(side, stream)
    elif len(side.streams) == 3:
        side.raw(frame(GOAWAY, 0, 0, number(1) + number(0)))
        ok(side, 1)


def test_a_host_that_goes_away_answers_what_it_took(rig: Rig) -> None:
    host = rig.hosts["left"]
    host.answer = leaves_all_but_one
    with closing(rig.client()) as client:
        streams = [client.request(get(f"/left/{number}")) for number in range(3)]
        assert statuses(client, streams) == ["200", "503", "503"]
        assert statuses(client, [client.request(get("/left/3"))]) == ["200"]
    assert (host.connections, len(host.seen)) == (2, 4)
    assert rig.stats("left")["upstream_cx_close_notify"] == 1
    refused = "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}"
    assert rig.log_of("left", 4) == ["/left/0 200 - via_upstream"] + [
        f"/left/{number} {refused}" for number in (1, 2)
    ] + ["/left/3 200 - via_upstream"]


def leaves_and_closes(side: UpstreamSide, stream: int) -> None:
    """Takes the first of two streams, and closes without an answer to it."""
    if side.upstream.connections > 1:
        ok(side, stream)
    elif len(side.streams) == 2:
        side.raw(frame(GOAWAY, 0, 0, number(1) + number(0)))
        # Not closed: a reset could overtake what was said.
        side.socket.shutdown(socket.SHUT_WR)


def test_a_stream_that_a_host_may_have_seen_is_told_from_one_that_it_has_not(rig: Rig) -> None:
    host = rig.hosts["closed"]
    host.answer = leaves_and_closes
    with closing(rig.client()) as client:
        streams = [client.request(get(f"/closed/{number}")) for number in range(2)]
        assert statuses(client, streams) == ["503", "503"]
    assert len(host.seen) == 2
    assert rig.log_of("closed", 2) == [
        "/closed/0 503 UC upstream_reset_before_response_started{connection_termination}",
        "/closed/1 503 UR upstream_reset_before_response_started{remote_refused_stream_reset}",
    ]


def test_a_connection_has_so_many_requests(rig: Rig) -> None:
    host = rig.hosts["three_each"]
    with closing(rig.client()) as client:
        for _ in range(4):
            assert statuses(client, [client.request(get("/three_each/"))]) == ["200"]
        streams = [client.request(get("/three_each/")) for _ in range(5)]
        assert statuses(client, streams) == ["200"] * 5
    assert host.connections == 3
    stats = rig.wait_for("three_each", lambda stats: stats["upstream_cx_active"] == 0)
    assert stats["upstream_cx_max_requests"] == 3


@pytest.mark.parametrize(
    ("cluster", "counter"),
    [("idle", "upstream_cx_idle_timeout"), ("aged", "upstream_cx_max_duration_reached")],
)
def test_a_connection_ends_when_its_time_is_up(rig: Rig, cluster: str, counter: str) -> None:
    with closing(rig.client()) as client:
        assert statuses(client, [client.request(get(f"/{cluster}/"))]) == ["200"]
        stats = rig.wait_for(cluster, lambda stats: stats["upstream_cx_active"] == 0)
        assert stats[counter] == stats["upstream_cx_destroy_local"] == 1
        assert statuses(client, [client.request(get(f"/{cluster}/"))]) == ["200"]
    assert rig.hosts[cluster].connections == 2


def test_requests_at_their_limit_are_refused(rig: Rig) -> None:
    host = rig.hosts["two_requests"]
    host.answer = waits_for(3)
    with closing(rig.client()) as client:
        held = [client.request(get("/two_requests/")) for _ in range(2)]
        rig.wait_for("two_requests", lambda stats: stats.get("upstream_rq_active") == 2)
        assert statuses(client, [client.request(get("/two_requests/"))]) == ["503"]
        client.h2.reset_stream(held[0], 8)
        client.flush()
        rig.wait_for("two_requests", lambda stats: stats["upstream_rq_active"] == 1)
        host.answer = waits_for(1)
        assert statuses(client, [client.request(get("/two_requests/"))]) == ["200"]
    assert rig.stats("two_requests")["upstream_rq_active_overflow"] == 1


def test_one_waits_for_a_stream_and_another_is_refused(rig: Rig) -> None:
    host = rig.hosts["one_waits"]
    host.answer = lambda side, stream: None
    with closing(rig.client()) as client:
        first = client.request(get("/one_waits/"))
        rig.wait_for("one_waits", lambda stats: stats.get("upstream_rq_active") == 1)
        second = client.request(get("/one_waits/"))
        rig.wait_for("one_waits", lambda stats: stats["upstream_rq_pending_active"] == 1)
        assert statuses(client, [client.request(get("/one_waits/"))]) == ["503"]
        host.answer = ok
        client.h2.reset_stream(first, 8)
        client.flush()
        assert statuses(client, [second]) == ["200"]
    assert host.connections == 1
    assert rig.stats("one_waits")["upstream_rq_pending_overflow"] == 1


def large_or_small(side: UpstreamSide, stream: int) -> None:
    if path_of(side, stream) == "large":
        side.h2.send_headers(stream, [(":status", "200")])
        side.bodies[stream] = b"x" * (4 << 20)
        side.send_bodies()
    else:
        ok(side, stream)


def test_a_client_that_does_not_read_holds_up_nobody_beside_it(rig: Rig) -> None:
    host = rig.hosts["beside"]
    host.answer = large_or_small
    memory = rig.process.resident_bytes()
    with closing(rig.client()) as slow, closing(rig.client()) as quick:
        stuck = slow.request(get("/beside/large"))
        slow.wait_for_headers(stuck)
        for _ in range(20):
            assert statuses(quick, [quick.request(get("/beside/small"))]) == ["200"]
        large = quick.request(get("/beside/large"))
        assert len(quick.wait(large)[0].body) == 4 << 20
        assert rig.process.resident_bytes() - memory < 8 << 20
        assert len(slow.wait(stuck)[0].body) == 4 << 20
    assert host.connections == 1
