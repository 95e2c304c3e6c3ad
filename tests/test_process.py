"""Ferryman as a process: how it starts, what it costs, how it fails, how it ends."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FERRYMAN = [sys.executable, "-m", "ferryman"]
LIMIT_S = 30.0
MAX_READY_CPU_S = 1.0
"""Of processor time, so that a busy machine does not matter. The target is 0.3 s."""
MAX_IDLE_MIB = 45.0


def bootstrap(port: int = 0, **more: Any) -> dict[str, Any]:
    """A proxy that answers every request by itself."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "h",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
        **more,
    }
    listener = {
        "name": "l",
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return {"admin": {"address": address(0)}, "static_resources": {"listeners": [listener]}}


def address(port: int, ip: str = "127.0.0.1") -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


class Running:
    """A process that is ready."""

    def __init__(self, process: subprocess.Popen[str], admin: str) -> None:
        self.process, self.admin = process, admin

    def page(self, path: str, method: str = "GET") -> str:
        request = urllib.request.Request(f"http://{self.admin}{path}", method=method)
        with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
            text: str = response.read().decode()
            return text

    def listener(self) -> tuple[str, int]:
        (status,) = json.loads(self.page("/listeners?format=json"))["listener_statuses"]
        bound = status["local_address"]["socket_address"]
        return bound["address"], int(bound["port_value"])

    def status_of_a_request(self) -> int:
        host, port = self.listener()
        with urllib.request.urlopen(f"http://{host}:{port}/", timeout=LIMIT_S) as response:
            return int(response.status)

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Exit code and what was printed on standard error."""
        self.process.send_signal(how)
        _, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, err


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_with(configuration: dict[str, Any], *flags: str, program: list[str] | None = None) -> Running:
        (tmp_path / "e.json").write_text(json.dumps(configuration))
        file = tmp_path / f"admin-{len(started)}"
        command = [*(program or FERRYMAN), "-c", str(tmp_path / "e.json"), "--concurrency", "1", "-l", "warn"]
        process = subprocess.Popen(
            [*command, "--admin-address-path", str(file), *flags],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            if file.exists() and (text := file.read_text()):
                running = Running(process, text)
                with contextlib.suppress(OSError):
                    if running.page("/ready") == "LIVE\n":
                        return running
        pytest.fail(f"not ready: {process.communicate(timeout=LIMIT_S)[1] if process.poll() else 'hangs'}")

    yield start_with
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(configuration: dict[str, Any], folder: Path, *flags: str, **arguments: Any) -> tuple[int, str]:
    """Exit code and standard error of a process that must end by itself."""
    (folder / "e.json").write_text(json.dumps(configuration))
    command = [*FERRYMAN, "-c", str(folder / "e.json"), "--concurrency", "1", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, **arguments)
    assert done.stdout == ""
    return done.returncode, done.stderr


def memory_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kib,) = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return kib / 1024


def test_it_serves(start: Start) -> None:
    assert start(bootstrap()).status_of_a_request() == 200


def cpu_seconds(pid: int) -> float:
    """What the process has used so far, in user and kernel mode."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in after_name[11:13]) / os.sysconf("SC_CLK_TCK")


def test_start_and_idle_memory_are_small(start: Start) -> None:
    running = start(bootstrap())
    assert 0 < cpu_seconds(running.process.pid) < MAX_READY_CPU_S
    assert memory_mib(running.process.pid) < MAX_IDLE_MIB


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_well(how: signal.Signals, start: Start) -> None:
    running = start(bootstrap())
    assert running.status_of_a_request() == 200
    assert running.end(how)[0] == 0


def test_hangup_is_ignored(start: Start) -> None:
    running = start(bootstrap())
    running.process.send_signal(signal.SIGHUP)
    assert running.status_of_a_request() == 200


def test_quitquitquit_ends_it_well(start: Start) -> None:
    running = start(bootstrap())
    assert running.page("/quitquitquit", "POST") == "OK\n"
    assert running.process.wait(LIMIT_S) == 0


def access_log_to(path: Path) -> list[dict[str, Any]]:
    typed = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    return [{"name": "file", "typed_config": {"@type": typed, "path": str(path)}}]


def test_usr1_reopens_logs(start: Start, tmp_path: Path) -> None:
    log, moved = tmp_path / "access.log", tmp_path / "moved.log"
    running = start(bootstrap(access_log=access_log_to(log)), "--file-flush-interval-msec", "10")
    running.status_of_a_request()
    await_lines(log, 1)
    log.rename(moved)
    running.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + LIMIT_S
    while not log.exists() and time.monotonic() < deadline:
        running.status_of_a_request()
    assert log.exists()


def test_usr1_reopens_logs_also_during_a_drain(start: Start, tmp_path: Path) -> None:
    log, moved = tmp_path / "access.log", tmp_path / "moved.log"
    running = start(bootstrap(access_log=access_log_to(log)), "--file-flush-interval-msec", "10")
    address = running.listener()
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n")
        await_lines(log, 1)
        log.rename(moved)
        running.process.send_signal(signal.SIGTERM)
        await_refusal(address)
        running.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + LIMIT_S
        while not log.exists() and time.monotonic() < deadline:
            assert running.process.poll() is None
        client.sendall(b"host: a\r\n\r\n")
        assert running.process.wait(LIMIT_S) == 0
    assert len(log.read_text().splitlines()) == len(moved.read_text().splitlines()) == 1


def await_refusal(address: tuple[str, int]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=LIMIT_S).close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it met the closing of the socket
            return
    pytest.fail(f"{address} still accepts")


def await_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if path.exists() and len(path.read_text().splitlines()) >= count:
            return
    pytest.fail(f"{path} has not {count} lines")


def assert_one_clear_line(ended: tuple[int, str], *words: str) -> None:
    code, err = ended
    assert code == 1, err
    assert err.count("\n") == 1, err
    assert "Traceback" not in err and "panicked" not in err
    for word in words:
        assert word in err


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_one_clear_line(run(bootstrap(port), tmp_path, "-l", "off"), f"127.0.0.1:{port}", "in use")


def test_a_port_that_another_proxy_has(start: Start, tmp_path: Path) -> None:
    port = start(bootstrap()).listener()[1]
    for word in ("another process listens there", f"cannot bind '127.0.0.1:{port}'"):
        assert_one_clear_line(run(bootstrap(port), tmp_path, "-l", "off"), word)
    everywhere = bootstrap(port)
    everywhere["static_resources"]["listeners"][0]["address"] = address(port, "0.0.0.0")
    assert_one_clear_line(run(everywhere, tmp_path, "-l", "off"), f"0.0.0.0:{port}", "in use")


def test_a_hot_restart_shares_the_port(start: Start) -> None:
    first = start(bootstrap())
    second = start(bootstrap(first.listener()[1]), "--restart-epoch", "1")
    assert second.listener() == first.listener()
    assert first.end(signal.SIGTERM)[0] == 0
    assert second.status_of_a_request() == 200


def test_two_listeners_of_one_proxy_may_share_a_port(start: Start) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = bootstrap(port)
    listeners = configuration["static_resources"]["listeners"]
    listeners.append(listeners[0] | {"name": "everywhere", "address": address(port, "0.0.0.0")})
    running = start(configuration)
    assert len(json.loads(running.page("/listeners?format=json"))["listener_statuses"]) == 2


def test_an_admin_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configuration = bootstrap() | {"admin": {"address": address(port)}}
        assert_one_clear_line(run(configuration, tmp_path, "-l", "off"), f"127.0.0.1:{port}", "in use")


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    configuration = bootstrap()
    configuration["admin"]["address"]["socket_address"]["address"] = "192.0.2.1"
    assert_one_clear_line(run(configuration, tmp_path, "-l", "off"), "192.0.2.1:0")


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    assert_one_clear_line(run(bootstrap(), tmp_path, "--log-path", "/nowhere/log"), "/nowhere/log")


def test_an_access_log_that_cannot_be_opened(tmp_path: Path) -> None:
    configuration = bootstrap(access_log=access_log_to(Path("/nowhere/access.log")))
    code, err = run(configuration, tmp_path, "-l", "off")
    assert code == 1 and "Traceback" not in err
    # A place in the configuration, so the line is followed by an excerpt.
    assert err.count(": error: ") == 1
    assert "cannot open /nowhere/access.log: there is no folder /nowhere" in err.splitlines()[0]


def test_an_access_log_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o555)
    configuration = bootstrap(access_log=access_log_to(folder / "access.log"))
    code, err = run(configuration, tmp_path, "-l", "off", preexec_fn=mind_file_modes)
    assert code == 1 and err.count(": error: ") == 1
    assert f"cannot open {folder}/access.log: permission denied" in err.splitlines()[0]


def mind_file_modes() -> None:
    """Takes CAP_DAC_OVERRIDE from what is executed next; only root has it."""
    pr_capbset_drop, cap_dac_override = 24, 1
    ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0)


def test_too_few_descriptors(tmp_path: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    assert_one_clear_line(run(bootstrap(), tmp_path, preexec_fn=few), "too few file descriptors", "60")


def test_a_bad_configuration_binds_nothing(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = bootstrap(port, stat_prefix=7, bogus=1)
    code, err = run(configuration, tmp_path)
    assert code == 1
    assert err.count(": error: ") == 2 and "Traceback" not in err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_init_only_binds_and_ends(tmp_path: Path) -> None:
    assert run(bootstrap(), tmp_path, "--mode", "init_only", "-l", "error") == (0, "")


STUCK = """
import ctypes, sys, threading
from ferryman import cli
def hold_the_gil():
    sys.stdin.readline()
    print("stuck", flush=True)
    ctypes.PyDLL(None).sleep(30)
threading.Thread(target=hold_the_gil, daemon=True).start()
cli.main(sys.argv[1:])
"""


def test_traffic_goes_on_while_python_is_stuck(start: Start, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    running = start(bootstrap(), program=[sys.executable, str(tmp_path / "stuck.py")])
    host, port = running.listener()
    assert running.process.stdin is not None and running.process.stdout is not None
    running.process.stdin.write("now\n")
    running.process.stdin.flush()
    assert running.process.stdout.readline() == "stuck\n"
    before = time.monotonic()
    for _ in range(20):
        with urllib.request.urlopen(f"http://{host}:{port}/", timeout=5) as response:
            assert response.status == 200
    assert running.page("/ready") == "LIVE\n"
    assert "server.live: 1" in running.page("/stats")
    assert running.page("/clusters") == ""
    assert time.monotonic() - before < 10


DROPPED = """
import socket, sys
from ferryman import Proxy
proxy, at_exit = Proxy.from_file(sys.argv[1]), Proxy.from_file(sys.argv[1])
proxy.start()
at_exit.start()
host, port = proxy.listener_addresses["l"][0].split(":")
socket.create_connection((host, int(port)), 5).close()
del proxy
try:
    socket.create_connection((host, int(port)), 5)
except ConnectionRefusedError:
    print("closed")
"""


def test_a_proxy_that_nobody_holds_any_more_is_closed(tmp_path: Path) -> None:
    configuration = tmp_path / "proxy.json"
    configuration.write_text(json.dumps(bootstrap()))
    command = [sys.executable, "-c", DROPPED, str(configuration)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.returncode) == ("closed\n", 0), ended.stderr


def test_the_log_of_the_process_as_json(start: Start) -> None:
    """A pattern of the configuration, in which the message stands as JSON text."""
    log_format = {"json_format": {"level": "%l", "message": "%j", "n": [1]}}
    configuration = bootstrap()
    configuration["application_log_config"] = {"log_format": log_format}
    running = start(configuration, "--component-log-level", "http:debug,main:info")
    assert running.status_of_a_request() == 200
    code, err = running.end(signal.SIGTERM)
    lines = [json.loads(line) for line in err.splitlines()]
    assert code == 0
    assert "debug" in {line["level"] for line in lines}
    assert all(list(line) == ["level", "message", "n"] and line["n"] == [1] for line in lines)
