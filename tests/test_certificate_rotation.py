"""Certificates that are replaced while clients connect: no handshake fails, no connection ends.

`FERRYMAN_ROTATIONS=1000 pytest tests/test_certificate_rotation.py` rotates as often as that.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from harness import certificates
from test_process import LIMIT_S, Running, Start, bootstrap, start

__all__ = ["start"]

ROTATIONS = int(os.environ.get("FERRYMAN_ROTATIONS", "20"))
CLIENTS = 3
NAMES = ("server", "second")
TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


class Rotated:
    """A folder with a link to one of two folders of certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in NAMES:
            made = folder / name
            made.mkdir(parents=True)
            for kind in ("cert", "key"):
                shutil.copy(certificates.write(kind, name, folder), made / f"{kind}.pem")
        self.show(NAMES[0])

    def show(self, name: str) -> None:
        """Replaces the link in one step."""
        (self.folder / "new").symlink_to(name)
        (self.folder / "new").rename(self.folder / "current")

    def configuration(self) -> dict[str, Any]:
        """A proxy with these certificates."""
        current = self.folder / "current"
        certificate = {
            "certificate_chain": {"filename": str(current / "cert.pem")},
            "private_key": {"filename": str(current / "key.pem")},
            "watched_directory": {"path": str(self.folder)},
        }
        configuration = bootstrap()
        (listener,) = configuration["static_resources"]["listeners"]
        listener["filter_chains"][0]["transport_socket"] = {
            "name": "tls",
            "typed_config": {"@type": TYPE, "common_tls_context": {"tls_certificates": [certificate]}},
        }
        return configuration


def connect(running: Running, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    plain = socket.create_connection(running.listener(), timeout=LIMIT_S)
    return context.wrap_socket(plain, server_hostname="a.test")


def name_of(connection: ssl.SSLSocket) -> str:
    """The common name of the certificate that was shown."""
    shown = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    (name,) = shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value)


def ask(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(4096)
        assert piece, "the connection was closed"
        received += piece
    return received.partition(b"\r\n")[0]


def serial_of(name: str) -> str:
    return f"{certificates.make(name)[0].serial_number:040x}"


def listed(running: Running) -> str:
    """The serial number of the certificate that `/certs` tells of."""
    (context,) = json.loads(running.page("/certs"))["certificates"]
    (certificate,) = context["cert_chain"]
    return f"{int(certificate['serial_number'], 16):040x}"


def counted(running: Running, name: str) -> int:
    text = running.page(f"/stats?filter={name}$")
    return int(text.split(": ")[1]) if text.strip() else 0


@pytest.mark.timeout(60 + ROTATIONS)
def test_no_handshake_fails_while_certificates_rotate(start: Start, tmp_path: Path) -> None:
    rotated = Rotated(tmp_path / "certificates")
    running = start(rotated.configuration())
    failures: list[str] = []
    handshakes = [0] * CLIENTS
    over = threading.Event()

    def client(number: int) -> None:
        version = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)[number % 2]
        while not over.is_set():
            try:
                with connect(running, version) as connection:
                    assert ask(connection) == b"HTTP/1.1 200 OK"
                    assert name_of(connection) in NAMES
                handshakes[number] += 1
            except (OSError, AssertionError) as error:
                failures.append(repr(error))

    with connect(running) as steady:
        clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for one in clients:
            one.start()
        for rotation in range(1, ROTATIONS + 1):
            wanted = NAMES[rotation % 2]
            rotated.show(wanted)
            shown = ""
            while shown != wanted:
                with connect(running) as connection:
                    shown = name_of(connection)
            assert ask(steady) == b"HTTP/1.1 200 OK"
            assert listed(running) == serial_of(wanted)
        over.set()
        for one in clients:
            one.join(LIMIT_S)
    assert failures == []
    assert all(handshakes)
    print(f"{ROTATIONS} rotations, {sum(handshakes)} handshakes beside them, {len(failures)} failed")
    assert counted(running, "ssl_context_update_by_sds") == ROTATIONS
    assert counted(running, "ssl.connection_error") == 0


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem", "both"])
def test_broken_files_change_nothing(broken: str, start: Start, tmp_path: Path) -> None:
    rotated = Rotated(tmp_path / "certificates")
    running = start(rotated.configuration())
    new = tmp_path / "certificates" / "broken"
    shutil.copytree(tmp_path / "certificates" / "second", new)
    for file in ("cert.pem", "key.pem") if broken == "both" else (broken,):
        (new / file).write_text("-----BEGIN NOTHING-----\n")
    rotated.show("broken")
    while counted(running, "key_rotation_failed") == 0:
        pass
    with connect(running) as connection:
        assert name_of(connection) == "server"
    assert listed(running) == serial_of("server")
    rotated.show("second")
    shown = ""
    while shown != "second":
        with connect(running) as connection:
            shown = name_of(connection)
    assert counted(running, "ssl_context_update_by_sds") == 1
