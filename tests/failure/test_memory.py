"""Large bodies past a slow reader cost no more memory than the buffers that are configured."""

from __future__ import annotations

import socket

import pytest
from harness.case import Case
from harness.rig import Rig
from harness.script import Conversation, Signals

from failure.conftest import StartRig

MEBIBYTE = 1 << 20
SIZE = 256 * MEBIBYTE
# Two buffers of 1 MiB, the kernel's, the allocator's reserve: far below the body.
ALLOWED = 24 * MEBIBYTE
PATIENCE = 60.0
PAUSES = range(0, SIZE, 16 * MEBIBYTE)


def watched_read(sock: socket.socket, rig: Rig, expected: int) -> int:
    """Reads `expected` bytes; every 16 MiB it stops until the proxy is stuck, and looks at its memory."""
    highest = read = 0
    pauses = iter(PAUSES)
    due = next(pauses)
    while read < expected:
        data = sock.recv(MEBIBYTE)
        assert data, f"ended after {read} bytes"
        read += len(data)
        if read >= due:
            # Some round trips through the same worker: it has filled by now whatever it is going to fill.
            for _ in range(20):
                rig.barrier()
            highest = max(highest, rig.proxy.resident_bytes())
            due = next(pauses, expected + 1)
    return highest


def test_download_past_a_slow_client(start_rig: StartRig) -> None:
    chunk = {"send": {"text": "x" * 1024, "times": SIZE // 1024}}
    case = Case(
        "large", upstream=[f"HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n", chunk], limit=PATIENCE
    )
    rig = start_rig(case)
    rig.barrier()
    before = rig.proxy.resident_bytes()
    with socket.create_connection(rig.address("main"), timeout=PATIENCE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        grown = watched_read(sock, rig, SIZE) - before
    assert grown < ALLOWED, f"grew by {grown / MEBIBYTE:.0f} MiB"


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_upload_past_a_slow_upstream(start_rig: StartRig, kind: str) -> None:
    """The upstream reads nothing until the client cannot send any more."""
    head = f"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: {SIZE}\r\n\r\n".encode()
    case = Case("upload", upstream=["accept", {"await": "stuck"}, {"receive": 1}], limit=PATIENCE)
    if kind == "tcp":
        case.filters = [{"tcp_proxy": {}}]
        head = b""
    meeting = Signals(PATIENCE)
    rig = start_rig(case)
    rig.begin(case, meeting)
    rig.barrier()
    before = rig.proxy.resident_bytes()
    with socket.create_connection(rig.address(case.listener_name), timeout=PATIENCE) as sock:
        sock.sendall(head)
        sent = send_until_stuck(sock, rig)
        grown = rig.proxy.resident_bytes() - before
        assert sent < SIZE // 2, "the upstream's standstill must reach the client"
        assert grown < ALLOWED, f"grew by {grown / MEBIBYTE:.0f} MiB"
        meeting.set("stuck")
        Conversation(sock, meeting, PATIENCE).play([{"shutdown": True}])


def send_until_stuck(sock: socket.socket, rig: Rig) -> int:
    """Sends until twenty round trips through the worker make no more room."""
    sock.setblocking(False)
    data = b"x" * MEBIBYTE
    sent = full = 0
    while full < 20 and sent < SIZE:
        try:
            sent += sock.send(data)
            full = 0
        except BlockingIOError:
            rig.barrier()
            full += 1
    return sent
