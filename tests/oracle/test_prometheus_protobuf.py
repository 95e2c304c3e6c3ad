"""Prometheus' metrics as protobuf: both proxies send the same messages, and only when they are asked to."""

from __future__ import annotations

import struct
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from harness.proxy_process import ProxyProcess

pytestmark = pytest.mark.oracle

CONFIG: dict[str, Any] = {
    "stats_flush_on_admin": True,
    "stats_config": {"stats_tags": [{"tag_name": "fixed", "fixed_value": "a b,c"}]},
    "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
    "static_resources": {"clusters": [{"name": "web"}, {"name": "web-2", "alt_stat_name": "b"}]},
}
FILTER = r"^cluster\.(web|b)\.upstream_(rq|cx)_(total|active|per_cx|time|connect_ms)|^server\.live"
PROTOBUF = "application/vnd.google.protobuf"
DELIMITED = f"{PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=delimited"


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values; those of length-delimited fields as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value: Any
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack("<d", data[at : at + 8])[0], at + 8
        else:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def families(data: bytes) -> dict[str, bytes]:
    """The messages by the names of their metrics."""
    found, at = {}, 0
    while at < len(data):
        length, at = varint(data, at)
        family = data[at : at + length]
        at += length
        found[dict(fields(family))[1].decode()] = family
    return found


def ask(proxy: ProxyProcess, parameters: str, accept: str) -> tuple[str, bytes]:
    """Content type and body."""
    host, port = proxy.admin_address
    url = f"http://{host}:{port}/stats/prometheus?filter={urllib.request.quote(FILTER)}{parameters}"  # type: ignore[attr-defined]
    with urllib.request.urlopen(urllib.request.Request(url, headers={"accept": accept}), timeout=10) as reply:
        return reply.headers["content-type"], reply.read()


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ProxyProcess]]:
    started = []
    for which in ("envoy", "ferryman"):
        started.append(ProxyProcess(which, CONFIG, tmp_path_factory.mktemp(which), []))
    yield started
    for proxy in started:
        proxy.stop()


@pytest.mark.parametrize("parameters", ["", "&histogram_buckets=summary", "&usedonly"])
def test_same_messages(parameters: str, proxies: list[ProxyProcess]) -> None:
    envoy, ours = (ask(proxy, parameters, DELIMITED) for proxy in proxies)
    assert envoy[0] == ours[0]
    assert envoy[0].startswith(PROTOBUF)
    assert families(envoy[1]), "Envoy sent nothing"
    assert families(envoy[1]) == families(ours[1])


@pytest.mark.parametrize(
    ("parameters", "accept"),
    [
        ("", "*/*"),
        ("", PROTOBUF),
        ("", f"text/plain, {DELIMITED}"),
        ("", f"{DELIMITED};q=0.6, text/plain;q=0.5"),
        ("", "application/openmetrics-text;version=1.0.0"),
        ("&prom_protobuf=0", "text/plain"),
    ],
)
def test_same_format(parameters: str, accept: str, proxies: list[ProxyProcess]) -> None:
    envoy, ours = (ask(proxy, parameters, accept)[0] for proxy in proxies)
    assert envoy == ours
