"""Addresses of `ferryman quick` and the configuration that it makes."""

from __future__ import annotations

import pytest
from ferryman.quick import AddressError, configuration, parse_address


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("8080", "127.0.0.1", 8080),
        (":8080", "127.0.0.1", 8080),
        ("localhost:1", "127.0.0.1", 1),
        ("0.0.0.0:65535", "0.0.0.0", 65535),
        ("[::1]:80", "::1", 80),
        ("[::]:0", "::", 0),
    ],
)
def test_socket_addresses(text: str, address: str, port: int) -> None:
    assert parse_address(text) == {"socket_address": {"address": address, "port_value": port}}


def test_unix_socket() -> None:
    assert parse_address("unix:/run/app.sock") == {"pipe": {"path": "/run/app.sock"}}


@pytest.mark.parametrize(
    "text", ["", ":", "x", "host:80", "1.2.3.4", "1.2.3.4:-1", "1.2.3.4:99999", "unix:", "::1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse_address(text)
    assert "\n" not in str(refused.value)


def test_every_endpoint_is_in_the_cluster() -> None:
    endpoints = [parse_address("127.0.0.1:1"), parse_address("127.0.0.1:2")]
    made = configuration(parse_address(":0"), endpoints, admin=parse_address(":9901"))
    (cluster,) = made["static_resources"]["clusters"]
    (locality,) = cluster["load_assignment"]["endpoints"]
    assert [entry["endpoint"]["address"] for entry in locality["lb_endpoints"]] == endpoints
    assert made["admin"]["address"]["socket_address"]["port_value"] == 9901
