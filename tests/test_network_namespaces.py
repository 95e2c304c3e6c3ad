"""Listeners in network namespaces, and on IPv6 addresses that mean nothing without a zone.

Plays in a network namespace of its own, with another one made inside it. Skipped where the machine allows no
namespaces.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.proxy_process import binary

_DIRECT_RESPONSE = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"
_ADMIN, _PORT, _ZONED = 15000, 15001, 15002
# Room for the names of namespaces that nobody else sees.
_PREPARE = (
    "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip netns add inner && ip link set lo up"
    " && ip netns exec inner ip link set lo up && ip addr add fe80::1/64 dev lo"
)
_UNSHARED = ["unshare", "--net", "--mount", "sh", "-c"]
# Runs inside: starts the proxy, asks each listener, prints what was answered and what admin says.
_ASK = """
import json, os, socket, subprocess, sys, time, urllib.request
command, admin, port, zoned = json.loads(sys.argv[1])
process = subprocess.Popen(command, stdout=sys.stderr)
def ask(address, family):
    with socket.socket(family) as connection:
        connection.settimeout(10)
        connection.connect(address)
        return connection.recv(100).decode()
try:
    for _ in range(400):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=10).close()
            break
        except OSError:
            time.sleep(0.05)
    said = {"zoned": ask(("fe80::1", zoned, 0, socket.if_nametoindex("lo")), socket.AF_INET6)}
    said["outer"] = ask(("127.0.0.1", port), socket.AF_INET)
    listeners = urllib.request.urlopen(f"http://127.0.0.1:{admin}/listeners?format=json", timeout=10).read()
    inner = os.open("/run/netns/inner", os.O_RDONLY)
    import ctypes
    assert ctypes.CDLL(None).setns(inner, 0) == 0
    said["inner"] = ask(("127.0.0.1", port), socket.AF_INET)
    print(json.dumps([said, json.loads(listeners)["listener_statuses"]]))
finally:
    process.terminate()
    process.wait(20)
"""


def _listener(name: str, host: str, port: int, **options: str) -> dict[str, Any]:
    response = {"@type": _DIRECT_RESPONSE, "response": {"inline_string": name}}
    return {
        "name": name,
        "address": {"socket_address": {"address": host, "port_value": port, **options}},
        "filter_chains": [{"filters": [{"name": "answer", "typed_config": response}]}],
    }


def _bootstrap(namespace: str) -> dict[str, Any]:
    listeners = [
        _listener("inner", "127.0.0.1", _PORT, network_namespace_filepath=namespace),
        _listener("outer", "127.0.0.1", _PORT),
        _listener("zoned", "fe80::1%lo", _ZONED),
    ]
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": _ADMIN}}}
    return {"admin": admin, "static_resources": {"listeners": listeners}}


def _play(proxy: str, namespace: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = binary(proxy)
    if not Path(command[0]).exists():
        pytest.skip(f"{proxy} is not installed beside this Python")
    if subprocess.run([*_UNSHARED, _PREPARE], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces here")
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(_bootstrap(namespace)))
    command = [*command, "-c", str(file), "--concurrency", "2", "-l", "error"]
    if proxy == "envoy":
        command.append("--use-dynamic-base-id")
    question = json.dumps([command, _ADMIN, _PORT, _ZONED])
    inside = [*_UNSHARED, f'{_PREPARE} && exec "$@"', "sh", sys.executable, "-c", _ASK, question]
    return subprocess.run(inside, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize("proxy", ["ferryman", "envoy"])
def test_one_port_in_two_namespaces(proxy: str, tmp_path: Path) -> None:
    played = _play(proxy, "/run/netns/inner", tmp_path)
    assert played.returncode == 0, played.stderr
    said, statuses = json.loads(played.stdout)
    assert said == {"inner": "inner", "outer": "outer", "zoned": "zoned"}
    addresses = {status["name"]: status["local_address"]["socket_address"] for status in statuses}
    assert addresses["inner"]["network_namespace_filepath"] == "/run/netns/inner"
    assert "network_namespace_filepath" not in addresses["outer"]
    assert addresses["zoned"] == {"address": "fe80::1%1", "port_value": _ZONED}


def test_a_namespace_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    played = _play("ferryman", "/run/netns/nowhere", tmp_path)
    assert played.returncode != 0
    told = [line for line in played.stderr.splitlines() if "cannot bind" in line]
    text = "cannot bind '127.0.0.1:15001' in the network namespace '/run/netns/nowhere': No such file"
    assert len(told) == 1 and text in told[0]
