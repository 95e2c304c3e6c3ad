"""What is said in datagrams to both proxies, and what is observed of each.

Owns: the cases, the configuration of each, and one proxy with its hosts and clients. Does not own comparing
them (`test_udp`).
"""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.proxy_process import ProxyProcess
from harness.udp_upstream import UdpClient, UdpUpstream

TYPE = "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3"
INPUT = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3"
OPERATORS = [
    *["ACCESS_LOG_TYPE", "BYTES_RECEIVED", "BYTES_SENT", "UPSTREAM_HOST", "UPSTREAM_LOCAL_ADDRESS"],
    *["UPSTREAM_REMOTE_ADDRESS", "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_PORT"],
    *["UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW", "UPSTREAM_PROTOCOL", "DOWNSTREAM_REMOTE_ADDRESS"],
    *["DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_REMOTE_PORT"],
    *["DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_PORT"],
    *["DOWNSTREAM_DIRECT_LOCAL_ADDRESS", "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG", "RESPONSE_CODE"],
    *[
        "RESPONSE_CODE_DETAILS",
        "CONNECTION_TERMINATION_DETAILS",
        "PROTOCOL",
        "FILTER_CHAIN_NAME",
        "ROUTE_NAME",
    ],
    *["VIRTUAL_CLUSTER_NAME", "UPSTREAM_REQUEST_ATTEMPT_COUNT", "UPSTREAM_HOSTS_ATTEMPTED"],
    *["UPSTREAM_HOST_NAME", "UPSTREAM_HOST_NAME_WITHOUT_PORT", "UPSTREAM_CONNECTION_ID"],
    *["REQUEST_DURATION", "RESPONSE_DURATION", "DOWNSTREAM_WIRE_BYTES_SENT"],
    *["DOWNSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_WIRE_BYTES_SENT", "UPSTREAM_WIRE_BYTES_RECEIVED"],
    *["UPSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_TRANSPORT_FAILURE_REASON"],
    *["REQUESTED_SERVER_NAME", "DOWNSTREAM_LOCAL_CLOSE_REASON", "REQ(:path)", "TRACE_ID"],
    *["DYNAMIC_METADATA(udp.proxy.session)", "DYNAMIC_METADATA(udp.proxy.proxy)"],
    *["METADATA(LISTENER:a)", "METADATA(CLUSTER:a)", "METADATA(UPSTREAM_HOST:a)"],
]
HAS_VALUE = ["STREAM_ID", "CONNECTION_ID", "UNIQUE_ID", "START_TIME", "DURATION"]
"""Operators whose values differ from run to run: what counts is whether there is one."""

Talk = Callable[["Side"], list[Any]]


def log(path: Path, at: str) -> list[dict[str, Any]]:
    named = {name: f"%{name}%" for name in [*OPERATORS, *HAS_VALUE]}
    return [
        {
            "name": "file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": str(path),
                "log_format": {"json_format": {"log": at, **named}},
            },
        }
    ]


@dataclass
class Case:
    """What is changed of the configuration, and what is said."""

    talk: Talk
    proxy: dict[str, Any] = field(default_factory=dict)
    listener: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    hosts: int = 1
    address: str = "127.0.0.1"
    flags: list[str] = field(default_factory=list)
    is_live: bool = True


def bootstrap_of(case: Case, ports: list[int], lines: Path) -> dict[str, Any]:
    """The configuration of a case whose hosts have these ports."""
    udp_proxy = {
        "@type": f"{TYPE}.UdpProxyConfig",
        "stat_prefix": "p",
        "matcher": {"on_no_match": route("c")},
        "access_log": log(lines, "session"),
        "proxy_access_log": log(lines, "proxy"),
        **copy.deepcopy(case.proxy),
    }
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    listener = {
        "name": "udp",
        "stat_prefix": "udp",
        "address": {
            "socket_address": {"address": case.address, "port_value": 0, "protocol": "UDP"},
        },
        "listener_filters": [
            {"name": "envoy.filters.udp_listener.udp_proxy", "typed_config": udp_proxy},
        ],
        **case.listener,
    }
    cluster = {
        "name": "c",
        "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": endpoints}]},
        **case.cluster,
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


class Side:
    """One proxy with its hosts."""

    def __init__(self, which: str, case: Case, directory: Path) -> None:
        self.directory = directory
        self.lines = directory / f"{which}.log"
        self.hosts = [UdpUpstream(f"host{number}") for number in range(case.hosts)]
        ports = [host.port for host in self.hosts]
        if not case.is_live:
            for host in self.hosts:
                host.close()
            self.hosts = []
        self.ports = dict.fromkeys(ports, "HOST")
        self.clients: list[UdpClient] = []
        self.proxy = ProxyProcess(which, bootstrap_of(case, ports, self.lines), directory, case.flags)
        host, port = self.proxy.listeners()["udp"]
        assert isinstance(port, int)
        self.address = (case.address if case.address != "0.0.0.0" else str(host), port)
        self.ports[port] = "LISTENER"

    def client(self, address: tuple[str, int] | None = None) -> UdpClient:
        client = UdpClient(address or self.address)
        self.clients.append(client)
        self.ports[client.port] = f"CLIENT{len(self.clients) - 1}"
        return client

    def wait_for(self, stat: str, value: int) -> int:
        """Waits until a statistic has come to a value, and answers it."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.proxy.stats(stat).get(stat, 0) == value:
                break
            time.sleep(0.02)
        return self.proxy.stats(stat).get(stat, 0)

    def observe(self, case: Case) -> dict[str, Any]:
        said = case.talk(self)
        # A datagram may be here before it is counted.
        answers = sum(client.received for client in self.clients)
        self.wait_for("udp.p.downstream_sess_tx_datagrams", answers)
        listed = self.proxy.admin("/stats?filter=udp|cluster.c.(upstream_cx|circuit|lb_)|listener.udp")[1]
        numbers = [
            line for line in listed.splitlines() if "No recorded" not in line and "connect_ms" not in line
        ]
        self.proxy.stop()
        return {"said": said, "stats": sorted(numbers), "lines": self._log_lines()}

    def _log_lines(self) -> list[str]:
        lines = []
        for line in self.lines.read_text().splitlines() if self.lines.exists() else []:
            told = json.loads(line)
            for name in HAS_VALUE:
                told[name] = told[name] is not None
            lines.append(re.sub(r"\d{4,5}", lambda found: self._name(found[0]), json.dumps(told)))
        # In which order sessions end together is nobody's business.
        return sorted(lines)

    def _name(self, port: str) -> str:
        return self.ports.get(int(port), "PORT" if int(port) > 9_100 else port)

    def close(self) -> None:
        self.proxy.stop()
        for client in self.clients:
            client.close()
        for host in self.hosts:
            host.close()


def route(cluster: str) -> dict[str, Any]:
    return {"action": {"name": "route", "typed_config": {"@type": f"{TYPE}.Route", "cluster": cluster}}}


def by(what: str, value: str, cluster: str) -> dict[str, Any]:
    return {
        "matcher_tree": {
            "input": {"name": "input", "typed_config": {"@type": f"{INPUT}.{what}"}},
            "exact_match_map": {"map": {value: route(cluster)}},
        }
    }


def asks(*words: bytes) -> Talk:
    """One client asks and waits for each answer."""

    def talk(side: Side) -> list[Any]:
        client = side.client()
        return [client.ask(word).decode() for word in words]

    return talk


def sends(*words: bytes, until: tuple[str, int]) -> Talk:
    """One client sends without an answer, until a statistic has come to a value each time."""

    def talk(side: Side) -> list[Any]:
        client, (stat, step) = side.client(), until
        seen = []
        for number, word in enumerate(words, 1):
            client.send(word)
            seen.append(side.wait_for(stat, step * number))
        return seen

    return talk


def two_clients(side: Side) -> list[Any]:
    first, second = side.client(), side.client()
    said = [first.ask(b"a"), second.ask(b"b"), first.ask(b"c"), second.ask(b"d")]
    ends = sorted(len(set(host.clients)) for host in side.hosts)
    return [sorted(answer[6:].decode() for answer in said), ends]


def idle_end(side: Side) -> list[Any]:
    client = side.client()
    said = [client.ask(b"a").decode(), side.wait_for("udp.p.idle_timeout", 1)]
    return [
        *said,
        client.ask(b"b").decode(),
        side.wait_for("udp.p.idle_timeout", 2),
        len(set(side.hosts[0].clients)),
    ]


def over_the_limit(side: Side) -> list[Any]:
    first, second = side.client(), side.client()
    said = [first.ask(b"a").decode()]
    second.send(b"b")
    said.append(str(side.wait_for("cluster.c.upstream_cx_overflow", 1)))
    return [*said, first.ask(b"c").decode()]


def per_packet(side: Side) -> list[Any]:
    client = side.client()
    said = [client.ask(word) for word in (b"a", b"b", b"c", b"d")]
    return [sorted(answer[6:].decode() for answer in said), [len(host.received) for host in side.hosts]]


def too_long(side: Side) -> list[Any]:
    client = side.client()
    said = [client.ask(b"x" * 1500)[-5:].decode()]
    client.send(b"x" * 1501)
    said.append(str(side.wait_for("listener.udp.udp.downstream_rx_datagram_dropped", 1)))
    return [*said, client.ask(b"end").decode()]


def too_long_answer(side: Side) -> list[Any]:
    client = side.client()
    said = [len(client.ask(b"big 1500"))]
    client.send(b"big 1501")
    said.append(side.wait_for("cluster.c.udp.sess_rx_datagrams_dropped", 1))
    return [*said, client.ask(b"end").decode()]


def periodic(side: Side) -> list[Any]:
    client = side.client()
    said = client.ask(b"a").decode()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and "UdpPeriodic" not in (
        side.lines.read_text() if side.lines.exists() else ""
    ):
        time.sleep(0.02)
    return [said, "UdpPeriodic" in side.lines.read_text()]


def second_address(side: Side) -> list[Any]:
    """The answer comes from where was sent to."""
    port = side.address[1]
    said = []
    for ip in ("127.0.0.1", "127.0.0.2"):
        client = side.client((ip, port))
        client.send(b"a")
        answer = client.receive()
        assert answer is not None
        said.append((answer[0].decode(), answer[1][0]))
    return said


NO_SESSION = {"idle_timeout": "60s"}
CASES: dict[str, Case] = {
    "a session": Case(asks(b"hello", b"world", b"", b"x" * 1500, b"big 1500", b"big 9000")),
    "the deprecated cluster": Case(asks(b"a"), proxy={"matcher": None, "cluster": "c"}),
    "two sessions": Case(two_clients, hosts=2),
    "idle": Case(idle_end, proxy={"idle_timeout": "0.2s"}),
    "no host answers": Case(sends(b"a", b"b", until=("cluster.c.udp.sess_rx_errors", 1)), is_live=False),
    "no host": Case(
        sends(b"a", b"b", until=("cluster.c.upstream_cx_none_healthy", 1)),
        cluster={"load_assignment": {"cluster_name": "c"}},
    ),
    "no cluster": Case(
        sends(b"a", b"b", until=("udp.p.downstream_sess_no_route", 1)),
        proxy={"matcher": {"on_no_match": route("nope")}},
    ),
    "no route": Case(sends(b"a", until=("udp.p.downstream_sess_no_route", 1)), proxy={"matcher": {}}),
    "over the limit": Case(
        over_the_limit, cluster={"circuit_breakers": {"thresholds": [{"max_connections": 1}]}}
    ),
    "room that is told": Case(
        two_clients,
        cluster={
            "circuit_breakers": {
                "thresholds": [{"max_connections": 9, "max_connection_pools": 9, "track_remaining": True}]
            }
        },
    ),
    "per packet": Case(per_packet, hosts=2, proxy={"use_per_packet_load_balancing": True}),
    "too long": Case(too_long),
    "long ones": Case(
        asks(b"x" * 9000, b"end"),
        listener={"udp_listener_config": {"downstream_socket_config": {"max_rx_datagram_size": 9000}}},
    ),
    "gro of clients": Case(
        asks(b"x" * 60_000, b"end"),
        listener={"udp_listener_config": {"downstream_socket_config": {"prefer_gro": True}}},
    ),
    "too long answers": Case(too_long_answer, proxy={"upstream_socket_config": {"prefer_gro": False}}),
    "long answers": Case(
        asks(b"big 3000"),
        proxy={"upstream_socket_config": {"prefer_gro": False, "max_rx_datagram_size": 3000}},
    ),
    "periodic lines": Case(periodic, proxy={"access_log_options": {"access_log_flush_interval": "0.2s"}}),
    "all addresses": Case(second_address, address="0.0.0.0"),
    "by destination": Case(asks(b"a"), proxy={"matcher": by("DestinationIPInput", "127.0.0.1", "c")}),
    "by another destination": Case(
        sends(b"a", until=("udp.p.downstream_sess_no_route", 1)),
        proxy={"matcher": by("DestinationIPInput", "127.0.0.2", "c")},
    ),
    "by source": Case(asks(b"a"), proxy={"matcher": by("SourceIPInput", "127.0.0.1", "c")}),
    "by source port": Case(
        sends(b"a", until=("udp.p.downstream_sess_no_route", 1)),
        proxy={"matcher": by("SourcePortInput", "1", "c")},
    ),
    "a source address": Case(
        lambda side: [*asks(b"a")(side), side.hosts[0].clients[0][0]],
        cluster={"upstream_bind_config": {"source_address": {"address": "127.0.0.9", "port_value": 0}}},
    ),
    "another name in statistics": Case(asks(b"a"), cluster={"alt_stat_name": "other"}),
    "hashed": Case(asks(b"a", b"b"), proxy={"hash_policies": [{"source_ip": True}]}),
    "IPv6": Case(asks(b"a"), address="::1"),
}
