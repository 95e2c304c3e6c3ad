"""`forward_client_cert_details`: what the next hop is told of the client's certificate.

Owns the mode and what is told. Does not own certificates (`tls_context.py`).

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/headers
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word

_MANAGER: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_DETAILS = Fields(f"{_MANAGER}.SetCurrentClientCertDetails", "subject cert chain dns uri issuer format")
_MODES: Final = ("sanitize", "forward_only", "append_forward", "sanitize_set", "always_forward_only")
_FORMATS: Final = ("text", "json")


def lower_client_certificate(cursor: Cursor) -> model.ClientCertificateDetails:
    """What a connection manager says of it."""
    details = cursor.child("set_current_client_cert_details")
    fields = _DETAILS.read(details)
    return model.ClientCertificateDetails(
        mode=word(cursor, "forward_client_cert_details", _MODES),
        subject="subject" in fields and fields["subject"].value,
        cert=fields.get("cert", False),
        chain=fields.get("chain", False),
        dns=fields.get("dns", False),
        uri=fields.get("uri", False),
        issuer=fields.get("issuer", False),
        json=word(details, "format", _FORMATS) == "json",
    )
