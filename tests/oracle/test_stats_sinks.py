"""What the statistics sinks send: the same lines as Envoy's, values that differ from run to run aside."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.proxy_process import ProxyProcess

pytestmark = pytest.mark.oracle

SINKS = {
    "statsd": "envoy.config.metrics.v3.StatsdSink",
    "dog_statsd": "envoy.config.metrics.v3.DogStatsdSink",
    "graphite_statsd": "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink",
}
BOOTSTRAP = """
node: {id: a, cluster: b}
stats_flush_on_admin: true
stats_config:
  stats_tags: [{tag_name: fixed, fixed_value: "a b:c,d"}]
  stats_matcher:
    exclusion_list: {patterns: [{prefix: http.admin.}, {prefix: listener.admin.}, {suffix: _degraded}]}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  clusters:
  - name: lines
    load_assignment: {cluster_name: lines, endpoints: [{}]}
  - name: "odd:name,with=all;kinds|of#signs"
"""
VOLATILE = re.compile(
    r"server\.(memory|dropped|stats_recent|version|uptime|initialization_time_ms|state)|workers|watchdog|runtime\.|hot_restart|parent_conn"
    # When the connection of the sink itself stands.
    r"|cluster\.lines\.(upstream|circuit)|cluster\.(upstream|circuit)"
    r"|_(rx|tx)_bytes_total|dispatcher|filesystem|allocated|heap"
)


def received(which: str, sink: str, options: dict[str, Any], folder: Path, stream: bool) -> set[str]:
    """The lines that a sink sends at two flushes, each once; those that may differ are left out."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    with contextlib.closing(listener), contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        if stream:
            listener.listen()
        proxy = started(listener, which, sink, options, folder)
        stack.callback(proxy.stop, signal.SIGKILL)
        proxy.admin("/stats?usedonly")
        source = stack.enter_context(listener.accept()[0]) if stream else listener
        data = drained(source, stream)
        # Only now: Envoy leaves out a flush that is asked for while another runs.
        proxy.admin("/stats?usedonly")
        data += drained(source, stream)
    return {line for line in data.decode().split("\n") if line and not VOLATILE.search(line)}


def drained(source: socket.socket, stream: bool) -> bytes:
    """What comes within five seconds, and on until nothing comes for half a second."""
    data = b""
    source.settimeout(5)
    with contextlib.suppress(TimeoutError):
        while part := source.recv(1 << 16):
            data += part if stream else part + b"\n"
            source.settimeout(0.5)
    return data


def started(
    listener: socket.socket, which: str, sink: str, options: dict[str, Any], folder: Path
) -> ProxyProcess:
    """A proxy whose sink sends to the listener."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": listener.getsockname()[1]}}
    config = yaml.safe_load(BOOTSTRAP)
    assignment = config["static_resources"]["clusters"][0]["load_assignment"]
    assignment["endpoints"][0]["lb_endpoints"] = [{"endpoint": {"address": address}}]
    stream = listener.type == socket.SOCK_STREAM
    target = {"tcp_cluster_name": "lines"} if stream else {"address": address}
    typed = {"@type": f"type.googleapis.com/{SINKS[sink]}", **target, **options}
    config["stats_sinks"] = [{"name": sink, "typed_config": typed}]
    return ProxyProcess(which, config, folder, [])


@pytest.mark.parametrize(
    ("sink", "options", "stream"),
    [
        ("statsd", {}, False),
        ("statsd", {"prefix": "mine"}, True),
        ("dog_statsd", {"max_bytes_per_datagram": 400}, False),
        ("graphite_statsd", {"prefix": "mine", "max_bytes_per_datagram": 1400}, False),
    ],
    ids=["statsd", "statsd-stream", "dog-statsd", "graphite-statsd"],
)
def test_same_lines_as_envoy(sink: str, options: dict[str, Any], stream: bool, tmp_path: Path) -> None:
    seen = {}
    for which in ("envoy", "ferryman"):
        folder = tmp_path / which
        folder.mkdir()
        seen[which] = received(which, sink, options, folder, stream)
    assert seen["envoy"], "Envoy sent nothing"
    assert sorted(seen["envoy"] - seen["ferryman"]) == []
    assert sorted(seen["ferryman"] - seen["envoy"]) == []
