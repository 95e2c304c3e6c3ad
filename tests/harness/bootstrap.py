"""Cases to one Envoy bootstrap with placeholders in it.

Owns: the default bootstrap, the default http_connection_manager and the short forms such as `tcp_proxy: {…}`
for network filters and `proxy_protocol: {…}` for listener filters in cases. `rig` fills the placeholders.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from harness.case import Area, Case

Config = dict[str, Any]
PLACEHOLDER = re.compile(r"\$\(([a-z0-9_.:-]+)\)", re.IGNORECASE)
LOOPBACK: Config = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
SENTINEL = "sentinel"
FORMATS: Config = yaml.safe_load((Path(__file__).parent / "access_log.yaml").read_text())
TYPE = "type.googleapis.com/envoy.extensions."
NETWORK_FILTERS = {
    "tcp_proxy": f"{TYPE}filters.network.tcp_proxy.v3.TcpProxy",
    "http_connection_manager": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
    "direct_response": f"{TYPE}filters.network.direct_response.v3.Config",
    "echo": f"{TYPE}filters.network.echo.v3.Echo",
    "connection_limit": f"{TYPE}filters.network.connection_limit.v3.ConnectionLimit",
    "local_ratelimit": f"{TYPE}filters.network.local_ratelimit.v3.LocalRateLimit",
    "rbac": f"{TYPE}filters.network.rbac.v3.RBAC",
    "set_filter_state": f"{TYPE}filters.network.set_filter_state.v3.Config",
}
LISTENER_FILTERS = {
    "proxy_protocol": f"{TYPE}filters.listener.proxy_protocol.v3.ProxyProtocol",
    "original_dst": f"{TYPE}filters.listener.original_dst.v3.OriginalDst",
    "local_ratelimit": f"{TYPE}filters.listener.local_ratelimit.v3.LocalRateLimit",
    "tls_inspector": f"{TYPE}filters.listener.tls_inspector.v3.TlsInspector",
    "http_inspector": f"{TYPE}filters.listener.http_inspector.v3.HttpInspector",
}
UPSTREAM_TLS = f"{TYPE}transport_sockets.tls.v3.UpstreamTlsContext"
DOWNSTREAM_TLS = f"{TYPE}transport_sockets.tls.v3.DownstreamTlsContext"
INTERNAL_UPSTREAM = f"{TYPE}transport_sockets.internal_upstream.v3.InternalUpstreamTransport"
SERVERS = ("up", "up2", "up3")


def merge(base: Any, over: Any) -> Any:
    """`over` laid on `base`: mappings key by key, everything else replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        merged = dict(base)
        for key, value in over.items():
            merged[key] = merge(base[key], value) if key in base else value
        return merged
    return copy.deepcopy(over)


def substitute(value: Any, lookup: Callable[[str], str]) -> Any:
    """Fill placeholders; a text that is nothing but a placeholder becomes a number if it can."""
    if isinstance(value, dict):
        return {substitute(k, lookup): substitute(v, lookup) for k, v in value.items()}
    if isinstance(value, list):
        return [substitute(entry, lookup) for entry in value]
    if not isinstance(value, str) or "$(" not in value:
        return value
    filled = PLACEHOLDER.sub(lambda match: lookup(match[1]), value)
    return int(filled) if PLACEHOLDER.fullmatch(value) and filled.isdigit() else filled


def bootstrap_of(area: Area) -> Config:
    """The bootstrap for all cases of an area."""
    listeners = [_sentinel_listener()]
    shared = [case for case in area.cases if not case.has_own_listener]
    if shared:
        hosts = [_virtual_host(case) for case in shared if case.routes or case.virtual_host]
        fallback = {"name": "any", "domains": ["*"], "routes": [_route_to("up")]}
        hcm = merge(_hcm("main", {"name": "main", "virtual_hosts": [*hosts, fallback]}), area.hcm)
        listeners.append(_listener("main", [{"filters": [_network_filter("http_connection_manager", hcm)]}]))
    listeners += [_own_listener(area, case) for case in area.cases if case.has_own_listener]
    listeners += [_internal_listener(area, entry) for case in area.cases for entry in case.internal]
    clusters = [cluster(name) for name in (*SERVERS, "refused")]
    clusters.append({"name": "empty", "type": "STATIC", "load_assignment": {"cluster_name": "empty"}})
    clusters += [_case_cluster(entry) for case in area.cases for entry in case.clusters]
    base: Config = {
        "node": {"id": "node-1", "cluster": "service-1"},
        "admin": {"address": LOOPBACK},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }
    merged: Config = merge(base, area.bootstrap)
    return merged


def cluster(name: str, server: str | None = None) -> Config:
    """A STATIC cluster with one endpoint: the upstream server of that name."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": f"$({server or name})"}}
    endpoints = [{"endpoint": {"address": address}}]
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _case_cluster(entry: Config) -> Config:
    """A case's cluster; `server: NAME`, `servers: […]`, `internal: NAME` stand for a load_assignment."""
    entry = dict(entry)
    if "internal" in entry:
        address = {
            "envoy_internal_address": {"server_listener_name": entry.pop("internal"), "endpoint_id": "e"}
        }
        host = {"endpoint": {"address": address}, "metadata": entry.pop("host_metadata", {})}
        assignment = {"cluster_name": entry["name"], "endpoints": [{"lb_endpoints": [host]}]}
        entry = {"type": "STATIC", "load_assignment": assignment, **entry}
    if "passthrough" in entry:
        inner = {"name": "raw", "typed_config": {"@type": f"{TYPE}transport_sockets.raw_buffer.v3.RawBuffer"}}
        typed = {"@type": INTERNAL_UPSTREAM, "passthrough_metadata": entry.pop("passthrough")}
        entry["transport_socket"] = {"name": "internal", "typed_config": {**typed, "transport_socket": inner}}
    if "tls" in entry:
        entry["transport_socket"] = tls_socket(entry.pop("tls"), UPSTREAM_TLS)
    rest = {key: value for key, value in entry.items() if key not in ("server", "servers")}
    if "servers" in entry:
        base = cluster(entry["name"])
        found = [cluster(entry["name"], server) for server in entry["servers"]]
        base["load_assignment"]["endpoints"] = [
            {"lb_endpoints": [c["load_assignment"]["endpoints"][0]["lb_endpoints"][0] for c in found]}
        ]
        return {**base, **rest}
    if "server" in entry or "load_assignment" not in entry:
        return {**cluster(entry["name"], entry.get("server", "up")), **rest}
    return rest


def _route_to(name: str) -> Config:
    return {"match": {"prefix": "/"}, "route": {"cluster": name}}


def _virtual_host(case: Case) -> Config:
    host: Config = {
        "name": case.slug,
        "domains": [case.host],
        "routes": case.routes if case.routes is not None else [_route_to("up")],
    }
    merged: Config = merge(host, case.virtual_host or {})
    return _with_host(merged, case)


def _hcm(prefix: str, route_config: Config) -> Config:
    log = {"path": "$(log)", "log_format": FORMATS["http"]}
    return {
        "stat_prefix": prefix,
        "route_config": route_config,
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
        ],
        # With the default of 1 s a closing proxy waits for the peer first; cases about that set it.
        "delayed_close_timeout": "0s",
        "access_log": [file_log(log)],
    }


def file_log(config: Config) -> Config:
    typed = {"@type": f"{TYPE}access_loggers.file.v3.FileAccessLog", **config}
    return {"name": "envoy.access_loggers.file", "typed_config": typed}


def _network_filter(kind: str, config: Config) -> Config:
    return {
        "name": f"envoy.filters.network.{kind}",
        "typed_config": {"@type": NETWORK_FILTERS[kind], **config},
    }


def _listener(name: str, chains: list[Config]) -> Config:
    return {"name": name, "stat_prefix": name, "address": LOOPBACK, "filter_chains": chains}


def _internal_listener(area: Area, entry: Config) -> Config:
    """A listener that only the proxy itself connects to."""
    listener = _own_listener(area, Case(**entry))
    kept = {key: value for key, value in listener.items() if key not in ("address", "stat_prefix")}
    return {**kept, "internal_listener": {}}


def _sentinel_listener() -> Config:
    """Answers at once and logs one line: whatever came before on the worker is done and logged."""
    reply = {"match": {"prefix": "/"}, "direct_response": {"status": 204}}
    hcm = _hcm(SENTINEL, {"virtual_hosts": [{"name": SENTINEL, "domains": ["*"], "routes": [reply]}]})
    log = {
        "path": "$(log)",
        "log_format": {"text_format_source": {"inline_string": f"{SENTINEL} %PATH(WQ)%\n"}},
    }
    hcm["access_log"] = [file_log(log)]
    return _listener(SENTINEL, [{"filters": [_network_filter("http_connection_manager", hcm)]}])


def _own_listener(area: Area, case: Case) -> Config:
    chains = case.filter_chains or [{"filters": case.filters or [{"http_connection_manager": {}}]}]
    chains = [_filter_chain(area, case, chain) for chain in chains]
    listener = _listener(case.slug, chains)
    if case.address:
        listener["address"] = case.address
    extra = dict(case.listener or {})
    if "default_filter_chain" in extra:
        extra["default_filter_chain"] = _filter_chain(area, case, extra["default_filter_chain"])
    if "listener_filters" in extra:
        extra["listener_filters"] = [_listener_filter(entry) for entry in extra["listener_filters"]]
    if "access_log_format" in extra:
        text = {"text_format_source": {"inline_string": extra.pop("access_log_format") + "\n"}}
        extra["access_log"] = [file_log({"path": "$(log)", "log_format": text})]
    return _with_host(merge(listener, extra), case)


def _listener_filter(entry: Config) -> Config:
    """A listener filter; `filter_disabled` may stand beside a short form."""
    for kind, type_url in LISTENER_FILTERS.items():
        if kind in entry:
            rest = {key: value for key, value in entry.items() if key != kind}
            typed = {"@type": type_url, **entry[kind]}
            return {"name": f"envoy.filters.listener.{kind}", "typed_config": typed, **rest}
    return entry


def tls_socket(config: Config, type_url: str) -> Config:
    """A TLS context; `certificates: [NAME]` and `common` are short for its `common_tls_context`."""
    rest = dict(config)
    common = rest.pop("common", {})
    if "certificates" in rest:
        common["tls_certificates"] = [
            {
                "certificate_chain": {"filename": f"$(cert:{name})"},
                "private_key": {"filename": f"$(key:{name})"},
            }
            for name in rest.pop("certificates")
        ]
    typed = {"@type": type_url, "common_tls_context": common, **rest}
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}


def _filter_chain(area: Area, case: Case, chain: Config) -> Config:
    filters = [
        _expand(area, case, entry) for entry in chain.get("filters", [{"http_connection_manager": {}}])
    ]
    chain = dict(chain)
    if "tls" in chain:
        chain["transport_socket"] = tls_socket(chain.pop("tls"), DOWNSTREAM_TLS)
    return {**chain, "filters": filters}


def _expand(area: Area, case: Case, entry: Config) -> Config:
    if "tcp_proxy" in entry:
        log = [file_log({"path": "$(log)", "log_format": case.log_format or FORMATS["tcp"]})]
        default = {"stat_prefix": case.slug, "access_log": log}
        if "weighted_clusters" not in entry["tcp_proxy"]:
            default["cluster"] = "up"
        return _network_filter("tcp_proxy", merge(default, entry["tcp_proxy"]))
    if "http_connection_manager" in entry:
        hosts = case.virtual_hosts or [merge(_virtual_host(case), {"domains": ["*"]})]
        route_config = merge({"name": case.slug, "virtual_hosts": hosts}, case.route_config or {})
        hcm = merge(merge(_hcm(case.slug, route_config), area.hcm), case.hcm or {})
        if case.log_format:
            hcm["access_log"] = [file_log({"path": "$(log)", "log_format": case.log_format})]
        return _network_filter("http_connection_manager", merge(hcm, entry["http_connection_manager"]))
    for kind in NETWORK_FILTERS:
        if kind in entry:
            return _network_filter(kind, entry[kind])
    return entry


def _with_host(config: Config, case: Case) -> Config:
    """Fill $(host), which only the case knows; the other placeholders are left for the rig."""
    filled: Config = substitute(config, lambda name: case.host if name == "host" else f"$({name})")
    return filled
