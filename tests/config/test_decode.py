"""A whole tree to a message: names, lists, maps, oneofs, Anys, and the places of what is wrong."""

from __future__ import annotations

import pytest
from ferryman.api import schema
from google.protobuf import json_format

from config.reading import errors, message, read, refusal

CLUSTER = "envoy.config.cluster.v3.Cluster"
ANY = "google.protobuf.Any"
TYPE = "type.googleapis.com/"


def test_both_spellings_of_a_name() -> None:
    for text in ("{connect_timeout: 1s}", "{connectTimeout: 1s}"):
        assert message(CLUSTER, text).connect_timeout.seconds == 1


def test_null_leaves_a_field_unset() -> None:
    got = message(CLUSTER, "{name: null, connect_timeout: null, dns_resolvers: null, metadata: null}")
    assert got == schema.new_message(CLUSTER)


def test_null_in_a_list_of_messages_is_an_empty_message() -> None:
    assert len(message(CLUSTER, "{health_checks: [null]}").health_checks) == 1


def test_maps() -> None:
    got = message("envoy.config.core.v3.Metadata", "{filter_metadata: {a: {b: 1}, 5: null}}")
    assert sorted(got.filter_metadata) == ["5", "a"]


def test_the_same_message_as_protobufs_own_reader_makes() -> None:
    text = """
    {"name": "c", "type": "EDS", "connectTimeout": "0.25s", "lb_policy": "MAGLEV",
     "edsClusterConfig": {"edsConfig": {"ads": {}, "resourceApiVersion": "V3"}},
     "circuit_breakers": {"thresholds": [{"maxConnections": 5, "retry_budget": {"budget_percent":
       {"value": 2.5}}}]},
     "metadata": {"filterMetadata": {"x": {"y": [1, "2", null, true]}}},
     "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [{"endpoint_name": "e"}, {}]}]},
     "typed_extension_protocol_options": {"o": {
       "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
       "explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": "100"}}}}}
    """
    wanted = json_format.Parse(text, schema.new_message(CLUSTER), descriptor_pool=schema.pool())
    assert message(CLUSTER, text, format="json") == wanted
    assert message(CLUSTER, text, format="yaml") == wanted


def test_one_item_without_its_list_passes_with_a_warning() -> None:
    cursor, problems = read("stats_tags_x: 1", allow_unknown=True)
    assert problems.unknown_fields == 1
    cursor, problems = read("{inline_headers: {inline_header_name: x, inline_header_type: REQUEST_HEADER}}")
    assert [item.get("inline_header_name") for item in cursor.items("inline_headers")] == ["x"]
    [warning] = problems.warnings
    assert warning.code == "not-a-list"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "static_resources:\n  clusters:\n  - nmae: c\n",
            'f:3:5: static_resources.clusters[0].nmae: envoy.config.cluster.v3.Cluster has no field "nmae"; '
            "did you mean name?",
        ),
        (
            "clusters: []\n",
            'f:1:1: clusters: envoy.config.bootstrap.v3.Bootstrap has no field "clusters"; '
            "it belongs under static_resources: check the indentation",
        ),
        (
            "node: {<<: {id: x}}\n",
            'f:1:8: node["<<"]: envoy.config.core.v3.Node has no field "<<"; '
            "YAML merge keys are not read, neither by Envoy",
        ),
        (
            "node:\n- id: x\n",
            "f:1:1: node: must be a mapping, not a list; remove the dash: it is one mapping, not a list",
        ),
        ("node: x\n", 'f:1:7: node: must be a mapping, not a string ("x")'),
        (
            "node: {user_agent_version: a, user_agent_build_version: {}}\n",
            "f:1:31: node.user_agent_build_version: user_agent_version is already set, "
            "and only one of the two may be; remove user_agent_build_version or user_agent_version",
        ),
        (
            "node: {metadata: 5}\n",
            "f:1:18: node.metadata: must be a mapping, not a number (5)",
        ),
        (
            "stats_config:\n  stats_tags:\n  - tag_name: a\n  - tag_name: [b]\n",
            "f:4:5: stats_config.stats_tags[1].tag_name: must be a string, not a list",
        ),
        ("- a\n", "f:1:1: must be a mapping, not a list; remove the dash: it is one mapping, not a list"),
        ("", "f:1:1: has nothing in it; an empty configuration is {}"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    assert errors(text) == [said]


def test_all_mistakes_are_told_at_once() -> None:
    lines = ["node: {idd: x}", "admin: {ignore_global_conn_limit: 7}", "header_prefix: yes"]
    said = errors("\n".join([*lines, "stats_flush_interval: 5"]))
    assert [line.split(":")[1] for line in said] == ["1", "2", "3", "4"]


def test_a_field_that_could_not_be_read_is_not_missing_too() -> None:
    assert len(errors("static_resources: {clusters: [{nmae: c}]}")) == 1
    assert len(errors("static_resources: {clusters: [{name: yes}]}")) == 1
    assert len(errors("static_resources: {clusters: [{name: c, connect_timeout: soon}]}")) == 1


def any_text(type_url: str, rest: str = "") -> str:
    return f'{{"@type": {type_url}{rest and ", " + rest}}}'


def test_an_any_holds_its_message() -> None:
    got = message(ANY, any_text(TYPE + CLUSTER, "name: c"))
    assert got.type_url == TYPE + CLUSTER
    assert schema.message_class(CLUSTER).FromString(got.value).name == "c"


def test_an_any_takes_any_host() -> None:
    assert message(ANY, any_text("x/y/" + CLUSTER)).type_url == "x/y/" + CLUSTER


def test_an_empty_any() -> None:
    assert message("envoy.config.core.v3.TypedExtensionConfig", "{name: a, typed_config: {}}").HasField(
        "typed_config"
    )


def test_an_any_of_a_type_with_its_own_form() -> None:
    got = message(ANY, any_text(TYPE + "google.protobuf.Duration", "value: 1.5s"))
    assert schema.message_class("google.protobuf.Duration").FromString(got.value).nanos == 500_000_000
    nested = message(ANY, any_text(TYPE + ANY, "value: " + any_text(TYPE + "google.protobuf.Empty")))
    inner = schema.message_class(ANY).FromString(nested.value)
    assert inner.type_url == TYPE + "google.protobuf.Empty"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{a: b}", 'must have "@type"'),
        ('{"@type": 5}', '"@type" must be a string, not a number (5)'),
        ("5", 'must be a mapping with "@type", not a number (5)'),
        (any_text('"google.protobuf.Empty"'), "did you mean type.googleapis.com/google.protobuf.Empty?"),
        (any_text("/google.protobuf.Empty"), '"/google.protobuf.Empty" is not a type URL'),
        (
            any_text(TYPE + "envoy.extensions.filters.http.ruoter.v3.Router"),
            "did you mean envoy.extensions.filters.http.router.v3.Router?",
        ),
        (
            any_text(TYPE + "envoy.extensions.filters.http.golang.v3alpha.Config"),
            "is an extension of Envoy's contrib builds",
        ),
        (any_text(TYPE + "google.protobuf.Empty", "x: 1"), 'google.protobuf.Empty has no field "x"'),
        (any_text(TYPE + "google.protobuf.Duration", "value: 1s, x: 1"), 'Any has no field "x"'),
        (any_text(TYPE + CLUSTER, "nmae: x"), "did you mean name?"),
    ],
)
def test_an_any_refuses(text: str, says: str) -> None:
    assert says in refusal(ANY, text)


@pytest.mark.parametrize("kind", ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"])
def test_a_typed_struct_is_read_as_the_message_it_names(kind: str) -> None:
    text = f"""
static_resources:
  listeners:
  - name: l
    filter_chains:
    - filters:
      - name: f
        typed_config:
          "@type": type.googleapis.com/{kind}
          type_url: type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          value:
            stat_prefix: s
            cluster: c
            max_connect_attempts: 0
"""
    cursor, problems = read(text)
    [listener] = cursor.child("static_resources").items("listeners")
    [network_filter] = listener.items("filter_chains")[0].items("filters")
    tcp_proxy = network_filter.unpack("typed_config")
    assert tcp_proxy is not None
    assert tcp_proxy.type_name.endswith("TcpProxy")
    assert tcp_proxy.get("cluster") == "c"
    [error] = problems.errors
    assert str(error).startswith("f:14:35: ")
    assert error.text == "must be >= 1, not 0"


def test_too_deep_is_refused_not_crashed_on() -> None:
    for levels in (100, 130, 200, 400, 900):
        deep = '{"a":' * levels + "1" + "}" * levels
        for before, after in (('{"metadata":', "}"), ('{"metadata": {"x":', "}}")):
            said = errors(f'{{"node": {before}{deep}{after}}}', format="json")
            assert (levels > 120) == any("levels deep" in line for line in said)
    anys = '{"@type": "x/google.protobuf.Any", "value":' * 300 + "{}" + "}" * 300
    logs = f'[{{"name": "x", "typed_config": {anys}}}]'
    said = errors(f'{{"static_resources": {{"listeners": [{{"access_log": {logs}}}]}}}}', format="json")
    assert any("levels deep" in line for line in said)
