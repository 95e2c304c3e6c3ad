"""Runs an example: the commands of its README against a proxy on its `ferryman.yaml`.

Owns reading the README (`console` blocks: `$ ` and a command, then what comes, `…` for anything; `log`
blocks: lines that the proxy must print) and the few commands that stand there: curl, and echo into nc.
"""

from __future__ import annotations

import re
import shlex
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ferryman.demo.free_ports import free_ports, port_values, with_ports
from ferryman.demo.sample_upstreams import upstreams_for

from harness.proxy_process import REPOSITORY, ProxyProcess

EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/ferryman.yaml"))
LOG_LIMIT_S = 10.0


@dataclass(frozen=True)
class Command:
    """A command of a README and the lines that must come."""

    line: str
    expected: list[str] = field(default_factory=list)


def commands_of(readme: str) -> list[Command]:
    """The commands of all `console` blocks, in order."""
    commands: list[Command] = []
    for block in re.findall(r"```console\n(.*?)```", readme, re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append(Command(line[2:]))
            else:
                commands[-1].expected.append(line)
    return commands


def log_lines_of(readme: str) -> list[str]:
    """The lines of all `log` blocks."""
    return [line for block in re.findall(r"```log\n(.*?)```", readme, re.S) for line in block.splitlines()]


def matches(expected: list[str], lines: list[str]) -> bool:
    """Whether these are the expected lines; a line `…` is any number of lines, in a line it is any text."""
    pieces = ["(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in expected]
    return re.fullmatch("".join(pieces), "".join(line + "\n" for line in lines)) is not None


class RunningExample:
    """The proxy of an example, on free ports, with a sample upstream at every endpoint."""

    def __init__(self, folder: Path, which: str, directory: Path) -> None:
        configuration = yaml.safe_load((folder / "ferryman.yaml").read_text())
        self._moved = free_ports(port_values(configuration))
        moved = with_ports(configuration, self._moved)
        moved.setdefault("admin", {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}})
        moved = _with_folder(moved, directory)
        self._directory = directory
        self._upstreams = upstreams_for(moved)
        self._upstreams.__enter__()
        try:
            self._proxy = ProxyProcess(which, moved, directory, [])
        except BaseException:
            self._upstreams.__exit__(None, None, None)
            raise

    def close(self) -> None:
        """Ends the proxy and the upstreams."""
        self._proxy.stop()
        self._upstreams.__exit__(None, None, None)

    def run(self, command: Command) -> list[str]:
        """The lines that the command prints."""
        words = shlex.split(command.line)
        if words[0] == "curl":
            text = self._curl(words[1:])
        elif words[0] == "echo" and words[2:4] == ["|", "nc"]:
            text = self._echo(words[1], int(words[-1]))
        else:
            raise ValueError(f"the README has a command that cannot be run here: {command.line}")
        for before, now in self._moved.items():
            text = text.replace(f":{now}", f":{before}")
        return text.replace("\r", "").splitlines()

    def await_log_lines(self, lines: list[str]) -> list[str]:
        """The lines that the proxy does not print, within a limit."""
        deadline = time.monotonic() + LOG_LIMIT_S
        missing = lines
        while missing and time.monotonic() < deadline:
            printed = self._proxy.output.splitlines()
            missing = [line for line in lines if line not in printed]
        return missing

    def _echo(self, text: str, port: int) -> str:
        with socket.create_connection(("127.0.0.1", self._moved[port]), 10) as connection:
            connection.sendall(text.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            return _until_closed(connection).decode()

    def _curl(self, words: list[str]) -> str:
        headers, head, unix_socket, url = {"user-agent": "curl", "accept": "*/*"}, False, "", ""
        rest = iter(words)
        for word in rest:
            if word in ("-s", "-si"):
                head = head or "i" in word
            elif word == "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            elif word == "--unix-socket":
                unix_socket = next(rest)
            elif word.startswith("-"):
                raise ValueError(f"the README gives curl a flag that cannot be run here: {word}")
            else:
                url = word.removeprefix("http://")
        authority, slash, path = url.partition("/")
        if unix_socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(self._directory / unix_socket))
        else:
            port = int(authority.rpartition(":")[2])
            connection = socket.create_connection(("127.0.0.1", self._moved[port]), 10)
            authority = authority.replace(str(port), str(self._moved[port]))
        lines = [f"GET {slash or '/'}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in ({"host": authority} | headers).items()]
        with connection:
            connection.sendall("\r\n".join([*lines, "connection: close", "", ""]).encode())
            answer = _until_closed(connection).decode()
        answered_head, _, body = answer.partition("\r\n\r\n")
        if "transfer-encoding: chunked" in answered_head.lower():
            body = _unchunked(body)
        return f"{answered_head}\n\n{body}" if head else body


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
    return received


def _unchunked(body: str) -> str:
    whole, rest = "", body
    while rest:
        size, _, rest = rest.partition("\r\n")
        length = int(size, 16)
        whole, rest = whole + rest[:length], rest[length + 2 :]
    return whole


def _with_folder(configuration: Any, directory: Path) -> Any:
    """Unix sockets with relative paths, moved below the directory."""
    if isinstance(configuration, list):
        return [_with_folder(item, directory) for item in configuration]
    if not isinstance(configuration, dict):
        return configuration
    return {
        key: {**value, "path": str(directory / value["path"])}
        if key == "pipe"
        else _with_folder(value, directory)
        for key, value in configuration.items()
    }
