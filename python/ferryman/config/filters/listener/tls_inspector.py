"""`envoy.filters.listener.tls_inspector`: what a TLS client asks for, without decrypting anything.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/tls_inspector
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
_TLS_INSPECTOR = Fields(
    TYPE,
    "max_client_hello_size close_connection_on_client_hello_parsing_errors enable_ja3_fingerprinting"
    " enable_ja4_fingerprinting",
    no_effect={"initial_read_buffer_size": "bytes are looked at as they come, and stay in the socket"},
)
_MAX_CLIENT_HELLO_BYTES: Final = 16 * 1024


def lower(cursor: Cursor) -> model.TlsInspector:
    """The filter's configuration."""
    fields = _TLS_INSPECTOR.read(cursor)
    return model.TlsInspector(
        max_client_hello_bytes=fields["max_client_hello_size"].value
        if "max_client_hello_size" in fields
        else _MAX_CLIENT_HELLO_BYTES,
        close_connection_on_client_hello_parsing_errors=fields.get(
            "close_connection_on_client_hello_parsing_errors", False
        ),
        ja3_fingerprinting="enable_ja3_fingerprinting" in fields
        and fields["enable_ja3_fingerprinting"].value,
        ja4_fingerprinting="enable_ja4_fingerprinting" in fields
        and fields["enable_ja4_fingerprinting"].value,
    )
