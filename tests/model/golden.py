"""The golden files: what each configuration in this folder lowers to.

    python tests/model/golden.py    writes NAME.json (to read) and NAME.msgpack (what crosses) for NAME.yaml

`test_golden.py` checks that they are current; `crates/dataplane/tests/model.rs` reads the .msgpack files.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

import msgspec
from ferryman.config.pipeline import LoadOptions, Lowered, load_bootstrap, read_sources

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
OPTIONS = LoadOptions(concurrency=3, drain_time_s=45, drain_strategy="immediate")
"""Fixed: the default concurrency differs from machine to machine."""


NO_SECRET = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(32)).decode()
"""An Ed25519 key of nothing but zeroes, to which the certificate below belongs."""
VARIABLES = {
    "FERRYMAN_GOLDEN_FORMAT": "%BYTES_SENT% from the environment\n",
    "FERRYMAN_GOLDEN_KEY": f"-----BEGIN PRIVATE KEY-----\n{NO_SECRET}\n-----END PRIVATE KEY-----\n",
    "FERRYMAN_GOLDEN_CERTIFICATE": """-----BEGIN CERTIFICATE-----
MIHQMIGDoAMCAQICAQEwBQYDK2VwMBExDzANBgNVBAMMBmdvbGRlbjAgFw0yMDAx
MDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFowETEPMA0GA1UEAwwGZ29sZGVuMCow
BQYDK2VwAyEAO2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ikwBQYDK2Vw
A0EAEt2LSfbhkR7UZPE7d4806iiZS+ikOcHV4OeK9EqON4nz+CFz5kl//7UnkBF0
wDq8KtCJwWob1xfqE7N/YkP+BA==
-----END CERTIFICATE-----
""",
    "FERRYMAN_GOLDEN_CRL": """-----BEGIN X509 CRL-----
MIG6MG4CAQEwBQYDK2VwMBExDzANBgNVBAMMBmdvbGRlbhcNMjAwMTAxMDAwMDAw
WhgPMjA5OTAxMDEwMDAwMDBaoC8wLTAKBgNVHRQEAwIBATAfBgNVHSMEGDAWgBSM
MMl+f9VGDOO5YttM11h57s2KvTAFBgMrZXADQQAvxIQcJNtt4Dga89Yg6KZLlV+T
kcbersvoPQHMtFcCxs8qUFcKfg0QJ2tTL8vmdjvO+GcCFiq89lmPZuBS8ZIO
-----END X509 CRL-----
""",
}
"""Must be set, and the working directory be the root, when a configuration is lowered."""


def lower(name: str) -> Lowered:
    """The configuration NAME.yaml, lowered."""
    return load_bootstrap(read_sources([f"tests/model/{name}.yaml"]), OPTIONS)


def tree(lowered: Lowered) -> dict[str, object]:
    """What the golden files hold."""
    return {
        "bootstrap": lowered.bootstrap,
        "clusters": lowered.clusters,
        "listeners": lowered.listeners,
    }


def as_json(lowered: Lowered) -> bytes:
    return msgspec.json.format(msgspec.json.encode(tree(lowered)), indent=2) + b"\n"


def as_msgpack(lowered: Lowered) -> bytes:
    return msgspec.msgpack.encode(tree(lowered))


def write() -> None:
    os.chdir(ROOT)
    os.environ.update(VARIABLES)
    for name in NAMES:
        lowered = lower(name)
        FOLDER.joinpath(f"{name}.json").write_bytes(as_json(lowered))
        FOLDER.joinpath(f"{name}.msgpack").write_bytes(as_msgpack(lowered))


if __name__ == "__main__":
    write()
