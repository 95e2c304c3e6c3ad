"""A secret that is used by name is as good as one that stands where it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness.certificates import write

from config.small_bootstrap import TYPE, lowered

_DEFAULT = {
    "max_verify_depth": 2,
    "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a"}}],
}


def _model(tls: dict[str, Any], secrets: list[dict[str, Any]]) -> Any:
    """The model of a cluster with this CommonTlsContext."""
    socket = {
        "name": "tls",
        "typed_config": {
            "@type": f"{TYPE}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": tls,
        },
    }
    cluster = {"name": "a", "load_assignment": {"cluster_name": "a"}, "transport_socket": socket}
    resources = {"clusters": [cluster], "secrets": secrets}
    return lowered({"bootstrap": {"static_resources": resources}}).clusters[0].tls


@pytest.mark.parametrize("is_combined", [False, True])
def test_by_name_is_as_in_place(is_combined: bool, tmp_path: Path) -> None:
    certificate = {
        "certificate_chain": {"filename": str(write("cert", "server", tmp_path))},
        "private_key": {"filename": str(write("key", "server", tmp_path))},
    }
    trusted = {"trusted_ca": certificate["certificate_chain"], "max_verify_depth": 3}
    named: dict[str, Any] = {"validation_context_sds_secret_config": {"name": "trusted"}}
    if is_combined:
        named = {"combined_validation_context": {"default_validation_context": _DEFAULT, **named}}
    inline = {**_DEFAULT, **trusted} if is_combined else trusted
    secrets = [
        {"name": "trusted", "tls_certificate": certificate},
        {"name": "trusted", "validation_context": trusted},
    ]
    by_name = _model({"tls_certificate_sds_secret_configs": [{"name": "trusted"}], **named}, secrets)
    assert by_name == _model({"tls_certificates": [certificate], "validation_context": inline}, [])
    assert by_name.common.validation.max_verify_depth == 3
    assert len(by_name.common.certificates) == 1
