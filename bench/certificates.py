"""The certificate that the proxies of the benchmark show."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


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
