"""A proxy without a file: `ferryman quick --from 127.0.0.1:8080 --to 127.0.0.1:9000`.

Owns reading the two addresses and writing the Envoy configuration that they stand for; what comes out is
ordinary configuration and takes the ordinary way from there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from ferryman.errors import FerrymanError

_TYPED = "type.googleapis.com/envoy.extensions."
Address = dict[str, Any]


class AddressError(FerrymanError):
    """An address on the command line cannot be read."""


def parse_address(text: str) -> Address:
    """Envoy's `address` for `8080`, `:8080`, `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.

    Raises AddressError.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path:
            raise AddressError(f"'{text}' has no path; a Unix socket is written unix:/path")
        return {"pipe": {"path": path}}
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise AddressError(f"'{text}' has no port; write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path")
    if host in ("", "localhost"):
        host = "127.0.0.1"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        raise AddressError(
            f"'{host}' in '{text}' is no IP address; host names need a DNS cluster, which quick does not make"
        ) from None
    return {"socket_address": {"address": str(ip), "port_value": int(port)}}


def configuration(
    listen: Address, endpoints: Sequence[Address], *, admin: Address | None = None, tcp: bool = False
) -> dict[str, Any]:
    """An Envoy bootstrap: one listener, one cluster of `endpoints`; HTTP, or plain TCP if `tcp`."""
    network_filter = _tcp_proxy() if tcp else _http_connection_manager()
    cluster = {
        "name": "to",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "to",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}} for address in endpoints]}],
        },
    }
    bootstrap: dict[str, Any] = {
        "static_resources": {
            "listeners": [
                {"name": "from", "address": listen, "filter_chains": [{"filters": [network_filter]}]}
            ],
            "clusters": [cluster],
        }
    }
    return {"admin": {"address": admin}, **bootstrap} if admin else bootstrap


def _access_log() -> list[dict[str, Any]]:
    typed_config = {"@type": f"{_TYPED}access_loggers.stream.v3.StdoutAccessLog"}
    return [{"name": "envoy.access_loggers.stdout", "typed_config": typed_config}]


def _http_connection_manager() -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "to"}}
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_TYPED}filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "quick",
            "access_log": _access_log(),
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_TYPED}filters.http.router.v3.Router"},
                }
            ],
            "route_config": {
                "name": "quick",
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
            },
        },
    }


def _tcp_proxy() -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": f"{_TYPED}filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "quick",
            "access_log": _access_log(),
            "cluster": "to",
        },
    }
