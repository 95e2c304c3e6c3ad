"""Programs of the benchmark: pinned to a CPU, awaited, ended."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START_LIMIT_S = 60


class BenchError(Exception):
    """A program of the benchmark did not do its part; the text says which and why."""


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, folder: Path, *, cpu: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    """The program while it runs at `port`, pinned to `cpu`. Raises BenchError if it does not start."""
    log = folder / f"{Path(command[0]).name}-{port}.log"
    pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned, *command],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _await_port(process, port, log)
        yield process
    finally:
        _end(process)


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip()[-500:]
            raise BenchError(f"{process.args!r} ended with {process.returncode}: {said}")
        time.sleep(0.01)
    raise BenchError(f"{process.args!r} did not listen at {port} within {START_LIMIT_S} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
