from __future__ import annotations

from ferryman.api import schema
from ferryman.config.parse import parse_bytes

from config.reading import read

TEXT = """\
node:
  id: x
  metadata: {a: b}
  user_agent_version: "1"
stats_server_version_override: 7
static_resources:
  clusters:
  - name: c
    lb_policy: RANDOM
    connect_timeout: 1s
    metadata:
      filter_metadata:
        f: {k: v}
    typed_extension_protocol_options:
      o.p:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {}}
"""


def test_reading_fields() -> None:
    cursor, problems = read(TEXT)
    assert not problems.has_errors
    [cluster] = cursor.child("static_resources").items("clusters")
    assert cluster.path == ("static_resources", "clusters", 0)
    assert cluster.type_name == "envoy.config.cluster.v3.Cluster"
    assert cluster.get("name") == "c"
    assert cluster.get("lb_policy") == schema.enum_number(
        "envoy.config.cluster.v3.Cluster.LbPolicy", "RANDOM"
    )
    assert cluster.has("connect_timeout")
    assert cluster.has("name")
    assert cluster.has("typed_extension_protocol_options")
    assert not cluster.has("eds_cluster_config")
    assert not cluster.has("health_checks")
    assert cluster.fields_set()[0] == "name"
    assert cursor.wrapped("stats_server_version_override") == 7
    assert cluster.wrapped("per_connection_buffer_limit_bytes") is None
    assert cursor.child("node").which("user_agent_version_type") == "user_agent_version"
    assert cluster.child("eds_cluster_config").get("service_name") == ""


def test_maps_and_anys() -> None:
    cursor, _ = read(TEXT)
    [cluster] = cursor.child("static_resources").items("clusters")
    [(key, options)] = cluster.map_items("typed_extension_protocol_options")
    assert key == "o.p"
    unpacked = options.unpack()
    assert unpacked is not None
    assert unpacked.path == (*cluster.path, "typed_extension_protocol_options", "o.p")
    assert unpacked.child("explicit_http_config").which("protocol_config") == "http_protocol_options"
    unpacked.problem("is bad", field="explicit_http_config")
    [problem] = cursor.problems.errors
    options_path = 'static_resources.clusters[0].typed_extension_protocol_options["o.p"]'
    assert str(problem) == f"f:17:9: {options_path}.explicit_http_config: is bad"


def test_problems_and_warnings() -> None:
    cursor, problems = read(TEXT)
    [cluster] = cursor.child("static_resources").items("clusters")
    cluster.problem("is bad", "mend it", field="name", code="bad-name")
    cluster.problem("is bad", "mend it", field="name", code="bad-name")
    cluster.warn("is odd")
    assert [(p.code, p.severity.value, str(p)) for p in problems] == [
        ("warning", "warning", "f:8:5: static_resources.clusters[0]: is odd"),
        ("bad-name", "error", "f:8:11: static_resources.clusters[0].name: is bad; mend it"),
    ]


def test_an_any_that_is_empty_or_of_an_unknown_type() -> None:
    named = schema.new_message("envoy.config.core.v3.TypedExtensionConfig")
    cursor, problems = parse_bytes(named.SerializeToString(), named.DESCRIPTOR.full_name, "x")
    assert cursor.unpack("typed_config") is None
    assert not len(problems)
    named.typed_config.type_url = "type.googleapis.com/envoy.Nothing"  # type: ignore[attr-defined]
    cursor, problems = parse_bytes(named.SerializeToString(), named.DESCRIPTOR.full_name, "x")
    assert cursor.unpack("typed_config") is None
    [problem] = problems
    assert str(problem) == 'x: typed_config["@type"]: Envoy 1.40 has no message envoy.Nothing'


def test_doubt() -> None:
    cursor, _ = read("node: {id: 5}\nadmin: {}\n")
    assert cursor.child("node").is_doubtful()
    assert cursor.child("node").is_doubtful("id")
    assert not cursor.child("node").is_doubtful("cluster")
    assert not cursor.child("admin").is_doubtful()


def test_the_root_of_a_text_that_could_not_be_read_is_doubtful() -> None:
    cursor, problems = read("node: {")
    assert cursor.is_doubtful()
    assert len(problems) == 1
