"""The proxy that is judged: HTTP/2 in, over cleartext and over TLS, HTTP/1.1 to an upstream that answers all.

Owns: its configuration, its upstream, and where its listeners are. Does not own what is said to it.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from harness import certificates
from harness.bootstrap import DOWNSTREAM_TLS, TYPE
from harness.proxy_process import ProxyProcess

TRANSPORTS = ("cleartext", "tls")
_LOOPBACK = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


class _Answer(BaseHTTPRequestHandler):
    """200 and a few bytes, when the request is whole."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"twenty-four bytes of it.")

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("transfer-encoding"):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer(b"taken")

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Upstream(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing: many of the streams are broken off."""


class Server:
    """A started proxy, one listener for each transport, and its upstream."""

    def __init__(self, which: str, directory: Path) -> None:
        self._upstream = _Upstream(("127.0.0.1", 0), _Answer)
        Thread(target=self._upstream.serve_forever, daemon=True).start()
        try:
            config = configuration(self._upstream.server_port, directory)
            self.process = ProxyProcess(which, config, directory, [])
        except Exception:
            self._upstream.shutdown()
            self._upstream.server_close()
            raise
        self._listeners = self.process.listeners()

    def port(self, transport: str) -> int:
        """Where the listener for a transport is, on 127.0.0.1."""
        return int(self._listeners[transport][1])

    def close(self) -> None:
        """End the proxy, then the upstream."""
        self.process.stop()
        self._upstream.shutdown()
        self._upstream.server_close()


def configuration(upstream_port: int, directory: Path) -> dict[str, Any]:
    """HTTP/2 alone on both listeners."""
    manager = {
        "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "judged",
        "codec_type": "HTTP2",
        "delayed_close_timeout": "0.05s",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
        ],
    }
    chain: dict[str, Any] = {"filters": [{"name": "manager", "typed_config": manager}]}
    context = {
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(certificates.write("cert", "server", directory))},
                    "private_key": {"filename": str(certificates.write("key", "server", directory))},
                }
            ],
        }
    }
    socket = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": DOWNSTREAM_TLS, **context},
    }
    chains = {
        "cleartext": chain,
        "tls": {**chain, "transport_socket": socket},
    }
    host = {"socket_address": {"address": "127.0.0.1", "port_value": upstream_port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": host}}]}]
    return {
        "admin": {"address": _LOOPBACK},
        "static_resources": {
            "listeners": [
                {"name": name, "address": _LOOPBACK, "filter_chains": [chains[name]]} for name in TRANSPORTS
            ],
            "clusters": [{"name": "up", "load_assignment": {"cluster_name": "up", "endpoints": endpoints}}],
        },
    }
