from __future__ import annotations

import json
from typing import Any

from ferryman import Options
from ferryman.admin.server_info import server_info

from admin.asking import running

NODE = "node: {id: file, cluster: file, metadata: {b: 1, a: '%STATE%'}, locality: {region: r}}"


def told(text: str = "{}", **options: Any) -> Any:
    return json.loads(server_info(running(text, Options(**options))))


def test_state_and_uptime_are_left_to_the_data_plane() -> None:
    text = server_info(running(NODE, Options(config_yaml="%UPTIME%", service_cluster="LIVE"))).decode()
    assert (text.count("%STATE%"), text.count("%UPTIME%")) == (1, 2)
    filled = json.loads(text.replace("%STATE%", "LIVE").replace("%UPTIME%", "7s"))
    assert (filled["state"], filled["uptime_current_epoch"], filled["uptime_all_epochs"]) == (
        "LIVE",
        "7s",
        "7s",
    )
    assert filled["node"]["metadata"]["a"] == "%STATE%"
    assert filled["command_line_options"]["config_yaml"] == "%UPTIME%"


def test_entries_and_their_order_are_envoys() -> None:
    info = told()
    assert list(info) == [
        "version",
        "state",
        "uptime_current_epoch",
        "uptime_all_epochs",
        "hot_restart_version",
        "command_line_options",
        "node",
        "hot_restart_initializing",
    ]
    assert info["version"].startswith("ferryman-") and info["version"].endswith("/1.40.0/Clean/RELEASE/none")
    assert info["hot_restart_version"] == "disabled" and info["hot_restart_initializing"] is False


def test_defaults_of_options() -> None:
    options = told()["command_line_options"]
    assert options.pop("log_format") == "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"
    shown = {name: value for name, value in options.items() if value not in ("", False, [], 0)}
    assert shown == {
        "base_id": "0",
        "concurrency": 2,
        "local_address_ip_version": "v4",
        "log_level": "info",
        "file_flush_interval": "10s",
        "drain_time": "600s",
        "parent_shutdown_time": "900s",
        "mode": "Serve",
        "drain_strategy": "Gradual",
        "socket_path": "@envoy_domain_socket",
    }
    assert len(options) == 38


def test_options_as_envoy_spells_them() -> None:
    options = told(
        config_path="a.yaml", mode="init_only", component_log_levels=(("http", "debug"), ("main", "off")),
        file_flush_interval_msec=1234, drain_time_s=5, parent_shutdown_time_s=7, drain_strategy="immediate",
        local_address_ip_version="v6", disabled_extensions=("a/b", "c/d"), base_id=3,
        stats_tags=(("a", "b"), ("c", "d")), cpuset_threads=True, disable_hot_restart=True,
    )["command_line_options"]  # fmt: skip
    expected = {
        "config_path": "a.yaml", "mode": "InitOnly", "component_log_level": "http:debug,main:off",
        "file_flush_interval": "1.234s", "drain_time": "5s", "parent_shutdown_time": "7s",
        "drain_strategy": "Immediate", "local_address_ip_version": "v6",
        "disabled_extensions": ["a/b", "c/d"], "base_id": "3", "stats_tag": ["a:b", "c:d"],
        "cpuset_threads": True, "disable_hot_restart": True,
    }  # fmt: skip
    assert {name: options[name] for name in expected} == expected


def test_the_command_line_wins_over_the_node_of_the_file() -> None:
    node = told(NODE, service_node="n", service_zone="z")["node"]
    assert (node["id"], node["cluster"]) == ("n", "file")
    assert node["locality"] == {"region": "r", "zone": "z", "sub_zone": ""}
    assert list(node["metadata"]) == ["a", "b"]
    assert "locality" not in told()["node"]
