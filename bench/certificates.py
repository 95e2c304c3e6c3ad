"""The certificate that the proxies of the benchmark show."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where it lies."""

    chain: Path
    key: Path
    both: Path
    """The two in one file, as HAProxy wants them."""


def certificate(folder: Path) -> Certificate:
    """A self-signed one for `localhost`, ECDSA over P-256; made at the first call."""
    found = Certificate(folder / "chain.pem", folder / "key.pem", folder / "both.pem")
    if not found.both.exists():
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365"]
        places = ["-keyout", str(found.key), "-out", str(found.chain)]
        command = ["openssl", "req", "-x509", *curve, *places, *names]
        subprocess.run(command, check=True, capture_output=True)
        found.both.write_text(found.chain.read_text() + found.key.read_text())
    return found


def transport_socket(folder: Path) -> dict[str, Any]:
    """What shows it, for a filter chain of Ferryman or Envoy."""
    shown = certificate(folder)
    pair = {"certificate_chain": shown.chain, "private_key": shown.key}
    files = {field: {"filename": str(path)} for field, path in pair.items()}
    common = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [files]}
    return {"name": "tls", "typed_config": {"@type": _TLS, "common_tls_context": common}}
