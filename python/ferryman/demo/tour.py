"""`ferryman demo`: sample services, the proxy from `examples/front_proxy`, a request through every route.

Owns the order of events and what is printed around the table.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ferryman.demo import free_ports, protocols, report
from ferryman.demo.probes import PROBES, Outcome, send, send_tcp
from ferryman.demo.sample_upstreams import SampleUpstream, upstreams_for
from ferryman.options import Options
from ferryman.proxy import Proxy

CONFIGURATION = Path(__file__).with_name("front_proxy.yaml")
"""`examples/front_proxy/ferryman.yaml`, of which the package has a copy."""


def run(*, terminal: bool, stay: bool) -> bool:
    """Runs the demo; True if everything was as expected. `stay` keeps it up until Ctrl-C."""
    configuration = _read_configuration()
    missing = protocols.missing()
    with contextlib.ExitStack() as running:
        upstreams = running.enter_context(upstreams_for(configuration))
        if not missing:
            services = running.enter_context(protocols.services())
            configuration = services.added_to(configuration)
        proxy = running.enter_context(_proxy_for(configuration))
        print("Sample services: " + ", ".join(_place(upstream) for upstream in upstreams))
        outcomes = _outcomes(proxy, upstreams)
        if terminal:
            report.print_to_terminal(outcomes)
        else:
            print(report.as_text(outcomes))
        print(
            "Added is what the way through the proxy costs: median of 40 requests less the median without it."
        )
        found = [] if missing else _protocols(proxy, services)
        if missing:
            print(f"HTTP/2, TLS, gRPC and WebSocket are not shown: {', '.join(missing)} is not installed.")
        good = not any([*(outcome.wrong for outcome in outcomes), *(row.wrong for row in found)])
        print("Every route answered as expected." if good else "Something is NOT as expected, see the table.")
        if stay:
            _print_what_to_try(proxy)
            with contextlib.suppress(KeyboardInterrupt):
                proxy.wait()
    return good


def _read_configuration() -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    taken = {port for port in free_ports.port_values(configuration) if free_ports.taken(port)}
    moved = free_ports.free_ports(taken)
    for before, now in moved.items():
        print(f"Port {before} is taken on this machine: {now} stands in for it.")
    moved_configuration: dict[str, Any] = free_ports.with_ports(configuration, moved)
    return moved_configuration


@contextlib.contextmanager
def _proxy_for(configuration: dict[str, Any]) -> Iterator[Proxy]:
    options = Options(config_yaml=json.dumps(configuration), concurrency=1, log_level="warning")
    with Proxy.from_options(options) as proxy:
        yield proxy


def _outcomes(proxy: Proxy, upstreams: list[SampleUpstream]) -> list[Outcome]:
    listeners = proxy.listener_addresses
    places = {upstream.name: upstream.address for upstream in upstreams}
    http = _socket_address(listeners["http"][0])
    outcomes = [send(probe, http, places) for probe in PROBES]
    return [*outcomes, send_tcp(_socket_address(listeners["tcp"][0]), places["echo-1"])]


def _protocols(proxy: Proxy, services: protocols.Services) -> list[protocols.Row]:
    listeners = proxy.listener_addresses
    plain, tls = (_socket_address(listeners[name][0]) for name in ("http", "https"))
    found = protocols.rows(plain, tls, services.certificates)
    print("\nThe same routes over each protocol; over TLS the client shows a certificate:")
    print(protocols.as_text(found))
    return found


def _place(upstream: SampleUpstream) -> str:
    host, port = upstream.address
    return f"{upstream.name} at {host}:{port}"


def _socket_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _print_what_to_try(proxy: Proxy) -> None:
    http, admin = proxy.listener_addresses["http"][0], proxy.admin_address
    print(f"""
The proxy stays up until Ctrl-C. Try, from another terminal:
  curl -i http://{http}/orders/7
  curl -i http://{http}/catalog -H 'x-beta: yes'
  curl -i 'http://{http}/report/2026?delay_ms=400'
  curl -i http://{http}/nowhere
  curl http://{admin}/clusters
  curl 'http://{admin}/stats?usedonly&filter=front'
The configuration: examples/front_proxy/ferryman.yaml""")
