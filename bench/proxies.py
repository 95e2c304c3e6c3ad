"""The proxies that are compared: their configuration for a case, and the command that starts them.

All do the same work with one worker: one listener, one route, one upstream, no access log, limits out of the
way. Ferryman and Envoy get the same file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cases import Case
from bench.certificates import certificate, transport_socket
from bench.idle_filters import idle_filters

_ACCESS_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_TYPED = "type.googleapis.com/envoy.extensions.filters."
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_OPTIONS_TYPE = "type.googleapis.com/" + _OPTIONS
_NGINX_STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_FLOOR = Path("target/release/examples/relay_floor")
_NGINX_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


FLOOR = "floor"
"""No proxy, but the least that one can take: `crates/dataplane/examples/relay_floor.rs`."""


def present(name: str) -> str | None:
    """The program of a proxy, or None if it is not installed."""
    if name == FLOOR:
        return str(_FLOOR.resolve()) if _FLOOR.exists() else None
    beside = Path(sys.executable).parent / name
    return (
        str(beside) if beside.exists() else shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    )


def takes_part(name: str, case: Case) -> bool:
    """Whether a proxy can do what a case asks for."""
    if name in ("ferryman", "envoy"):
        return True
    if case.idle_filters or (case.http2_upstream and name != "haproxy"):
        return False
    if name == FLOOR and (case.tls or case.http2):
        return False
    return not case.access_log or name == "nginx"


def envoy_bootstrap(case: Case, port: int, upstream: int, folder: Path) -> dict[str, Any]:
    """The file of Ferryman and Envoy."""
    cluster = {
        "name": "upstream",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 1 << 20, "max_pending_requests": 1 << 20, "max_requests": 1 << 20}
            ]
        },
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [_endpoint(upstream)]}],
        },
    }
    if case.http2_upstream:
        options = {
            "@type": _OPTIONS_TYPE,
            "explicit_http_config": {"http2_protocol_options": {}},
        }
        cluster["typed_extension_protocol_options"] = {_OPTIONS: options}
    log = folder / f"access-{port}.log"
    chain: dict[str, Any] = {"filters": [_tcp_proxy() if case.tcp else _http_connection_manager(case, log)]}
    if case.tls:
        chain["transport_socket"] = transport_socket(folder)
    listener = {"name": "bench", "address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def address(port: int) -> dict[str, Any]:
    """A loopback address as Envoy writes it."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _endpoint(port: int) -> dict[str, Any]:
    return {"endpoint": {"address": address(port)}}


def _tcp_proxy() -> dict[str, Any]:
    typed_config = {
        "@type": _TYPED + "network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "t",
        "cluster": "upstream",
    }
    return {"name": "tcp_proxy", "typed_config": typed_config}


def _http_connection_manager(case: Case, log: Path) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    router = {"name": "router", "typed_config": {"@type": _TYPED + "http.router.v3.Router"}}
    typed_config = {
        "@type": _TYPED + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "generate_request_id": False,
        "http_filters": [*(idle_filters() if case.idle_filters else []), router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    if case.access_log:
        file = {"@type": _ACCESS_LOG, "path": str(log)}
        typed_config["access_log"] = [{"name": "file", "typed_config": file}]
    return {"name": "http_connection_manager", "typed_config": typed_config}


def _write_envoy(case: Case, port: int, upstream: int, folder: Path) -> list[str]:
    path = folder / f"bootstrap-{port}.json"
    path.write_text(json.dumps(envoy_bootstrap(case, port, upstream, folder)))
    return ["-c", str(path), "--concurrency", "1", "-l", "error"]


def _ferryman(case: Case, port: int, upstream: int, folder: Path) -> list[str]:
    return [present("ferryman") or "ferryman", *_write_envoy(case, port, upstream, folder)]


def _envoy(case: Case, port: int, upstream: int, folder: Path) -> list[str]:
    flags = _write_envoy(case, port, upstream, folder)
    return [present("envoy") or "envoy", *flags, "--use-dynamic-base-id"]


def nginx_start(name: str, folder: Path) -> str:
    """The lines that every nginx file begins with."""
    return (
        f"daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/{name}.pid;\n"
        f"error_log {folder}/{name}.error warn; events {{ worker_connections 8192; }}\n"
    )


def nginx_http(name: str, folder: Path) -> str:
    """The lines that every `http` section of nginx begins with: no log, no end to keep-alive."""
    places = "".join(f"{kind}_temp_path {folder}/{name}-{kind};\n" for kind in _NGINX_TEMPORARY)
    endless = "keepalive_requests 1000000000; http2_max_requests 1000000000; keepalive_timeout 1h;"
    return f"access_log off; http2_max_concurrent_streams 1000; {endless}\n{places}"


def nginx_command(path: Path) -> list[str]:
    """Starts nginx on a file; its worker stays the user who starts it."""
    as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
    return [present("nginx") or "nginx", "-c", str(path), *as_root]


def _nginx(case: Case, port: int, upstream: int, folder: Path) -> list[str]:
    name, start = f"nginx-{port}", nginx_start(f"nginx-{port}", folder)
    if case.tcp:
        module = f"load_module {_NGINX_STREAM_MODULE};\n" if _NGINX_STREAM_MODULE.exists() else ""
        server = f"server {{ listen 127.0.0.1:{port} backlog=8192; proxy_pass 127.0.0.1:{upstream}; }}"
        text = f"{module}{start}stream {{ {server} }}\n"
    else:
        log = f"access_log {folder}/{name}.access combined buffer=64k flush=10s;" if case.access_log else ""
        listen = f"{'ssl ' if case.tls else ''}{'http2 ' if case.http2 else ''}backlog=8192"
        shown = certificate(folder)
        secret = f"ssl_certificate {shown.chain}; ssl_certificate_key {shown.key};" if case.tls else ""
        text = (
            f"{start}http {{ {nginx_http(name, folder)}"
            f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}\n"
            f"server {{ listen 127.0.0.1:{port} {listen}; {secret} {log} location / {{ proxy_pass http://u;\n"
            'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } } }\n'
        )
    path = folder / f"{name}.conf"
    path.write_text(text)
    return nginx_command(path)


def _haproxy(case: Case, port: int, upstream: int, folder: Path) -> list[str]:
    mode = "mode tcp" if case.tcp else "mode http\n  http-reuse always"
    tls = f" ssl crt {certificate(folder).both} alpn h2,http/1.1" if case.tls else ""
    bind = tls or (" proto h2" if case.http2 else "")
    path = folder / f"haproxy-{port}.cfg"
    path.write_text(
        f"global\n  maxconn 8000\n  nbthread 1\n  tune.h2.max-concurrent-streams 1000\ndefaults\n  {mode}\n"
        "  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
        f"frontend bench\n  bind 127.0.0.1:{port}{bind}\n  default_backend upstream\n"
        f"backend upstream\n  server one 127.0.0.1:{upstream}{' proto h2' if case.http2_upstream else ''}\n"
    )
    return [present("haproxy") or "haproxy", "-db", "-f", str(path)]


def _floor(case: Case, port: int, upstream: int, folder: Path) -> list[str]:
    return [present(FLOOR) or FLOOR, f"127.0.0.1:{port}", f"127.0.0.1:{upstream}"]


Starter = Callable[[Case, int, int, Path], list[str]]

PROXIES: dict[str, Starter] = {
    "ferryman": _ferryman,
    "envoy": _envoy,
    "nginx": _nginx,
    "haproxy": _haproxy,
    FLOOR: _floor,
}
"""Name to what writes its configuration and gives its command."""
