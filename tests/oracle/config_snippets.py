"""Small configurations whose acceptance by Envoy is asked: one group a kind of text or value.

A group is a list of texts. DIFFERENT names, by an id of docs/differences_from_envoy.md, each text that
Ferryman judges otherwise on purpose.
"""

from __future__ import annotations

TYPE = "type.googleapis.com/"


def in_cluster(rest: str) -> str:
    return f"static_resources: {{clusters: [{{name: c, connect_timeout: 1s, {rest}}}]}}"


def in_any(type_url: str, rest: str = "") -> str:
    """A message in an Any that nobody looks into, so that only its reading is tried."""
    tail = f", {rest}" if rest else ""
    return in_cluster(f'metadata: {{typed_filter_metadata: {{k: {{"@type": {type_url}{tail}}}}}}}')


def of_type(name: str, *values: str) -> list[str]:
    return [in_any(f"{TYPE}google.protobuf.{name}", f"value: {value}") for value in values]


def of_field(name: str, *values: str) -> list[str]:
    return [f"{name}: {value}" for value in values]


def of_choice_count(number: int) -> str:
    least_request = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest"
    policy = f'{{"@type": {TYPE}{least_request}, choice_count: {number}}}'
    inner = f"typed_extension_config: {{name: a, typed_config: {policy}}}"
    return in_cluster(f"load_balancing_policy: {{policies: [{{{inner}}}]}}")


YAML: dict[str, list[str]] = {
    "rules": [of_choice_count(1), of_choice_count(2)],
    "documents": [
        *("", "# x\n", "---\n", "--- \n...\n", "null", "[]", "5", "a: b: c", "{}", "--- {}\n"),
        *("node: {id: x}\n---\nbogus: 1", "node: {id: x}\n---\n}", "node: {id: x}\n...\ngarbage: ["),
        *("%YAML 1.1\n---\nnode: {id: x}", "\ufeffnode: {id: x}", "  node:\n    id: x", "- a\n- b"),
        *("  node:\n    id: x\nadmin: {}", "key with no colon", "foo: 1\nnode: {id: x}"),
    ],
    "syntax": [
        *("node:\n\tid: x", "node:\n  id:\tx", "node: {id: x,}", "node: {id: x, id: y}", "node: {id: [}"),
        *("? node\n: {id: x}", "? [a]\n: b", "? {a: b}\n: b", "~: x", "node: {id: x}}", "node: {? id : x}"),
        *("node: {id: @x}", "node: {id: `x}", "node: {id: %x}", "node: {id: a#b}", "node: {id: x\n}"),
        *("node:\n  id: x\n cluster: y", "node:\n  id: x\n   cluster: y", "node:\nid: x", "node:\n- id: x"),
        *("node: {id}", "node: {id:}", "node: {id:x}", 'node: {"id":"x"}', "node: {id: x, cluster}"),
        *("header_prefix: a: b", 'header_prefix: "a', "header_prefix: 'a", "header_prefix: a\n b"),
        *('header_prefix: "\\ud83d\\ude00"', 'header_prefix: "\\0"', 'header_prefix: "\x01"'),
        *("header_prefix: \x7f", "header_prefix: é", "header_prefix: >-\n  folded\n  text"),
    ],
    "aliases and tags": [
        *("node: &a {id: x}\nx: *b", "node: &a {id: x, metadata: {k: *a}}", "node: {id: &i x, cluster: *i}"),
        *("&k node: {id: x}", "!ignore foo: &f {id: x}\nnode: *f", "x: &x {id: y}\nnode: {<<: *x}"),
        *("node: {<<: {id: x}}", "node: !foo {id: x}", "node: !!map {id: x}", "header_prefix: !!int '5'"),
        *("header_prefix: !!str 12", "header_prefix: ! 12", "header_prefix: !!null x"),
        *("header_prefix: !<tag:x> 12", "header_prefix: !!binary aGVsbG8="),
    ],
    "plain scalars": of_field(
        "header_prefix",
        *("1", "null", "~", "NULL", "nUll", "yes", '"yes"', "Y", "oN", "on", "5000000000", "1.5", "0x1F"),
        *(".inf", "1_000", "0o17", "017", "08", "2001-01-01", "|\n  yes", "[]", "{}", "+5", "-5", "-0x5"),
        *('" 5"', "0b1", "9223372036854775808", "-9223372036854775809", "y", "True", "tRue", "!!str yes"),
    ),
    "lists": [
        *("stats_sinks: null", "inline_headers: [null]", "inline_headers: x", "inline_headers: [1]"),
        in_cluster("load_assignment: {cluster_name: c, endpoints: [null]}"),
        in_cluster("load_assignment: {cluster_name: c, endpoints: [[]]}"),
        in_cluster("load_assignment: {cluster_name: c, endpoints: {}}"),
        in_cluster("load_assignment: {cluster_name: c, endpoints: []}"),
        in_cluster("lb_subset_config: {subset_selectors: [{keys: [a, 1]}]}"),
        in_cluster("lb_subset_config: {subset_selectors: [{keys: a}]}"),
    ],
    "maps": [
        in_cluster(f"metadata: {{filter_metadata: {value}}}")
        for value in (
            *("{a: {b: 1}}", "{a: null}", "null", "{a: 1}", "[]", "{1: {}}", "{a: []}", "{'': {}}"),
            *("{a: {}, a: {}}", "{a: {b: [1, {c: null}]}}"),
        )
    ],
    "bool": of_field(
        "enable_dispatcher_stats", *('"true"', '"yes"', "1", "True", "y", "tRue", "'false'", '"1"', '"x"')
    )
    + of_type("BoolValue", *('"on"', '"t"', '"F"', '"Y"', '"truee"', '" true"', '""', "null")),
    "uint64": of_field(
        "stats_server_version_override",
        *("5", '"5"', "5.0", "1e2", '"1e2"', "5.5", "{value: 5}", "-1", "18446744073709551615", "0x10"),
        *("18446744073709551616", '" 5"', '"5 "', '""', "true", "1e400", ".inf", '"0x10"', '"+5"', '"010"'),
        *("010", "[]", "{}", "null"),
    )
    + of_type("UInt64Value", *("-0", '"-0"', '"-1"', '"1e20"')),
    "int32": of_type(
        "Int32Value",
        *("2147483647", "2147483648", "-2147483648", "-2147483649", '"1e3"', "1.0", '"1.0"', '"1e-1"'),
        *('"10e-1"', "0x7fffffff", '"0x7fffffff"'),
    ),
    "float": of_type(
        "FloatValue",
        *("1", "1.5", '"1.5"', "1e38", "3.5e38", "1e39", ".nan", "NaN", "Infinity", "-Infinity", "inf"),
        *("nan", '"0x1p3"', "-1e-50", "1e400", "true"),
    )
    + of_type("DoubleValue", *("1e308", "1e309", '"+1.5"', '".5"', '"5."', '"1_0"', '""', '" 1"')),
    "text and bytes": of_type("StringValue", *("x", "1", "true", "null", '""', "[]"))
    + of_type(
        "BytesValue",
        *("aGVsbG8=", "aGVsbG8", "aGVsbG8==", '"aGV sbG8"', '"-_-_"', '"+/+/"', '"-/+_"', '"a"', '""'),
        *('"aGVsbG8=x"', '"\\n"', "12", "null", '"ab=c"', '"===="', '"ab="'),
    ),
    "duration": of_field(
        "stats_flush_interval",
        *("5", "5s", "-5s", '" 5s"', "1.5s", "{seconds: 5}", "1e1s", "0s", "0.0001s", "400000000000s", "+5s"),
        *("5S", "s", "05s", "5ms", "0.123456789s", "0.1234567890s", "5.-1s", ".5s", "1.s", "true", "null"),
    )
    + of_type("Duration", *("1s", "{seconds: 1}", "1s, x: 1", "null", "-1.5s")),
    "timestamp": of_type(
        "Timestamp",
        *('"2026-01-31T23:59:59Z"', '"2026-01-31T23:59:59.123Z"', '"2026-01-31t23:59:59z"', '"2026-01-31"'),
        *('"2026-01-31T23:59:59+01:00"', '"2026-01-31 23:59:59Z"', '"2026-02-31T23:59:59Z"'),
        *('"2026-01-31T23:59:59.1234567890Z"', '"0000-01-01T00:00:00Z"', '"9999-12-31T23:59:59Z"'),
    ),
    "struct and mask": of_type("FieldMask", *('"a"', '"a,b"', '"fooBar"', '""', '"a,"'))
    + of_type("Struct", *("{a: 1}", "[]", "null"))
    + of_type("Value", *("1", "null", "{a: b}", "[1, {a: 2}]"))
    + of_type("ListValue", *("[1]", "[null]")),
    "any": [
        in_any(type_url)
        for type_url in (
            *("google.protobuf.Empty", "/google.protobuf.Empty", "x/google.protobuf.Empty", TYPE, '""', "5"),
            *(
                "x/y/google.protobuf.Empty",
                "null",
                f"{TYPE}google.protobuf.Empty/",
                f"{TYPE}google.protobuf.Empt",
            ),
            *(f"{TYPE}envoy.api.v2.Cluster", f"{TYPE}envoy.config.cluster.v3.Cluster.LbPolicy"),
            *(f"{TYPE}envoy.config.cluster.v3.Cluster", f"{TYPE}grpc.health.v1.HealthCheckRequest"),
            *(f"{TYPE}envoy.extensions.filters.http.golang.v3alpha.Config", f"{TYPE}google.api.Http"),
        )
    ]
    + [in_any(f"{TYPE}google.protobuf.Empty", rest) for rest in ("value: {}", "x: 1")]
    + [in_any(f"{TYPE}google.protobuf.Any", rest) for rest in ("value: {}", "value: {a: 1}", "x: 1")]
    + [
        in_cluster(f"metadata: {{typed_filter_metadata: {value}}}")
        for value in ("{a: {}}", "{a: 1}", "{a: {x: 1}}")
    ],
    "enum": [
        in_cluster(f"lb_policy: {value}")
        for value in (
            *(
                "RANDOM",
                "random",
                "Random",
                '"3"',
                "3",
                "3.0",
                '"3.0"',
                "99",
                '"99"',
                "ROUND-ROBIN",
                "roundRobin",
            ),
            *('" RANDOM"', "null", '""', "[]", "true", "-1", "4294967296", '"0x3"'),
        )
    ],
    "names and oneofs": [
        *("node: {userAgentName: a}", "node: {UserAgentName: a}", "node: {USER_AGENT_NAME: a}"),
        *("node: {user_agent_name: a, userAgentName: b}", "node: {user_agent_version: a, idd: b}"),
        *("node: {user_agent_version: a, user_agent_build_version: {}}",),
        *("node: {user_agent_version: a, user_agent_build_version: null}",),
    ],
}

JSON: dict[str, list[str]] = {
    "lax syntax": [
        *('{"node":{"id":"a",},}', "{,}", '{"inline_headers":[,]}', '{"node":{"id":"a"/*c*/}}', "# c\n{}"),
        *(
            '{"node":{"id":"a"}} // c',
            '{"node":{id:"a"}}',
            "{'node':{'id':'a\"b'}}",
            "{'node':{'id':'a\\'b'}}",
        ),
        *(
            '{"node":{"id":"a\nb"}}',
            '{"node":{"id":"a\tb"}}',
            '{"node":{"id":"\\x"}}',
            '{"node":{"id":"\\\'"}}',
        ),
        *('{"node":{"id":"\\/"}}', '{"node":{"id":"\\ud83d\\ude00"}}', '{"node":{"id":"\\u0000"}}'),
        *('{"node":{"id":"a"}', '{"node":{"id" "a"}}', '{"node":{"id":"a" "b"}}', '{"node":{1:"a"}}'),
        *('{"node":{null:"a"}}', '{"node":{true:"a"}}', "{$x:1}", '{"":1}', "", "[]", "null", '{"a":1} x'),
    ],
    "numbers": [
        f'{{"stats_server_version_override":{value}}}'
        for value in (
            "01",
            "1.",
            ".5",
            "+1",
            "1e2",
            "1E+2",
            "-0",
            "0x10",
            "1e30",
            "NaN",
            "5.0",
            "5.5",
            "true",
        )
    ],
    "twice": [
        *('{"node":{"id":"a","id":"b"}}', '{"node":{"id":"a"},"node":{"cluster":"b"}}'),
        *(
            '{"node":{"metadata":{"a":1,"a":2}}}',
            '{"node":{"user_agent_version":"1","user_agent_version":"2"}}',
        ),
    ],
    "struct": [
        f'{{"node":{{"metadata":{value}}}}}'
        for value in ('{"a":NaN}', '{"a":1e400}', "null", "[]", '{"a":{"b":[1,{"c":null}]}}', '{"fields":{}}')
    ],
    "wrong kinds": [
        *('{"node":[{"id":"a"}]}', '{"node":""}', '{"node":0}', '{"node":false}', '{"flags_path":5}'),
        *('{"flags_path":{}}', '{"enable_dispatcher_stats":True}', '{"enable_dispatcher_stats":tru}'),
    ],
}

DIFFERENT: dict[str, str] = {
    "  node:\n    id: x\nadmin: {}": "yaml-rest-of-file",
    "node: {id:}": "yaml-reader",
    'header_prefix: "\x01"': "yaml-reader",
    "header_prefix: \x7f": "yaml-reader",
    in_cluster("load_assignment: {cluster_name: c, endpoints: [[]]}"): "list-in-list",
    of_type("Timestamp", '"2026-02-31T23:59:59Z"')[0]: "impossible-dates",
    in_any(f"{TYPE}grpc.health.v1.HealthCheckRequest"): "types-outside-the-api",
    of_choice_count(1): "load-balancing-rules",
    '{"node":{"id":"a\nb"}}': "json-line-ends",
    '{"node":{"metadata":{"a":1,"a":2}}}': "duplicate-keys",
    '{"node":{"user_agent_version":"1","user_agent_version":"2"}}': "duplicate-keys",
}
