from __future__ import annotations

import json
from typing import Any

from admin.asking import ask, running


def assignment(endpoints: str) -> Any:
    cluster = f"{{name: c, load_assignment: {{cluster_name: other, {endpoints}}}}}"
    config = running(f"static_resources: {{clusters: [{cluster}]}}")
    answer = ask(config, "/config_dump?include_eds&resource=static_endpoint_configs")[2]
    return json.loads(answer)["configs"][0]["endpoint_config"]


def at(port: int, more: str = "", ip: str = "127.0.0.1") -> str:
    return f"{{endpoint: {{address: {{socket_address: {{address: '{ip}', port_value: {port}}}}}}}, {more}}}"


def ports(locality: Any) -> list[int]:
    return [item["endpoint"]["address"]["socket_address"]["port_value"] for item in locality["lb_endpoints"]]


def test_endpoints_are_grouped_by_priority_and_locality() -> None:
    found = assignment(
        "endpoints: ["
        f"{{priority: 1, locality: {{zone: z}}, lb_endpoints: [{at(1)}]}},"
        f"{{locality: {{zone: z}}, load_balancing_weight: 5, lb_endpoints: [{at(2)}]}},"
        f"{{locality: {{zone: a}}, lb_endpoints: [{at(3)}]}},"
        f"{{locality: {{zone: z}}, load_balancing_weight: 6, lb_endpoints: [{at(4)}]}},"
        f"{{locality: {{zone: empty}}}}, {{lb_endpoints: [{at(5)}]}}]"
    )
    assert found["cluster_name"] == "c"
    shown = [
        (
            locality.get("priority", 0),
            locality["locality"],
            locality["load_balancing_weight"],
            ports(locality),
        )
        for locality in found["endpoints"]
    ]
    assert shown == [
        (0, {}, 0, [5]),
        (0, {"zone": "a"}, 0, [3]),
        (0, {"zone": "z"}, 6, [2, 4]),
        (1, {"zone": "z"}, 0, [1]),
    ]


def test_every_default_of_an_endpoint_is_filled_in() -> None:
    full = "{endpoint: {address: {socket_address: {address: '::0001', port_value: 2}}, hostname: h, "
    full += "health_check_config: {port_value: 8}, additional_addresses: [{address: {pipe: {path: p}}}]}, "
    full += "load_balancing_weight: 3, metadata: {filter_metadata: {a: {b: c}}}}"
    found = assignment(f"endpoints: [{{lb_endpoints: [{at(1)}, {full}]}}]")
    first, second = found["endpoints"][0]["lb_endpoints"]
    assert first == {
        "endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}},
            "health_check_config": {},
        },
        "health_status": "HEALTHY",
        "load_balancing_weight": 1,
    }
    assert second == {
        "endpoint": {
            "address": {"socket_address": {"address": "::1", "port_value": 2}},
            "health_check_config": {"port_value": 8},
            "hostname": "h",
            "additional_addresses": [{"address": {"pipe": {"path": "p"}}}],
        },
        "health_status": "HEALTHY",
        "metadata": {"filter_metadata": {"a": {"b": "c"}}},
        "load_balancing_weight": 3,
    }


def test_health_is_what_comes_of_the_configured_one() -> None:
    told = ["HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"]
    endpoints = ", ".join(at(1, f"health_status: {status}") for status in told)
    found = assignment(f"endpoints: [{{lb_endpoints: [{endpoints}]}}]")
    shown = [item["health_status"] for item in found["endpoints"][0]["lb_endpoints"]]
    assert shown == ["HEALTHY", "UNHEALTHY", "UNHEALTHY", "UNHEALTHY", "DEGRADED"]


def test_the_policy() -> None:
    assert assignment("endpoints: []") == {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "c",
        "policy": {"overprovisioning_factor": 140},
    }
    drops = "{category: x, drop_percentage: {numerator: 5}},"
    drops += "{category: z, drop_percentage: {numerator: 5, denominator: TEN_THOUSAND}}"
    policy = assignment(f"policy: {{overprovisioning_factor: 120, drop_overloads: [{drops}]}}")["policy"]
    assert policy["overprovisioning_factor"] == 120
    assert [drop["drop_percentage"] for drop in policy["drop_overloads"]] == [
        {"numerator": 50_000, "denominator": "MILLION"},
        {"numerator": 500, "denominator": "MILLION"},
    ]
