"""Which sessions are taken up again: one of a listener, filter chain and configuration is none for others."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from harness import certificates
from harness.bootstrap import DOWNSTREAM_TLS
from harness.proxy_process import ProxyProcess

ECHO = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"
LIMIT_S = 10
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
OLD, NEW = (bytes([number]) * 80 for number in (1, 2))

FIRST_TO_SECOND = {
    "same": ("keyed", "keyed", True),
    "without configured keys": ("plain", "plain", True),
    "keys were rotated": ("rotating", "rotating", True),
    "keys are gone": ("keyed", "new key", False),
    "another listener": ("keyed", "same again", False),
    "another filter chain": ("keyed", "keyed:second.test", False),
    "others are trusted": ("asks ca", "asks other-ca", False),
    "somebody is trusted": ("keyed", "asks ca", False),
    "stateful": ("stateful", "stateful", True),
    "neither": ("neither", "neither", False),
}
"""Where a session begins, where the client comes back with it, and whether it is taken up again."""


def inline(*keys: bytes) -> dict[str, Any]:
    return {"keys": [{"inline_string": key.decode()} for key in keys]}


def listener(name: str, directory: Path, context: dict[str, Any], ca: str | None = None) -> dict[str, Any]:
    files = {
        kind: {"filename": str(certificates.write(kind, "server", directory))} for kind in ("cert", "key")
    }
    common: dict[str, Any] = {
        "tls_certificates": [{"certificate_chain": files["cert"], "private_key": files["key"]}]
    }
    if ca is not None:
        trusted = {"filename": str(certificates.write("cert", ca, directory))}
        common["validation_context"] = {"trusted_ca": trusted}
    typed = {"@type": DOWNSTREAM_TLS, "common_tls_context": common, **context}
    chain = {
        "filters": [{"name": "echo", "typed_config": {"@type": ECHO}}],
        "transport_socket": {"name": "tls", "typed_config": typed},
    }
    inspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "listener_filters": [{"name": "tls", "typed_config": {"@type": inspector}}],
        "filter_chains": [
            {"name": "first", **chain},
            {"name": "second", "filter_chain_match": {"server_names": ["second.test"]}, **chain},
        ],
    }


def configuration(directory: Path, rotated: Path) -> dict[str, Any]:
    keyed = {"session_ticket_keys": inline(OLD)}
    current = rotated / "current"
    files = [
        {"filename": str(current / name), "watched_directory": {"path": str(rotated)}}
        for name in ("first", "second")
    ]
    off = {"disable_stateless_session_resumption": True}
    listeners = [
        listener("keyed", directory, keyed),
        listener("same again", directory, keyed),
        listener("new key", directory, {"session_ticket_keys": inline(NEW)}),
        listener("rotating", directory, {"session_ticket_keys": {"keys": files}}),
        listener("plain", directory, {}),
        listener("asks ca", directory, keyed, "ca"),
        listener("asks other-ca", directory, keyed, "other-ca"),
        listener("stateful", directory, off),
        listener("neither", directory, {**off, "disable_stateful_session_resumption": True}),
    ]
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners},
    }


class Client:
    """One that remembers sessions."""

    def __init__(self, version: str) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = self.context.maximum_version = VERSIONS[version]

    def visit(self, proxy: ProxyProcess, place: str, session: Any = None) -> tuple[Any, bool]:
        """The session, and whether it was taken up again."""
        name, _, server_name = place.partition(":")
        address: Any = proxy.listeners()[name]
        with socket.create_connection(address, timeout=LIMIT_S) as plain:
            wrapped = self.context.wrap_socket(
                plain, server_hostname=server_name or "a.test", session=session
            )
            with wrapped as connection:
                connection.sendall(b"hello")
                assert connection.recv(5) == b"hello"
                return connection.session, bool(connection.session_reused)


def show(rotated: Path, name: str, first: bytes, second: bytes) -> None:
    """Both keys, replaced in one step."""
    (rotated / name).mkdir()
    (rotated / name / "first").write_bytes(first)
    (rotated / name / "second").write_bytes(second)
    (rotated / "new").symlink_to(name)
    (rotated / "new").rename(rotated / "current")


@pytest.mark.parametrize("version", VERSIONS)
def test_which_sessions_are_taken_up_again(version: str, tmp_path: Path) -> None:
    rotated = tmp_path / "keys"
    rotated.mkdir()
    show(rotated, "before", OLD, OLD)
    client, found = Client(version), {}
    proxy = ProxyProcess("ferryman", configuration(tmp_path, rotated), tmp_path, [])
    try:
        sessions = {name: client.visit(proxy, first)[0] for name, (first, _, _) in FIRST_TO_SECOND.items()}
        show(rotated, "after", NEW, OLD)
        while not proxy.stats("ssl_context_update_by_sds"):
            pass
        for name, (_, second, _) in FIRST_TO_SECOND.items():
            found[name] = client.visit(proxy, second, sessions[name])[1]
        session, _ = client.visit(proxy, "rotating")
        show(rotated, "later", NEW, NEW)
        while sum(proxy.stats("ssl_context_update_by_sds").values()) < 2:
            pass
        assert client.visit(proxy, "rotating", session)[1]
        assert not client.visit(proxy, "rotating", sessions["keys were rotated"])[1]
    finally:
        proxy.stop()
    assert found == {name: again for name, (_, _, again) in FIRST_TO_SECOND.items()}
