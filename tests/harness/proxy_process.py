"""A proxy started as a process: Envoy or Ferryman, with the same flags.

Owns: the process, its files and asking its admin listener. Does not own configurations (`bootstrap`)
nor upstreams (`rig`).
"""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

REPOSITORY = Path(__file__).resolve().parents[2]
START_LIMIT = 20.0


class StartError(Exception):
    """The proxy ended instead of getting ready; the text is what it said."""

    @property
    def not_supported(self) -> str:
        """What Ferryman refuses by name because it is not built yet; empty if anything else is wrong too."""
        errors = [line.partition(": error: ")[2] for line in str(self).splitlines() if ": error: " in line]
        is_all = errors and all(error.endswith(" is not supported yet") for error in errors)
        return "; ".join(error.rpartition(": ")[2] for error in errors) if is_all else ""


def binary(which: str) -> list[str]:
    """Command line of the proxy `envoy` or `ferryman`; FERRYMAN_ENVOY and FERRYMAN_BINARY override."""
    beside = Path(sys.executable).parent
    if which == "envoy":
        return [os.environ.get("FERRYMAN_ENVOY", str(beside / "envoy"))]
    return [os.environ.get("FERRYMAN_BINARY", str(beside / "ferryman"))]


def limit_descriptors(count: int) -> None:
    """Sets RLIMIT_NOFILE of this process, for good."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


class ProxyProcess:
    """One running proxy with one worker and its admin listener on a free port."""

    def __init__(
        self,
        which: str,
        bootstrap: dict[str, Any],
        directory: Path,
        flags: list[str],
        descriptors: int | None = None,
    ) -> None:
        """Starts it and waits until it is ready; `descriptors` limits its RLIMIT_NOFILE."""
        self.which = which
        self.config = directory / f"{which}.json"
        self.config.write_text(json.dumps(bootstrap, indent=1))
        self._admin_file = directory / f"{which}.admin"
        self._output = directory / f"{which}.out"
        workers = [] if "--concurrency" in flags else ["--concurrency", "1"]
        flush = [] if "--file-flush-interval-msec" in flags else ["--file-flush-interval-msec", "1"]
        command = [
            *binary(which), "-c", str(self.config), *workers, "-l", "error",
            "--admin-address-path", str(self._admin_file), "--disable-hot-restart",
            *flush, *flags,
        ]  # fmt: skip
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=directory,
                preexec_fn=partial(limit_descriptors, descriptors) if descriptors else None,
            )
        self.admin_address = self._wait_until_ready()

    @property
    def output(self) -> str:
        """What the proxy printed."""
        return self._output.read_text(errors="replace")

    def _wait_until_ready(self) -> tuple[str, int]:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise StartError(f"{self.which} ended with {self.process.returncode}:\n{self.output}")
            text = self._admin_file.read_text() if self._admin_file.exists() else ""
            if ":" in text:
                host, _, port = text.strip().rpartition(":")
                self.admin_address = (host, int(port))
                try:
                    if self.admin("/ready")[0] == 200:
                        return self.admin_address
                except OSError:
                    pass
            time.sleep(0.01)
        self.stop(signal.SIGKILL)
        raise StartError(f"{self.which} was not ready after {START_LIMIT} s:\n{self.output}")

    def admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of an admin page."""
        connection = http.client.HTTPConnection(*self.admin_address, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", errors="replace")
        finally:
            connection.close()

    def listeners(self) -> dict[str, tuple[str, int] | str]:
        """Address of every listener by name: (host, port), or the path of a Unix socket."""
        found: dict[str, tuple[str, int] | str] = {}
        for status in json.loads(self.admin("/listeners?format=json")[1])["listener_statuses"]:
            address = status.get("local_address", {})
            if "pipe" in address:
                found[status["name"]] = address["pipe"]["path"]
            elif "socket_address" in address:
                found[status["name"]] = (
                    address["socket_address"]["address"],
                    int(address["socket_address"]["port_value"]),
                )
        return found

    def stats(self, pattern: str = "") -> dict[str, int]:
        """All counters and gauges that were ever set and whose names have `pattern` in them."""
        values: dict[str, int] = {}
        for line in self.admin(f"/stats?usedonly&filter={quote(pattern)}")[1].splitlines():
            name, _, value = line.partition(": ")
            if value.lstrip("-").isdigit():
                values[name] = int(value)
        return values

    def resident_bytes(self) -> int:
        """Memory in use now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process and wait; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        return int(self.process.returncode)
