from __future__ import annotations

import pytest
from ferryman.api import annotations, schema
from ferryman.config.field_checks import has_rules
from ferryman.config.parse import check_rules, parse_bytes
from ferryman.config.rules import checks_of
from google.protobuf import descriptor_pb2

from config.reading import errors, read


def cluster(rest: str) -> str:
    return f"static_resources: {{clusters: [{{name: c, {rest}}}]}}"


def manager(rest: str) -> str:
    """A listener with an HTTP connection manager."""
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    typed = f'{{"@type": "type.googleapis.com/{kind}", "stat_prefix": "s", {rest}}}'
    chains = f'[{{"filters": [{{"name": "f", "typed_config": {typed}}}]}}]'
    return f'{{"static_resources": {{"listeners": [{{"filter_chains": {chains}}}]}}}}'


def host(rest: str) -> str:
    """A virtual host in it."""
    return manager(f'"route_config": {{"virtual_hosts": [{{"name": "v", "domains": ["*"], {rest}}}]}}')


def route(rest: str) -> str:
    """A route in it."""
    return host(f'"routes": [{{{rest}}}]')


MANY_HEADERS = ", ".join(['{"header": {"key": "a"}}'] * 1001)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("static_resources: {clusters: [{}]}", "clusters[0].name: is required (must not be empty)"),
        (cluster("connect_timeout: 0s"), "connect_timeout: must be > 0s, not 0s"),
        (cluster("lb_policy: 99"), "lb_policy: must be one of ROUND_ROBIN, LEAST_REQUEST"),
        (cluster("health_checks: [{}]"), "health_checks[0].timeout: is required"),
        (cluster("health_checks: [{timeout: 1s}]"), "is required"),
        (cluster("lb_subset_config: {fallback_policy: 7}"), "must be one of"),
        (cluster("least_request_lb_config: {choice_count: 1}"), "choice_count: must be >= 2, not 1"),
        (cluster("ring_hash_lb_config: {minimum_ring_size: 8388609}"), "must be <= 8388608, not 8388609"),
        (cluster("common_lb_config: {healthy_panic_threshold: {value: 101}}"), "must be >= 0 and <= 100"),
        (cluster("load_assignment: {cluster_name: c, endpoints: [{priority: 129}]}"), "must be <= 128"),
        (cluster("metadata: {filter_metadata: {'': {}}}"), "must not be empty"),
        ("stats_flush_on_admin: false", "stats_flush_on_admin: must be true"),
        ("stats_flush_interval: 0.0001s", "must be >= 0.001s and < 300s, not 0.0001s"),
        (route('"match": {"prefix": "/"}'), "one of route, redirect, direct_response"),
        (route('"route": {"cluster": "c"}'), "routes[0].match: is required"),
        (route('"match": {"path_separated_prefix": "/a/"}'), "must match"),
        (host('"request_headers_to_remove": ["a", "b\\nc"]'), "remove[1]: must not have NUL, CR or LF"),
        (host('"request_headers_to_remove": [""]'), "to_remove[0]: must not be empty"),
        (host(f'"request_headers_to_add": [{MANY_HEADERS}]'), "at most 1000 items, not 1001"),
    ],
)
def test_a_broken_rule_is_told(text: str, said: str) -> None:
    assert any(said in line for line in errors(text)), errors(text)


def test_a_violation_is_told_once_and_with_its_place() -> None:
    text = "static_resources:\n  clusters:\n  - name: c\n    connect_timeout: -1s\n"
    assert errors(text) == ["f:4:22: static_resources.clusters[0].connect_timeout: must be > 0s, not -1s"]


def test_a_member_of_a_oneof_is_not_required() -> None:
    assert errors(route('"match": {"prefix": "/"}, "route": {"cluster": "c"}')) == []


def test_typed_metadata_is_not_looked_into() -> None:
    typed = '{k: {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster}}'
    assert errors(cluster(f"metadata: {{typed_filter_metadata: {typed}}}")) == []


def test_a_deprecated_field_is_a_warning() -> None:
    _, problems = read("stats_sinks: []\nhidden: 1\n", allow_unknown=True)
    assert not len(problems)
    _, problems = read(cluster("common_http_protocol_options: {}"))
    [warning] = problems.warnings
    assert warning.code == "deprecated"
    assert "the field is deprecated" in warning.text


def test_a_field_refused_by_default_is_an_error_outside_the_bootstrap_only() -> None:
    source = '{"api_config_source": {"grpc_services": [{"envoy_grpc": {"cluster_name": "c"}}]}}'
    inside = errors(manager(f'"rds": {{"config_source": {source}}}'), format="json")
    assert any("refused by default" in line for line in inside)
    _, problems = read(f'{{"dynamic_resources": {{"cds_config": {source}}}}}', format="json")
    assert not problems.has_errors
    assert any(problem.code == "deprecated" for problem in problems.warnings)


def test_rules_hold_for_wire_bytes_too() -> None:
    cursor, problems = parse_bytes(b"", "envoy.config.cluster.v3.Cluster", 'cluster "x"')
    check_rules(cursor)
    assert [str(problem) for problem in problems] == ['cluster "x": name: is required (must not be empty)']


def test_every_rule_of_the_schema_is_understood() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(
        schema.Path(schema.__file__).with_name(schema.SCHEMA_FILE).read_bytes()
    )
    count = 0
    for file in files.file:
        waiting = list(schema.pool().FindFileByName(file.name).message_types_by_name.values())
        while waiting:
            descriptor = waiting.pop()
            waiting += descriptor.nested_types
            if not descriptor.GetOptions().map_entry:
                checks_of(descriptor.full_name)
                count += sum(annotations.field_rules(field) is not None for field in descriptor.fields)
    assert count > 1200


def test_parts_without_rules_are_not_entered() -> None:
    assert not has_rules("envoy.config.core.v3.Locality")
    assert has_rules("envoy.config.core.v3.Address")
    assert has_rules("google.protobuf.Any")
