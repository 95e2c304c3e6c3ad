"""Transparent interception: connections to addresses of nobody come to one listener, which hands them over.

Plays in a network namespace of its own, where a route makes a range of addresses local, as TPROXY's routing
does. Skipped where the machine allows no namespaces.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.proxy_process import binary

_TYPED = "type.googleapis.com/envoy.extensions.filters."
_ADMIN = 15000
# Runs inside the namespace: starts the proxy, asks each address, prints what was answered.
_ASK = """
import json, socket, subprocess, sys, time
command, addresses, admin = json.loads(sys.argv[1])
process = subprocess.Popen(command, stdout=sys.stderr)
try:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", admin), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    answers = []
    for host, port in addresses:
        with socket.create_connection((host, port), 5) as connection:
            connection.settimeout(5)
            answers.append(connection.recv(100).decode())
    print(json.dumps(answers))
finally:
    process.terminate()
    process.wait(10)
"""


def _listener(name: str, host: str, port: int, **options: object) -> dict[str, Any]:
    response = {
        "@type": _TYPED + "network.direct_response.v3.Config",
        "response": {"inline_string": name},
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": host, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "answer", "typed_config": response}]}],
        **options,
    }


def _bootstrap() -> dict[str, Any]:
    original = {"@type": _TYPED + "listener.original_dst.v3.OriginalDst"}
    intercepts = {
        "use_original_dst": True,
        "listener_filters": [{"name": "original_dst", "typed_config": original}],
    }
    listeners = [
        _listener("transparent", "0.0.0.0", 15001, transparent=True, **intercepts),
        _listener("not transparent", "0.0.0.0", 15002, **intercepts),
        _listener("destination", "10.9.0.7", 15001, bind_to_port=False),
        _listener("other destination", "10.9.0.7", 15002, bind_to_port=False),
    ]
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": _ADMIN}}}
    return {"admin": admin, "static_resources": {"listeners": listeners}}


EXPECTED = {
    ("10.9.0.7", 15001): "destination",
    ("10.9.0.8", 15001): "transparent",
    ("127.0.0.1", 15001): "transparent",
    ("10.9.0.7", 15002): "not transparent",
}


@pytest.mark.parametrize("proxy", ["ferryman", "envoy"])
def test_connections_go_to_the_listener_of_where_they_were_headed(proxy: str, tmp_path: Path) -> None:
    command = binary(proxy)
    if not Path(command[0]).exists():
        pytest.skip(f"{proxy} is not installed beside this Python")
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps(_bootstrap()))
    command = [*command, "-c", str(file), "--concurrency", "1", "-l", "error"]
    if proxy == "envoy":
        command.append("--use-dynamic-base-id")
    question = json.dumps([command, list(EXPECTED), _ADMIN])
    routes = "ip link set lo up && ip route add local 10.9.0.0/24 dev lo"
    if subprocess.run(["unshare", "--net", "sh", "-c", routes], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces here")
    said = subprocess.run(
        [
            "unshare",
            "--net",
            "sh",
            "-c",
            f'{routes} && exec "$@"',
            "sh",
            sys.executable,
            "-c",
            _ASK,
            question,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    assert dict(zip(EXPECTED, json.loads(said.stdout), strict=True)) == EXPECTED
