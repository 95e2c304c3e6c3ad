"""What keeps a proxy from starting leaves nothing bound; `tests/test_process.py` has the single causes."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from harness.proxy_process import binary

from failure.conftest import run_to_end, small_bootstrap


def tcp_address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def test_second_listener_in_use_leaves_the_first_unbound(which: str, tmp_path: Path) -> None:
    with socket.socket() as taken, socket.socket() as probe:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        bootstrap = small_bootstrap(address=tcp_address(free))
        listeners = bootstrap["static_resources"]["listeners"]
        listeners.append({**listeners[0], "name": "b", "address": tcp_address(taken.getsockname()[1])})
        code, said = run_to_end(which, bootstrap, tmp_path)
        assert code == 1, said
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", free), timeout=2)


def test_configuration_file_that_is_not_there(which: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    command = [*binary(which), "-c", str(missing)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1
    assert str(missing) in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_every_error_is_told_and_nothing_is_bound(which: str, tmp_path: Path) -> None:
    if which == "envoy":
        pytest.skip("Envoy tells the first error only")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    admin_file = tmp_path / "admin"
    text = f"""\
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
static_resources:
  clusters:
  - name: up
    connect_timeut: 1s
  - name: up2
    lb_policy: ROUND_ROBBIN
  listeners:
  - name: a
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          cluster: up
"""
    code, said = run_to_end(which, text, tmp_path, "--admin-address-path", str(admin_file))
    assert code == 1
    for part in (
        ":5:",
        "connect_timeut",
        "connect_timeout",
        ":7:",
        "ROUND_ROBBIN",
        "ROUND_ROBIN",
        "stat_prefix",
    ):
        assert part in said, f"{part!r} is missing in\n{said}"
    assert "Traceback" not in said
    assert not admin_file.exists()
