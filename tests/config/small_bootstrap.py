"""A small valid bootstrap, and changes to it: what the tests of lowering start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ferryman.config.pipeline import check_bootstrap, load_bootstrap
from ferryman.config.problems import Problems
from ferryman.config.source import Source

TYPE = "type.googleapis.com/envoy."
MANAGER = f"{TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = f"{TYPE}extensions.filters.network.tcp_proxy.v3.TcpProxy"
ROUTER = {"name": "router", "typed_config": {"@type": f"{TYPE}extensions.filters.http.router.v3.Router"}}
PLACES = {
    "cluster": "static_resources.clusters[0]",
    "listener": "static_resources.listeners[0]",
    "chain": "static_resources.listeners[0].filter_chains[0]",
    "manager": "static_resources.listeners[0].filter_chains[0].filters[0].typed_config",
    "tcp": "static_resources.listeners[0].filter_chains[0].filters[0].typed_config",
}
PLACES["table"] = PLACES["manager"] + ".route_config"
PLACES["host"] = PLACES["table"] + ".virtual_hosts[0]"
PLACES["route"] = PLACES["host"] + ".routes[0]"
PLACES["bootstrap"] = ""


def address(port: int = 0) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def bootstrap(changes: Mapping[str, Mapping[str, Any]]) -> str:
    """The small bootstrap with fields laid over the messages named in PLACES; null removes a field."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": "service"}}
    host = {"name": "all", "domains": ["*"], "routes": [laid(route, changes.get("route"))]}
    table = {"name": "table", "virtual_hosts": [laid(host, changes.get("host"))]}
    manager = {
        "@type": MANAGER,
        "stat_prefix": "http",
        "route_config": laid(table, changes.get("table")),
        "http_filters": [ROUTER],
    }
    filters = [{"name": "http", "typed_config": laid(manager, changes.get("manager"))}]
    if "tcp" in changes:
        tcp = {"@type": TCP_PROXY, "stat_prefix": "tcp", "cluster": "service"}
        filters = [{"name": "tcp", "typed_config": laid(tcp, changes["tcp"])}]
    chain = laid({"filters": filters}, changes.get("chain"))
    listener = laid(
        {"name": "listener", "address": address(), "filter_chains": [chain]}, changes.get("listener")
    )
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(9000)}}]}]
    cluster = {"name": "service", "load_assignment": {"cluster_name": "service", "endpoints": endpoints}}
    resources = {"clusters": [laid(cluster, changes.get("cluster"))], "listeners": [listener]}
    return json.dumps(laid({"static_resources": resources}, changes.get("bootstrap")))


def laid(over: Mapping[str, Any], fields: Mapping[str, Any] | None) -> dict[str, Any]:
    merged = {**over, **(fields or {})}
    return {name: value for name, value in merged.items() if value is not None}


def problems(changes: Mapping[str, Mapping[str, Any]]) -> Problems:
    return check_bootstrap([Source.from_text(bootstrap(changes), "test.json", "json")])


def lowered(changes: Mapping[str, Mapping[str, Any]]) -> Any:
    return load_bootstrap([Source.from_text(bootstrap(changes), "test.json", "json")])
