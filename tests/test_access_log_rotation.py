"""Access logs that are rotated while traffic goes on: no line is lost, none is torn."""

from __future__ import annotations

import re
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from test_process import LIMIT_S, Running, Start, bootstrap, start

__all__ = ["start"]

CLIENTS, REQUESTS, ROTATIONS = 3, 400, 8
LINE = re.compile(r"<(\d+)/(\d+) x{200}>")


def logged(path: Path) -> dict[str, Any]:
    """A proxy with a line of more than 200 bytes for each request."""
    log = {
        "name": "file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"text_format_source": {"inline_string": f"<%REQ(X-N)% {'x' * 200}>\n"}},
        },
    }
    return bootstrap(access_log=[log])


def send(address: tuple[str, int], client: int, done: list[int]) -> None:
    """All requests of a client, one after the other on one connection."""
    with socket.create_connection(address, timeout=LIMIT_S) as connection:
        for number in range(REQUESTS):
            connection.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nX-N: {client}/{number}\r\n\r\n".encode())
            while b"\r\n\r\n" not in connection.recv(4096):
                pass
            done[client] = number + 1


def rotate_while(clients: list[threading.Thread], running: Running, log: Path, way: str) -> None:
    """Moves the file away and has it opened anew, each time that some more requests are through."""
    count = 0
    while any(client.is_alive() for client in clients) or count < ROTATIONS:
        log.rename(log.with_name(f"log.{count}"))
        count += 1
        if way == "signal":
            running.process.send_signal(signal.SIGUSR1)
        else:
            running.page("/reopen_logs", "POST")
        while not log.exists():
            running.page("/ready")


@pytest.mark.parametrize("way", ["signal", "admin"])
@pytest.mark.parametrize("size_kb", [1, 64])
def test_no_line_is_lost_or_torn(way: str, size_kb: int, start: Start, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    log.parent.mkdir()
    flags = ("--file-flush-interval-msec", "20", "--file-flush-min-size-kb", str(size_kb))
    running = start(logged(log), *flags)
    done = [0] * CLIENTS
    clients = [
        threading.Thread(target=send, args=(running.listener(), client, done)) for client in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    rotate_while(clients, running, log, way)
    for client in clients:
        client.join(LIMIT_S)
    assert done == [REQUESTS] * CLIENTS
    code, err = running.end(signal.SIGTERM)
    assert (code, err) == (0, "")
    lines = [line for file in log.parent.iterdir() for line in file.read_text().splitlines()]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), "a line is torn"
    told = sorted((int(match[1]), int(match[2])) for match in found if match)
    assert told == [(client, number) for client in range(CLIENTS) for number in range(REQUESTS)]


def test_a_device_that_is_full_is_counted_and_stops_nobody(start: Start) -> None:
    flags = ("--file-flush-interval-msec", "5", "--file-flush-min-size-kb", "1")
    running = start(logged(Path("/dev/full")), *flags)
    done = [0]
    send(running.listener(), 0, done)
    assert done == [REQUESTS]
    deadline_page = "/stats?filter=^filesystem.write_failed"
    while int(running.page(deadline_page).split(": ")[1]) == 0:
        pass
    assert int(running.page("/stats?filter=^filesystem.write_completed").split(": ")[1]) == 0
