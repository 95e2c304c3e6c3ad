"""A server of the service, a proxy before it, and channels to either.

Owns: the proxy's configuration, credentials, and the end of all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from harness import certificates
from harness.bootstrap import DOWNSTREAM_TLS, TYPE, UPSTREAM_TLS
from harness.proxy_process import ProxyProcess

from grpc_interop.service import UNLIMITED, Service, serve

TRANSPORTS = ("direct", "cleartext", "tls")
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
LOOPBACK = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


class Rig:
    """`direct`: no proxy; `cleartext`: HTTP/2 to HTTP/2; `tls`: the same over TLS, verified."""

    def __init__(
        self,
        transport: str,
        which: str,
        directory: Path,
        http2: dict[str, Any] | None = None,
        server_options: list[Any] | None = None,
    ) -> None:
        self.transport = transport
        self.directory = directory
        self.service = Service()
        self._server, self.port = serve(self.service, self._server_credentials(), server_options)
        self.proxy: ProxyProcess | None = None
        if transport != "direct":
            try:
                bootstrap = self._bootstrap(http2 or {})
                # A worker alone: two connections of a client are then beside each other.
                self.proxy = ProxyProcess(which, bootstrap, directory, [])
                self.port = self.proxy.listeners()["grpc"][1]  # type: ignore[assignment]
            except BaseException:
                self._server.stop(None)
                raise

    def channel(self, *options: tuple[str, Any]) -> grpc.Channel:
        """A new one, with a connection of its own."""
        given = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1), *options]
        target = f"127.0.0.1:{self.port}"
        if self.transport != "tls":
            return grpc.insecure_channel(target, given)
        roots = certificates.write("cert", "ca", self.directory).read_bytes()
        name = ("grpc.ssl_target_name_override", "server.test")
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(roots), [*given, name])

    def close(self) -> None:
        """End the proxy, which must end well, and the server."""
        code = self.proxy.stop() if self.proxy else 0
        self._server.stop(None).wait()
        assert code == 0

    def _server_credentials(self) -> grpc.ServerCredentials | None:
        if self.transport != "tls":
            return None
        files = [certificates.write(kind, "server", self.directory) for kind in ("key", "cert")]
        key, certificate = (file.read_bytes() for file in files)
        return grpc.ssl_server_credentials([(key, certificate)])

    def _bootstrap(self, http2: dict[str, Any]) -> dict[str, Any]:
        route = {
            "cluster": "up",
            "timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        }
        manager = {
            "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "grpc",
            "http2_protocol_options": http2,
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "v",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/", "grpc": {}}, "route": route}],
                    }
                ]
            },
            "http_filters": [
                {
                    "name": "stats",
                    "typed_config": {
                        "@type": f"{TYPE}filters.http.grpc_stats.v3.FilterConfig",
                        "stats_for_all_methods": True,
                    },
                },
                {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}},
            ],
        }
        chain: dict[str, Any] = {"filters": [{"name": "hcm", "typed_config": manager}]}
        cluster = {
            "name": "up",
            "load_assignment": {
                "cluster_name": "up",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _at(self.port)}}]}],
            },
            "typed_extension_protocol_options": {
                OPTIONS: {
                    "@type": f"type.googleapis.com/{OPTIONS}",
                    "explicit_http_config": {"http2_protocol_options": http2},
                }
            },
        }
        if self.transport == "tls":
            chain["transport_socket"] = self._downstream_tls()
            cluster["transport_socket"] = self._upstream_tls()
        listener = {"name": "grpc", "address": LOOPBACK, "filter_chains": [chain]}
        return {
            "admin": {"address": LOOPBACK},
            "static_resources": {"listeners": [listener], "clusters": [cluster]},
        }

    def _file(self, kind: str, name: str) -> dict[str, str]:
        return {"filename": str(certificates.write(kind, name, self.directory))}

    def _downstream_tls(self) -> dict[str, Any]:
        pair = {"certificate_chain": self._file("cert", "server"), "private_key": self._file("key", "server")}
        context = {"tls_certificates": [pair], "alpn_protocols": ["h2"]}
        return {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, "common_tls_context": context}}

    def _upstream_tls(self) -> dict[str, Any]:
        names = [{"san_type": "DNS", "matcher": {"exact": "server.test"}}]
        validation = {"trusted_ca": self._file("cert", "ca"), "match_typed_subject_alt_names": names}
        context = {"validation_context": validation, "alpn_protocols": ["h2"]}
        typed = {"@type": UPSTREAM_TLS, "common_tls_context": context, "sni": "server.test"}
        return {"name": "tls", "typed_config": typed}


def _at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
