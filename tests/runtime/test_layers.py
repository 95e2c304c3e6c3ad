"""What a running proxy makes of its runtime: values from files and from admin change requests at once."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ferryman import Proxy

CONFIG = """
node: {id: a, cluster: shop}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
layered_runtime:
  layers:
  - {name: base, static_layer: {take: 0}}
  - {name: files, disk_layer: {symlink_root: FOLDER/current, subdirectory: envoy}}
  - {name: own, disk_layer: {symlink_root: FOLDER/current, subdirectory: own, append_service_cluster: true}}
  - {name: admin, admin_layer: {}}
static_resources:
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": MANAGER
          stat_prefix: web
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /, runtime_fraction: {default_value: {numerator: 0}, runtime_key: take}}
                direct_response: {status: 202}
              - {match: {prefix: /}, direct_response: {status: 200}}
"""


MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)


def ask(address: str | None, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(address or "")
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def swap(folder: Path, version: str, **files: str) -> None:
    """A new folder of files takes the place of the former one, as Envoy's page tells to do it."""
    for name, text in files.items():
        path = folder / version / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / version).mkdir(exist_ok=True)
    os.symlink(folder / version, folder / "new")
    os.rename(folder / "new", folder / "current")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    swap(tmp_path, "v0", envoy__other="# a comment\n5\n")
    with Proxy.from_yaml(CONFIG.replace("FOLDER", str(tmp_path)).replace("MANAGER", MANAGER)) as proxy:
        yield proxy


def status(proxy: Proxy) -> int:
    return ask(proxy.listener_addresses["web"][0], "/")[0]


def runtime(proxy: Proxy) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(ask(proxy.admin_address, "/runtime")[1])
    return shown


def counted(proxy: Proxy, name: str) -> int:
    return int(ask(proxy.admin_address, f"/stats?filter=^runtime.{name}$")[1].split()[-1])


def wait_for(condition: Callable[[], bool]) -> None:
    """The file system tells of a change a little later; pytest's own time limit ends a wait for nothing."""
    while not condition():
        os.sched_yield()


def test_admin_overrides_and_takes_back(proxy: Proxy) -> None:
    assert status(proxy) == 200
    assert ask(proxy.admin_address, "/runtime_modify?take=100", "POST") == (200, "OK\n")
    assert status(proxy) == 202
    assert runtime(proxy)["entries"]["take"] == {"layer_values": ["0", "", "100"], "final_value": "100"}
    assert counted(proxy, "admin_overrides_active") == 1
    assert ask(proxy.admin_address, "/runtime_modify?take=", "POST") == (200, "OK\n")
    assert status(proxy) == 200
    assert counted(proxy, "admin_overrides_active") == 0


def test_what_cannot_be_read_changes_nothing(proxy: Proxy) -> None:
    refused, text = ask(proxy.admin_address, "/runtime_modify?take=100&other=%5B1,2", "POST")
    assert refused == 503 and "does not end" in text
    assert status(proxy) == 200


def test_files_are_read_when_the_link_is_replaced(proxy: Proxy, tmp_path: Path) -> None:
    assert runtime(proxy)["layers"] == ["base", "files", "admin"]
    assert runtime(proxy)["entries"]["other"]["final_value"] == "5"
    assert counted(proxy, "override_dir_exists") == 0
    swap(tmp_path, "v1", envoy__take="100", own__shop__take="0", own__shop__deep__er="x")
    wait_for(lambda: counted(proxy, "load_success") >= 4)
    assert runtime(proxy)["layers"] == ["base", "files", "own", "admin"]
    assert runtime(proxy)["entries"]["take"] == {"layer_values": ["0", "100", "0", ""], "final_value": "0"}
    assert runtime(proxy)["entries"]["deep.er"]["final_value"] == "x"
    assert status(proxy) == 200
    assert counted(proxy, "override_dir_exists") == 2, "once for each layer that is watched, as in Envoy"
    swap(tmp_path, "v2", envoy__take="numerator: 1000000\ndenominator: MILLION\n")
    wait_for(lambda: counted(proxy, "load_success") >= 6)
    assert status(proxy) == 202
    assert counted(proxy, "num_keys") == 1


def test_a_folder_that_cannot_be_read_is_left_out(proxy: Proxy, tmp_path: Path) -> None:
    swap(tmp_path, "v1", envoy__take="[1,")
    wait_for(lambda: counted(proxy, "load_error") >= 2)
    assert runtime(proxy)["layers"] == ["base", "admin"]
    assert status(proxy) == 200
    ask(proxy.admin_address, "/runtime_modify?take=100", "POST")
    swap(tmp_path, "v2")
    wait_for(lambda: counted(proxy, "load_success") >= 4)
    assert status(proxy) == 202, "what admin set stays"
