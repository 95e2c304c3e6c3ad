"""Sessions of datagrams in a whole process: many of them, over workers, until the end, and why one fails."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.proxy_process import ProxyProcess, StartError, binary
from harness.udp_upstream import UdpClient
from oracle.udp_cases import Case, Side, asks, by, route

MANY = 1000
MORE = 130


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[list[Side]]:
    started: list[Side] = []
    yield started
    for side in started:
        side.close()


def start(sides: list[Side], case: Case, directory: Path) -> Side:
    side = Side("ferryman", case, directory)
    sides.append(side)
    return side


def lines(side: Side, what: str) -> list[dict[str, object]]:
    told = [json.loads(line) for line in side.lines.read_text().splitlines()]
    return [line for line in told if line["log"] == what]


def descriptors(proxy: ProxyProcess) -> int:
    return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))


def explained(side: Side) -> dict[str, dict[str, str]]:
    address = "{}:{}".format(*side.proxy.admin_address)
    command = [*binary("ferryman"), "explain", "--format", "json", "--admin", address]
    told: dict[str, dict[str, str]] = json.loads(subprocess.check_output(command, timeout=30))
    return told


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Room for a socket for each client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_sessions_stay_on_their_workers(sides: list[Side], tmp_path: Path) -> None:
    case = Case(asks(), proxy={"idle_timeout": "600s"}, hosts=2, flags=["--concurrency", "2"])
    side = start(sides, case, tmp_path)
    clients = [UdpClient(side.address) for _ in range(MANY)]
    try:
        for turn in (b"first", b"second"):
            for number, client in enumerate(clients):
                answer = client.ask(turn + str(number).encode())
                assert answer.partition(b":")[2] == turn + str(number).encode()
        assert side.wait_for("udp.p.downstream_sess_tx_datagrams", 2 * MANY) == 2 * MANY
        assert side.proxy.stats("udp.p.downstream_sess_total")["udp.p.downstream_sess_total"] == MANY
        assert len({client for host in side.hosts for client in host.clients}) == MANY
        # What was open at the start may be closed by now.
        assert descriptors(side.proxy) >= MANY
        # The default of max_connections is 1024, and two workers may exceed it by 64.
        more = [UdpClient(side.address) for _ in range(MORE)]
        clients += more
        for client in more:
            client.send(b"one more")
        side.wait_for("udp.p.downstream_sess_total", MANY + MORE)
        active = side.proxy.stats("udp.p.downstream_sess_active")["udp.p.downstream_sess_active"]
        overflow = side.proxy.stats("upstream_cx_overflow")["cluster.c.upstream_cx_overflow"]
        assert 1024 <= active <= 1024 + 64
        assert active + overflow == MANY + MORE
    finally:
        for client in clients:
            client.close()
    assert side.proxy.admin("/drain_listeners", "POST")[0] == 200
    side.wait_for("udp.p.downstream_sess_active", 0)
    side.proxy.stop()
    assert len(lines(side, "session")) == MANY + MORE
    assert len(lines(side, "proxy")) == 2


def test_the_end_of_idle_sessions_closes_their_sockets(sides: list[Side], tmp_path: Path) -> None:
    side = start(sides, Case(asks(), proxy={"idle_timeout": "0.5s"}), tmp_path)
    before = descriptors(side.proxy)
    clients = [side.client() for _ in range(50)]
    for client in clients:
        client.ask(b"a")
    assert side.wait_for("udp.p.idle_timeout", 50) == 50
    assert side.proxy.stats("udp.p.downstream_sess_active")["udp.p.downstream_sess_active"] == 0
    assert descriptors(side.proxy) < before + 10
    assert len(lines(side, "session")) == 50


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_process_writes_the_lines(
    how: signal.Signals, sides: list[Side], tmp_path: Path
) -> None:
    side = start(sides, Case(asks(), proxy={"idle_timeout": "600s"}), tmp_path)
    side.client().ask(b"a")
    side.client().ask(b"bc")
    assert side.proxy.stop(how) == 0
    assert sorted(str(line["BYTES_RECEIVED"]) for line in lines(side, "session")) == ["1", "2"]
    assert [line["BYTES_RECEIVED"] for line in lines(side, "proxy")] == [3]


def test_sockets_that_workers_share_are_refused(tmp_path: Path) -> None:
    case = Case(asks(), listener={"enable_reuse_port": False}, flags=["--concurrency", "2"])
    with pytest.raises(StartError, match="scatter the datagrams of a client over the workers"):
        Side("ferryman", case, tmp_path)


def test_explain_names_why_a_datagram_went_nowhere(sides: list[Side], tmp_path: Path) -> None:
    place = "static_resources.listeners[0].listener_filters[0].typed_config.matcher"
    wrong = by("SourcePortInput", "1", "c")
    limit = {"circuit_breakers": {"thresholds": [{"max_connections": 1}]}}
    for number, (case, stat, path) in enumerate(
        [
            (Case(asks(), proxy={"matcher": wrong}), "udp.p.downstream_sess_no_route", place),
            (
                Case(asks(), proxy={"matcher": {"on_no_match": route("nope")}}),
                "udp.p.downstream_sess_no_route",
                place,
            ),
            (
                Case(asks(), cluster={"load_assignment": {"cluster_name": "c"}}),
                "cluster.c.upstream_cx_none_healthy",
                "static_resources.clusters[0]",
            ),
            (
                Case(asks(), cluster=limit),
                "cluster.c.upstream_cx_overflow",
                "static_resources.clusters[0].circuit_breakers.thresholds[0].max_connections",
            ),
        ]
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        side = start(sides, case, directory)
        if case.cluster is limit:
            side.client().ask(b"the only one")
        side.client().send(b"a")
        assert side.wait_for(stat, 1) == 1
        told = explained(side)
        assert told["request"]["kind"] == "udp"
        assert told["decided_by"]["path"].startswith(path), told
