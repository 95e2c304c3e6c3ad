"""What the application log tells of traffic at level `debug`, by component; otherwise it is silent."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ferryman import Options, Proxy

CONFIGURATION = """
static_resources:
  listeners:
  - name: front
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - name: only
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3\
.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {match: {path: /direct}, direct_response: {status: 204}}
              - {match: {path: /nobody}, route: {cluster: empty}}
              - {name: there, match: {prefix: /a}, route: {cluster: up}}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - {name: empty, load_assignment: {cluster_name: empty}}
  - name: up
    load_assignment:
      cluster_name: up
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: PORT}}}
"""


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def upstream_port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def lines_of(port: int, log: Path, options: Options) -> list[str]:
    """What is logged while five requests go over one connection."""
    with Proxy.from_yaml(CONFIGURATION.replace("PORT", str(port)), options) as proxy:
        address = proxy.listener_addresses["front"][0]
        with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
            for path in ("/a", "/a?again", "/direct", "/nobody", "/unknown"):
                connection.request("GET", path, headers={"authorization": "hidden"})
                connection.getresponse().read()
    text = log.read_text()
    assert "hidden" not in text
    return text.splitlines()


def test_debug_tells_what_was_decided(upstream_port: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = lines_of(upstream_port, log, Options(log_level="trace", log_path=str(log), log_format="%l %n %v"))
    wanted = [
        "debug config cluster 'up' has 1 endpoints",
        "debug conn_handler|new connection from 127.0.0.1:|listener 'front'",
        "trace conn_handler|filter chain 'only' chosen",
        "debug http|request headers complete (end_stream=true): GET /a HTTP/1.1, host '127.0.0.1:",
        "trace http|'authorization', <6 bytes>",
        "debug router|virtual host 'all' and route 'there' match for URL '/a'",
        "debug router|cluster 'up' match for URL '/a'",
        f"trace upstream|host 127.0.0.1:{upstream_port} chosen",
        f"debug pool|creating a new connection to 127.0.0.1:{upstream_port} of cluster 'up'",
        "debug pool|connected in ",
        "debug router|upstream headers complete: status 200",
        "debug http|encoding headers via codec: status 200, details via_upstream",
        "debug http|stream complete: status 200, details via_upstream|connection: kept",
        "debug pool|using existing fully connected connection",
        "debug http|sending local reply with details direct_response",
        "debug upstream|no healthy host in cluster 'empty'",
        "debug router|the upstream fails the stream: NoHealthyUpstream",
        "debug router|no route match for URL '/unknown'",
        "debug http|the stream fails: RouteNotFound",
        "debug connection|closed after ",
    ]
    remaining = iter(lines)
    for words in wanted:
        assert any(all(word in line for word in words.split("|")) for line in remaining), f"{words}\n{lines}"


def test_a_component_is_switched_on_alone(upstream_port: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    levels = Options(component_log_levels=(("pool", "debug"),), log_path=str(log), log_format="%l %n %v")
    lines = lines_of(upstream_port, log, levels)
    assert {tuple(line.split()[:2]) for line in lines} == {("debug", "pool"), ("info", "main")}


def test_info_tells_nothing_of_traffic(upstream_port: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = lines_of(upstream_port, log, Options(log_path=str(log), log_format="%l %n %v"))
    assert lines == ["info main starting main dispatch loop", "info main shutting down"]
