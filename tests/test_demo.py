"""The demo: its probes cover every route, what is wrong shows, and it ends well for real."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ferryman.demo import free_ports, protocols, report, web_socket
from ferryman.demo.http2_connection import Http2Connection
from ferryman.demo.probes import PROBES, Outcome, Probe, send, send_tcp
from ferryman.demo.sample_upstreams import SampleUpstream, upstreams_for
from ferryman.demo.tour import CONFIGURATION


def route_names(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for item in tree:
            yield from route_names(item)
    elif isinstance(tree, dict):
        for key, item in tree.items():
            if key == "routes":
                yield from (route["name"] for route in item)
            yield from route_names(item)


@pytest.fixture
def upstream() -> Iterator[SampleUpstream]:
    running = SampleUpstream(("127.0.0.1", 0), name="one-1")
    yield running
    running.close()


def fetch(upstream: SampleUpstream, path: str, **arguments: Any) -> tuple[int, str]:
    host, port = upstream.address
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request(arguments.pop("method", "GET"), path, **arguments)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def test_every_route_has_a_probe() -> None:
    configured = set(route_names(yaml.safe_load(CONFIGURATION.read_text())))
    assert configured == {probe.route for probe in PROBES if probe.route}


def test_upstream_does_what_the_query_says(upstream: SampleUpstream) -> None:
    assert fetch(upstream, "/a?b=c") == (200, "one-1: GET /a?b=c\n")
    assert fetch(upstream, "/?status=503")[0] == 503
    assert fetch(upstream, "/?size=1000")[1] == "x" * 1000
    shown = fetch(upstream, "/?show=x-a,x-b", headers={"x-a": "1"})[1]
    assert shown.splitlines()[1:] == ["x-a: 1", "x-b: (absent)"]


def test_upstream_counts_bodies(upstream: SampleUpstream) -> None:
    assert fetch(upstream, "/", method="POST", body=b"12345")[1].splitlines()[1] == "body: 5 bytes"
    chunks = fetch(upstream, "/", method="POST", body=iter([b"123", b"45"]), encode_chunked=True,
                   headers={"transfer-encoding": "chunked"})  # fmt: skip
    assert chunks[1].splitlines()[1] == "body: 5 bytes"


def test_an_upstream_at_every_endpoint(tmp_path: Any) -> None:
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    moved = free_ports.free_ports(free_ports.port_values(configuration))
    configuration = free_ports.with_ports(configuration, moved)
    with upstreams_for(configuration) as running:
        assert [one.name for one in running] == [
            "orders-1", "orders-2", "catalog-1", "catalog-next-1", "staff-1", "echo-1",
        ]  # fmt: skip
        with socket.create_connection(running[-1].address, 10) as connection:
            connection.sendall(b"hello")
            assert connection.recv(10) == b"hello"


def test_the_services_of_a_configuration_by_hand(tmp_path: Any) -> None:
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    moved = free_ports.free_ports(free_ports.port_values(configuration))
    file = tmp_path / "ferryman.yaml"
    file.write_text(text := yaml.safe_dump(free_ports.with_ports(configuration, moved)))
    command = [sys.executable, "-m", "ferryman.demo.sample_upstreams", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        names = [process.stdout.readline().split()[0] for _ in range(6)]
        process.terminate()
    assert names == ["orders-1", "orders-2", "catalog-1", "catalog-next-1", "staff-1", "echo-1"]
    assert file.read_text() == text


def test_an_upstream_replaces_sockets_only(tmp_path: Any) -> None:
    file = tmp_path / "notes"
    file.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        SampleUpstream(str(file))
    assert file.read_text() == "mine"
    for _ in range(2):
        SampleUpstream(str(tmp_path / "socket")).close()


def test_ports_are_moved_everywhere() -> None:
    tree = {"a": [{"port_value": 1}, {"b": {"port_value": 2, "c": 1}}], "port_value": 0}
    assert free_ports.port_values(tree) == {1, 2}
    moved = free_ports.with_ports(tree, {1: 10, 2: 20})
    assert moved == {"a": [{"port_value": 10}, {"b": {"port_value": 20, "c": 1}}], "port_value": 0}


def test_a_taken_port_is_seen(upstream: SampleUpstream) -> None:
    assert free_ports.taken(upstream.address[1])
    (free,) = free_ports.free_ports({1}).values()
    assert not free_ports.taken(free)


@pytest.mark.parametrize(
    ("probe", "wrong"),
    [
        (Probe(route="", path="/", upstreams=("one-1",)), ""),
        (Probe(route="", path="/", upstreams=("one-1",), status=404), "status 200, expected 404"),
        (Probe(route="r", path="/", upstreams=("one-1",)), "route '', expected 'r'"),
        (Probe(route="", path="/", upstreams=("two-1",)), "upstream 'one-1', expected two-1"),
        (Probe(route="", path="/", upstreams=("one-1",), seen_path="/x"), "body starts"),
        (Probe(route="", path="/", upstreams=("one-1",), says="no"), "body lacks 'no'"),
    ],
)
def test_what_is_wrong_is_told(probe: Probe, wrong: str, upstream: SampleUpstream) -> None:
    places = {"one-1": upstream.address, "two-1": upstream.address}
    outcome = send(probe, upstream.address, places)
    assert outcome.wrong.startswith(wrong) and bool(outcome.wrong) == bool(wrong)
    assert outcome.added_ms is not None


def test_a_closed_port_is_told() -> None:
    (free,) = free_ports.free_ports({1}).values()
    assert send(Probe(route="", path="/"), ("127.0.0.1", free), {}).wrong.startswith("ConnectionRefusedError")
    assert send_tcp(("127.0.0.1", free), ("127.0.0.1", free)).wrong


def test_the_table() -> None:
    outcomes = [
        Outcome(title="GET /", route="r", upstreams="u", status="200", direct_ms=1.0, through_ms=1.25),
        Outcome(
            title="GET /x", route="–", upstreams="–", status="404", direct_ms=None, through_ms=2, wrong="bad"
        ),
    ]
    header, line, first, second = report.as_text(outcomes).splitlines()
    assert header.split() == [
        "Request",
        "Route",
        "Upstream",
        "Status",
        "Direct",
        "ms",
        "Through",
        "ms",
        "Added",
        "ms",
    ]
    assert set(line) == {"-", " "}
    assert first.split() == ["GET", "/", "r", "u", "200", "1.00", "1.25", "0.25", "ok"]
    assert second.endswith("NOT AS EXPECTED: bad")


def test_protocols_that_are_not_as_expected_are_told(upstream: SampleUpstream) -> None:
    rows = [
        protocols.Row("GET /", ("200", "200", "200", "200"), ""),
        protocols.Row("GET /x", ("200", "–", "", ""), "HTTP/2: bad"),
    ]
    _, line, first, second = protocols.as_text(rows).splitlines()
    assert set(line) == {"-", " "}
    assert first.split() == ["GET", "/", "200", "200", "200", "200", "ok"]
    assert second.endswith("NOT AS EXPECTED: HTTP/2: bad")
    told = web_socket.echo(upstream.address, "/live", ["a"], None)
    assert told == "the handshake was answered 'HTTP/1.1 200 OK'"
    connection = Http2Connection(upstream.address, None)
    with contextlib.closing(connection), pytest.raises(OSError):
        connection.get("/", {})


def test_a_web_socket_sends_back_what_it_is_told() -> None:
    service = web_socket.WebSocketService()
    assert web_socket.echo(("127.0.0.1", service.port), "/", ["", "a", "b" * 125], None) == ""
    with pytest.raises(OSError):
        web_socket.echo_over_http2(("127.0.0.1", service.port), "/", ["a"], None)
    service.close()


def test_the_demo_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ferryman", "demo"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every route answered as expected." in done.stdout
    assert done.stderr == ""
    (live,) = [line for line in done.stdout.splitlines() if line.startswith("WebSocket")]
    assert live.count("echoed") == len(protocols.TRANSPORTS)
    assert sum(line.endswith(" ok") for line in done.stdout.splitlines()) == 2 * len(PROBES) + 5
