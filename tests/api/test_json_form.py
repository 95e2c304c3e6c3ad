"""Messages as JSON. What is expected was seen in the answers of Envoy 1.40."""

from __future__ import annotations

import json
from typing import Any

import pytest
from config.reading import message
from ferryman.api import schema
from ferryman.api.json_form import to_json
from ferryman.api.json_strings import double, quoted, seconds, single

CLUSTER = "envoy.config.cluster.v3.Cluster"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"


def printed(type_name: str, text: str, *, every_field: bool = False) -> Any:
    return json.loads(to_json(message(type_name, text), every_field=every_field))


def test_layout() -> None:
    text = "{name: a, metadata: {filter_metadata: {b: {}, a: {z: [1, []]}}}, type: STATIC}"
    expected = """{
 "name": "a",
 "type": "STATIC",
 "metadata": {
  "filter_metadata": {
   "a": {
    "z": [
     1,
     []
    ]
   },
   "b": {}
  }
 }
}
"""
    assert to_json(message(CLUSTER, text)).decode() == expected
    assert to_json(schema.new_message(CLUSTER)) == b"{}\n"


@pytest.mark.parametrize(
    ("text", "json_text"),
    [
        ("a é 😀 /'&", "a é 😀 /'&"),
        ('"\\', '\\"\\\\'),
        ("\b\f\n\r\t", "\\b\\f\\n\\r\\t"),
        ("\0\x1f\x7f\x9f\xa0\xad", "\\u0000\\u001f\\u007f\\u009f\xa0\\u00ad"),
        ("<>", "\\u003c\\u003e"),
        ("\u2027\u2028\u202e\ufeff", "\u2027\\u2028\\u202e\\ufeff"),
        ("\U0001d173\U000e0001", "\\ud834\\udd73\\udb40\\udc01"),
    ],
)
def test_strings(text: str, json_text: str) -> None:
    assert quoted(text) == f'"{json_text}"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"), (-0.0, "-0"), (0.1, "0.1"), (1e15, "1e+15"), (100000.0, "100000"), (1e-05, "1e-05"),
        (123456789012345678.0, "1.2345678901234568e+17"), (0.1 + 0.2, "0.30000000000000004"),
        (5e-324, "4.94065645841247e-324"), (float("inf"), '"Infinity"'), (float("-inf"), '"-Infinity"'),
        (float("nan"), '"NaN"'),
    ],
)  # fmt: skip
def test_doubles(value: float, text: str) -> None:
    assert double(value) == text


def test_floats() -> None:
    assert (single(0.5), single(16777216.0), single(0.10000000149011612)) == ("0.5", "16777216", "0.1")
    assert single(float("nan")) == '"NaN"'


def test_seconds() -> None:
    shown = [
        seconds(1, 0),
        seconds(0, 250_000_000),
        seconds(1, 1000),
        seconds(0, 1),
        seconds(-1, -500_000_000),
    ]
    assert shown == ["1", "0.250", "1.000001", "0.000000001", "-1.500"]


def test_types_with_a_form_of_their_own() -> None:
    shown = printed(
        CLUSTER,
        """
        connect_timeout: 0.25s
        per_connection_buffer_limit_bytes: 0
        dns_lookup_family: V6_ONLY
        load_assignment: {named_endpoints: {}}
        upstream_connection_options: {set_local_interface_name_on_upstream_connections: false}
        metadata: {filter_metadata: {a: {b: null, c: 2, d: true, e: x}}}
        """,
    )
    assert shown == {
        "connect_timeout": "0.250s",
        "per_connection_buffer_limit_bytes": 0,
        "dns_lookup_family": "V6_ONLY",
        "load_assignment": {},
        "upstream_connection_options": {},
        "metadata": {"filter_metadata": {"a": {"b": None, "c": 2, "d": True, "e": "x"}}},
    }


def test_long_numbers_are_strings_and_unknown_enum_values_numbers() -> None:
    memory: Any = schema.new_message("envoy.admin.v3.Memory")
    memory.allocated = 2**63
    assert json.loads(to_json(memory)) == {"allocated": "9223372036854775808"}
    cluster: Any = schema.new_message(CLUSTER)
    cluster.dns_lookup_family = 99
    assert json.loads(to_json(cluster)) == {"dns_lookup_family": 99}


def test_times_and_field_masks() -> None:
    moment: Any = schema.new_message("google.protobuf.Timestamp")
    moment.FromJsonString("2026-01-02T03:04:05.678Z")
    assert to_json(moment) == b'"2026-01-02T03:04:05.678Z"\n'
    mask: Any = schema.new_message("google.protobuf.FieldMask")
    mask.paths.extend(["node.user_agent_name", "admin"])
    assert to_json(mask) == b'"node.userAgentName,admin"\n'


def any_of(inner: Any, type_url: str = "") -> Any:
    holder: Any = schema.new_message("google.protobuf.Any")
    holder.Pack(inner)
    holder.type_url = type_url or holder.type_url
    return holder


def test_what_an_any_holds() -> None:
    url = "type.googleapis.com/google.protobuf.Duration"
    duration: Any = schema.new_message("google.protobuf.Duration")
    assert json.loads(to_json(any_of(duration))) == {"@type": url, "value": "0s"}
    cluster = message(CLUSTER, "{name: a}")
    assert json.loads(to_json(any_of(cluster))) == {"@type": f"type.googleapis.com/{CLUSTER}", "name": "a"}
    assert to_json(schema.new_message("google.protobuf.Any")) == b"{}\n"


def test_what_nobody_knows_is_not_shown() -> None:
    holder = any_of(message(CLUSTER, "{name: a}"), "a/of.nothing")
    assert json.loads(to_json(holder)) == {"@type": "a/of.nothing"}


def test_every_field() -> None:
    shown = printed("envoy.config.core.v3.Node", "{id: a}", every_field=True)
    assert shown == {
        "id": "a",
        "cluster": "",
        "user_agent_name": "",
        "extensions": [],
        "client_features": [],
        "listening_addresses": [],
        "dynamic_parameters": {},
    }


def test_secrets_are_hidden() -> None:
    text = """
    name: s
    tls_certificate:
      certificate_chain: {filename: shown}
      private_key: {filename: hide}
      password: {inline_bytes: aGlkZQ==}
    """
    assert printed(SECRET, text)["tls_certificate"] == {
        "certificate_chain": {"filename": "shown"},
        "private_key": {"filename": "[redacted]"},
        "password": {"inline_bytes": "W3JlZGFjdGVkXQ=="},
    }


def test_secrets_are_hidden_in_a_struct_that_stands_for_a_message() -> None:
    text = """
    type_url: type.googleapis.com/%s
    value:
      name: s
      tlsCertificate: {certificate_chain: {filename: shown}, private_key: {filename: hide, list: [hide, 1]}}
      more: {"@type": type.googleapis.com/%s, tls_certificate: {password: hide}}
    """
    typed = message("udpa.type.v1.TypedStruct", text % (SECRET, SECRET))
    expected = {
        "type_url": f"type.googleapis.com/{SECRET}",
        "value": {
            "name": "s",
            "tlsCertificate": {
                "certificate_chain": {"filename": "shown"},
                "private_key": {"filename": "[redacted]", "list": ["[redacted]", None]},
            },
            "more": {
                "@type": f"type.googleapis.com/{SECRET}",
                "tls_certificate": {"password": "[redacted]"},
            },
        },
    }
    assert json.loads(to_json(typed)) == expected
    url = "type.googleapis.com/udpa.type.v1.TypedStruct"
    assert json.loads(to_json(any_of(typed))) == {"@type": url, **expected}


def test_a_list_longer_than_what_is_kept_at_once() -> None:
    bootstrap: Any = schema.new_message(schema.BOOTSTRAP)
    names = [f"cluster {number}" for number in range(20_000)]
    for name in names:
        bootstrap.static_resources.clusters.add(name=name)
    shown = json.loads(to_json(bootstrap))
    assert [cluster["name"] for cluster in shown["static_resources"]["clusters"]] == names
