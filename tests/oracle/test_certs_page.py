"""`/certs` and the statistics of expiration: the same as the real Envoy's for the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness import certificates
from harness.bootstrap import DOWNSTREAM_TLS, UPSTREAM_TLS
from harness.proxy_process import ProxyProcess

ECHO = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"


def file(kind: str, name: str, directory: Path) -> dict[str, str]:
    return {"filename": str(certificates.write(kind, name, directory))}


def own(name: str, directory: Path) -> dict[str, Any]:
    return {"certificate_chain": file("cert", name, directory), "private_key": file("key", name, directory)}


def inline(name: str, directory: Path) -> dict[str, Any]:
    return {
        field: {"inline_string": certificates.write(kind, name, directory).read_text()}
        for field, kind in (("certificate_chain", "cert"), ("private_key", "key"))
    }


def tls(type_url: str, certificate_list: list[Any], validation: dict[str, Any] | None) -> dict[str, Any]:
    common: dict[str, Any] = {"tls_certificates": certificate_list}
    if validation is not None:
        common["validation_context"] = validation
    return {"name": "tls", "typed_config": {"@type": type_url, "common_tls_context": common}}


def configuration(directory: Path) -> dict[str, Any]:
    two = directory / "two.pem"
    two.write_text(
        "".join(certificates.write("cert", ca, directory).read_text() for ca in ("ca", "other-ca"))
    )
    trusted = {"trusted_ca": file("cert", "ca", directory)}
    listeners = {
        "several": ([own("leaf", directory), own("odd", directory)], trusted),
        "inline": ([inline("nameless", directory)], {"trusted_ca": {"filename": str(two)}}),
        "early": ([own("early", directory)], None),
    }
    clusters: dict[str, tuple[list[Any], dict[str, Any] | None]] = {
        "trusting": ([], trusted),
        "indifferent": ([], None),
        "with a certificate": ([own("client-rsa", directory)], None),
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [
                {
                    "name": name,
                    "stat_prefix": name,
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                    "filter_chains": [
                        {
                            "filters": [{"name": "echo", "typed_config": {"@type": ECHO}}],
                            "transport_socket": tls(DOWNSTREAM_TLS, *context),
                        }
                    ],
                }
                for name, context in listeners.items()
            ],
            "clusters": [
                {"name": name, "connect_timeout": "1s", "transport_socket": tls(UPSTREAM_TLS, *context)}
                for name, context in clusters.items()
            ],
        },
    }


def seen(which: str, directory: Path) -> tuple[list[Any], list[str]]:
    """The contexts, whose order Envoy leaves to chance, and the statistics."""
    proxy = ProxyProcess(which, configuration(directory), directory, [])
    try:
        contexts = json.loads(proxy.admin("/certs")[1])["certificates"]
        lines = proxy.admin("/stats?filter=expir")[1].splitlines()
    finally:
        proxy.stop()
    return sorted(contexts, key=json.dumps), sorted(line for line in lines if "ocsp" not in line)


def test_the_page_and_the_statistics(tmp_path: Path) -> None:
    envoy, ferryman = (seen(which, tmp_path) for which in ("envoy", "ferryman"))
    assert ferryman == envoy
    assert len(envoy[0]) == 6
    assert "server.days_until_first_cert_expiring: 5" in envoy[1]
