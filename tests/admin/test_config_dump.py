"""What the golden files do not show: secrets, the order of things, times, several connection managers."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from ferryman.admin.config_sections import _HTTP_CONNECTION_MANAGER, sections
from ferryman.admin.node import built_extensions

from admin.asking import ask, running


def dump(text: str, query: str = "") -> list[Any]:
    status, content_type, body = ask(running(text), f"/config_dump?{query}")
    assert (status, content_type) == (200, "application/json")
    configs: list[Any] = json.loads(body).get("configs", [])
    return configs


def names(configs: list[Any]) -> list[str]:
    return [config["@type"].rpartition(".")[2] for config in configs]


def chain(route: str) -> dict[str, Any]:
    """A chain with a connection manager, whose route configuration has that name; "" for none."""
    typed_config: dict[str, Any] = {
        "@type": f"type.googleapis.com/{_HTTP_CONNECTION_MANAGER}",
        "stat_prefix": "x",
    }
    if route:
        typed_config["route_config"] = {"name": route}
    return {"filters": [{"name": "http", "typed_config": typed_config}]}


def listener(*routes: str, last: str = "") -> str:
    """A listener with a chain for each route configuration."""
    made: dict[str, Any] = {"filter_chains": [chain(route) for route in routes]}
    if last:
        made["default_filter_chain"] = chain(last)
    return json.dumps({"static_resources": {"listeners": [made]}})


def test_empty_sections_are_shown_and_route_sections_only_with_a_connection_manager() -> None:
    always = ["BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "SecretsConfigDump"]
    assert names(dump("{}")) == names(dump("{}", "include_eds")) == always
    with_routes = [*always[:3], "ScopedRoutesConfigDump", "RoutesConfigDump", always[3]]
    assert names(dump(listener(""))) == with_routes
    assert "static_route_configs" not in dump(listener(""))[4]


def test_the_routes_of_every_connection_manager() -> None:
    found = dump(listener("one", "", "two", last="three"), "resource=static_route_configs")
    assert [config["route_config"]["name"] for config in found] == ["one", "two", "three"]


def test_clusters_stand_by_name_and_listeners_as_written() -> None:
    text = "static_resources: {%s: [{name: z}, {name: _}, {name: a10}, {name: a9}, {name: B}]}"
    clusters = dump(text % "clusters", "resource=static_clusters")
    assert [config["cluster"]["name"] for config in clusters] == ["B", "_", "a10", "a9", "z"]
    listeners = dump(text % "listeners", "resource=static_listeners")
    assert [config["listener"]["name"] for config in listeners] == ["z", "_", "a10", "a9", "B"]


def test_secrets_are_hidden_wherever_they_stand() -> None:
    secrets = """
    static_resources:
      secrets:
      - name: pair
        tls_certificate: {certificate_chain: {inline_string: open}, private_key: {inline_string: hide}}
      - name: keys
        session_ticket_keys: {keys: [{inline_bytes: aGlkZQ==}]}
    """
    whole = json.dumps(dump(secrets))
    assert "open" in whole and "hide" not in whole and "aGlkZQ" not in whole
    pair, keys = dump(secrets, "resource=static_secrets")
    assert pair["name"] == "pair"
    assert pair["secret"]["tls_certificate"]["private_key"] == {"inline_string": "[redacted]"}
    # The text in Base64.
    assert keys["secret"]["session_ticket_keys"]["keys"] == [{"inline_bytes": "W3JlZGFjdGVkXQ=="}]


def test_times_are_of_loading_and_of_applying_in_milliseconds() -> None:
    config = running("static_resources: {clusters: [{name: a}]}")
    config.loaded_at = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)
    config.applied_at = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    body = json.loads(ask(config, "/config_dump")[2])["configs"]
    assert body[0]["last_updated"] == "2026-01-02T03:04:05.678Z"
    assert body[1]["static_clusters"][0]["last_updated"] == "2026-01-02T03:04:06Z"


def test_the_node_is_that_of_the_file_and_tells_what_is_built() -> None:
    node = dump("node: {id: a}", "mask=bootstrap.node")[0]["bootstrap"]["node"]
    assert (node["id"], node["user_agent_name"]) == ("a", "envoy")
    assert node["user_agent_build_version"]["version"] == {"major_number": 1, "minor_number": 40}
    assert re.fullmatch(r"ferryman-\S+", node["user_agent_build_version"]["metadata"]["revision.sha"])
    extensions = {(found["category"], found["name"]) for found in node["extensions"]}
    assert ("envoy.filters.network", "envoy.filters.network.tcp_proxy") in extensions
    assert ("envoy.clusters", "envoy.cluster.static") in extensions
    assert not any("lua" in name for _, name in extensions)
    assert len(extensions) == len(built_extensions())


def test_a_mask_that_does_not_fit_is_no_matter_where_there_is_nothing_to_trim() -> None:
    assert dump("{}", "resource=static_clusters&mask=nope") == []


@pytest.mark.parametrize("field", ["static_clusters", "static_endpoint_configs"])
def test_resources_are_made_as_they_are_asked_for(field: str) -> None:
    config = running("static_resources: {clusters: [{name: a}, {name: b}]}")
    found = {
        name: made
        for section in sections(config, include_endpoints=True)
        for name, made in section.resources.items()
    }
    resources = found[field]()
    assert next(resources)[0] == "a"
    assert next(resources)[0] == "b"
    assert next(resources, None) is None
