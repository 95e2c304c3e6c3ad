"""Out of file descriptors: accepting pauses, what is open goes on, and accepting resumes."""

from __future__ import annotations

import socket

from harness.case import Case
from harness.rig import Rig

from failure.conftest import StartRig

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LIMIT = 128


def answer(client: socket.socket) -> bytes:
    client.sendall(REQUEST)
    return client.recv(4096)


def connect(rig: Rig) -> socket.socket:
    return socket.create_connection(rig.address("main"), timeout=5)


def test_accepting_pauses_and_resumes(start_rig: StartRig) -> None:
    case = Case("direct", routes=[{"match": {"prefix": "/"}, "direct_response": {"status": 200}}])
    case.virtual_host = {"domains": ["a"]}
    rig = start_rig(case, descriptors=LIMIT)
    rig.barrier()
    first = connect(rig)
    assert answer(first).startswith(b"HTTP/1.1 200")
    # More than there can be descriptors; the kernel completes the handshakes, the proxy cannot accept all.
    crowd = [connect(rig) for _ in range(LIMIT * 2)]
    assert answer(first).startswith(b"HTTP/1.1 200"), "what was open must go on"
    rig.barrier()
    assert rig.proxy.process.poll() is None
    for client in crowd:
        client.close()
    # The listen queue is worked off first: only then is this one's turn.
    late = connect(rig)
    assert answer(late).startswith(b"HTTP/1.1 200")
    assert rig.proxy.admin("/ready")[0] == 200
    for client in (first, late):
        client.close()
