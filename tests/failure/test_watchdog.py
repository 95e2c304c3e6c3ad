"""Threads that are stuck are noticed, and end the process where the configuration asks for that."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.proxy_process import ProxyProcess, binary

from failure.stopped_thread import stopped, threads

_LIMIT = 30.0
_ADMIN = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
# What the thread that Envoy calls the main one is here.
_NAMES = {
    "envoy": {"main": "envoy", "worker": "wrk:worker_"},
    "ferryman": {"main": "control", "worker": "worker_"},
}
_ABORT = {
    "name": "abort",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.watchdog.v3.AbortActionConfig",
        "wait_duration": "1s",
    },
}


@contextmanager
def _running(which: str, watchdogs: dict[str, Any], folder: Path) -> Iterator[ProxyProcess]:
    if not Path(binary(which)[0]).exists():
        pytest.skip(f"{which} is not installed beside this Python")
    bootstrap = {"admin": _ADMIN, "watchdogs": watchdogs}
    proxy = ProxyProcess(which, bootstrap, folder, ["--concurrency", "3"])
    try:
        yield proxy
    finally:
        proxy.stop(signal.SIGKILL)


def _stop(stack: ExitStack, proxy: ProxyProcess, names: list[str]) -> None:
    known = threads(proxy.process.pid)
    for name in names:
        try:
            stack.enter_context(stopped(known[name]))
        except PermissionError:
            pytest.skip("threads cannot be stopped here: no ptrace")


def _wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)  # what is waited for is the time that passes


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
def test_a_worker_that_is_stuck_is_counted(which: str, tmp_path: Path) -> None:
    with _running(which, {}, tmp_path) as proxy:
        with ExitStack() as stack:
            _stop(stack, proxy, [_NAMES[which]["worker"] + "1"])
            _wait_for(lambda: proxy.stats("watchdog").get("workers.watchdog_mega_miss", 0))
            misses = proxy.stats("watchdog")
        assert {name for name in misses if "worker_1" in name} == {
            "server.worker_1.watchdog_mega_miss",
            "server.worker_1.watchdog_miss",
        }
        assert misses["workers.watchdog_miss"] >= misses["server.worker_1.watchdog_miss"] >= 1


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
def test_the_main_thread_is_watched_as_well(which: str, tmp_path: Path) -> None:
    # It cannot be asked while it stands still, so it must stand still for longer than both timeouts.
    timeouts = {"miss_timeout": "0.02s", "megamiss_timeout": "0.04s"}
    with _running(which, {"main_thread_watchdog": timeouts}, tmp_path) as proxy:
        with ExitStack() as stack:
            _stop(stack, proxy, [_NAMES[which]["main"]])
            time.sleep(0.5)  # nothing tells when the watchdog has looked
        misses = proxy.stats("watchdog")
        assert misses["main_thread.watchdog_miss"] >= 1
        assert misses["server.main_thread.watchdog_mega_miss"] >= 1


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
@pytest.mark.parametrize(
    ("options", "workers"),
    [
        pytest.param({"kill_timeout": "2s", "max_kill_timeout_jitter": "0.01s"}, "0", id="kill"),
        pytest.param({"multikill_timeout": "2s"}, "02", id="multikill"),
        pytest.param({"actions": [{"event": "MEGAMISS", "config": _ABORT}]}, "0", id="abort"),
    ],
)
def test_the_process_ends(which: str, options: dict[str, Any], workers: str, tmp_path: Path) -> None:
    options = {"megamiss_timeout": "2s", **options}
    with _running(which, {"worker_watchdog": options}, tmp_path) as proxy, ExitStack() as stack:
        _stop(stack, proxy, [_NAMES[which]["worker"] + worker for worker in workers])
        # It is not gone as long as a debugger holds threads of it; its other threads are, but for the first.
        pid = proxy.process.pid
        _wait_for(lambda: len(threads(pid)) <= len(workers) + 1)
        stack.close()
        proxy.process.wait(_LIMIT)
        assert proxy.process.returncode == -signal.SIGABRT


@pytest.mark.parametrize("which", ["ferryman", "envoy"])
def test_one_of_three_is_not_several(which: str, tmp_path: Path) -> None:
    with _running(which, {"worker_watchdog": {"multikill_timeout": "0.3s"}}, tmp_path) as proxy:
        with ExitStack() as stack:
            _stop(stack, proxy, [_NAMES[which]["worker"] + "0"])
            _wait_for(lambda: proxy.stats("watchdog").get("workers.watchdog_mega_miss", 0))
        assert proxy.process.poll() is None
