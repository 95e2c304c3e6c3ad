"""Signals: SIGTERM and SIGINT let requests in flight finish, then the process ends."""

from __future__ import annotations

import signal
import socket
import time

import pytest
from harness.case import Case
from harness.script import Conversation, Signals

from failure.conftest import StartRig

SLOW = [{"signal": "working"}, {"await": "go"}, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone"]
REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PATIENCE = 10.0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_finished(start_rig: StartRig, which: str, how: signal.Signals) -> None:
    if which == "envoy":
        pytest.skip("Envoy ends at once")
    case = Case("slow", upstream=SLOW)
    rig = start_rig(case)
    meeting = Signals(PATIENCE)
    rig.begin(case, meeting)
    with socket.create_connection(rig.address("main"), timeout=PATIENCE) as sock:
        client = Conversation(sock, meeting, PATIENCE)
        client.play([{"send": REQUEST}, {"await": "working"}])
        rig.proxy.process.send_signal(how)
        wait_until_refused(rig.address("main"))
        client.play([{"signal": "go"}, {"responses": 1}, {"eof": True}])
    assert client.received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert client.received.endswith(b"\r\n\r\ndone")
    assert b"connection: close\r\n" in client.received
    assert rig.proxy.process.wait(PATIENCE) == 0
    assert "Traceback" not in rig.proxy.output


def wait_until_refused(address: tuple[str, int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=PATIENCE).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            # It met the closing of the socket.
            continue
    pytest.fail("a draining proxy still takes connections")


def test_an_idle_proxy_ends_at_once(start_rig: StartRig) -> None:
    rig = start_rig(Case("idle"))
    began = time.monotonic()
    rig.proxy.process.send_signal(signal.SIGTERM)
    assert rig.proxy.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 3
