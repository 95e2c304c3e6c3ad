"""Single values: which are taken, what they become, what is said of the others."""

from __future__ import annotations

import math
from typing import Any

import pytest

from config.reading import message, refusal

PROTOBUF = "google.protobuf."
CLUSTER = "envoy.config.cluster.v3.Cluster"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        *[("UInt32", "5", 5), ("UInt32", '"5"', 5), ("UInt32", "5.0", 5), ("UInt32", "1e2", 100)],
        *[("UInt32", '"0x10"', 16), ("UInt32", '"+5"', 5), ("UInt32", '"010"', 10), ("UInt32", "010", 8)],
        *[("UInt32", "4294967295", 2**32 - 1), ("UInt64", "18446744073709551615", 2**64 - 1)],
        *[("Int64", "-9223372036854775808", -(2**63)), ("Int32", '"-0"', 0), ("Int32", '"10e-1"', 1)],
        *[("Double", "1.5", 1.5), ("Double", '"5."', 5.0), ("Double", '".5"', 0.5), ("Double", "3", 3.0)],
        *[("Double", "Infinity", math.inf), ("Double", "-inf", -math.inf), ("Double", '"1e400"', math.inf)],
        *[("Double", '"0x1p3"', 8.0), ("Float", "1e38", 1e38)],
        *[("Bool", "yes", True), ("Bool", '"yes"', True), ("Bool", '"1"', True), ("Bool", '"F"', False)],
        *[("String", "x", "x"), ("String", "1.5", "1.5"), ("String", '""', "")],
        *[("Bytes", "aGk=", b"hi"), ("Bytes", "aGk", b"hi"), ("Bytes", '"-_-_"', b"\xfb\xff\xbf")],
        ("UInt32", "{value: 7}", 7),
    ],
)
def test_a_wrapper_takes(kind: str, text: str, value: Any) -> None:
    got = message(f"{PROTOBUF}{kind}Value", text).value
    assert got == pytest.approx(value) if isinstance(value, float) else got == value


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("UInt32", "-1", "must be between 0 and 4294967295, not -1"),
        ("UInt32", "4294967296", "must be between 0 and 4294967295, not 4294967296"),
        ("UInt64", "18446744073709551616", "must be between"),
        ("Int32", "2147483648", "must be between"),
        ("UInt32", "1.5", "must be a whole number, not 1.5"),
        ("UInt32", "many", 'must be a number, not a string ("many")'),
        ("UInt32", "10ms", "write the number only: 10"),
        ("UInt32", '" 5"', "remove the space around it"),
        ("UInt32", '""', "must be a number"),
        ("UInt32", "true", "must be a whole number, not a boolean (true)"),
        ("UInt32", "[]", "must be a whole number, not a list"),
        ("UInt32", "1e400", "must be a whole number"),
        ("Float", "3.5e38", "is out of range"),
        ("Double", "x", "must be a number"),
        ("Double", "1_0", "must be a number"),
        ("Bool", "1", "must be true or false, not a number (1)"),
        ("Bool", '"maybe"', "must be true or false"),
        ("String", "yes", "quote it: an unquoted yes"),
        ("String", "12", 'write it in quotes: "12"'),
        ("String", "[]", "must be a string, not a list"),
        ("String", '"\\ud800"', "must be valid Unicode text"),
        ("Bytes", "a", "must be base64 text"),
        ("Bytes", "aGk==", "must be base64 text"),
        ("Bytes", "5", "must be base64 text, not a number (5)"),
    ],
)
def test_a_wrapper_refuses(kind: str, text: str, says: str) -> None:
    format = "json" if "\\u" in text else "yaml"
    assert says in refusal(f"{PROTOBUF}{kind}Value", text, format=format)


def test_nan() -> None:
    assert math.isnan(message(f"{PROTOBUF}DoubleValue", "NaN").value)


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        *[("5s", 5, 0), ("1.5s", 1, 500_000_000), ("0.000000001s", 0, 1), ("05s", 5, 0), ("0s", 0, 0)],
        *[("-1.5s", -1, -500_000_000), ("-0.5s", 0, -500_000_000), ("{seconds: 3, nanos: 4}", 3, 4)],
    ],
)
def test_a_duration_takes(text: str, seconds: int, nanos: int) -> None:
    got = message(f"{PROTOBUF}Duration", text)
    assert (got.seconds, got.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        *[("5", "did you mean 5s?"), ("500ms", "did you mean 0.5s?"), ("1m", "did you mean 60s?")],
        *[("2h", "did you mean 7200s?"), ("1.5", "did you mean 1.5s?"), ("5S", ""), ("s", ""), ("true", "")],
        *[(".5s", ""), ("1.s", ""), ("+5s", ""), ("5.1234567890s", ""), ('" 5s"', ""), ("1e1s", "")],
        ("[]", ""),
    ],
)
def test_a_duration_refuses(text: str, hint: str) -> None:
    said = refusal(f"{PROTOBUF}Duration", text)
    assert "must be a duration such as 1.5s, not" in said
    assert hint in said


def test_a_duration_has_a_limit() -> None:
    assert message(f"{PROTOBUF}Duration", "315576000000s").seconds == 315576000000
    assert "must be at most 315576000000s" in refusal(f"{PROTOBUF}Duration", "315576000001s")


def test_timestamps() -> None:
    got = message(f"{PROTOBUF}Timestamp", '"2026-01-31T01:00:00.25+01:00"')
    assert (got.seconds, got.nanos) == (1769817600, 250_000_000)
    for wrong in ("2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31 00:00:00Z", "5"):
        assert "must be a time such as" in refusal(f"{PROTOBUF}Timestamp", f'"{wrong}"')


def test_field_masks() -> None:
    assert list(message(f"{PROTOBUF}FieldMask", "fooBar,baz.quxQuux").paths) == ["foo_bar", "baz.qux_quux"]


def test_struct_keeps_every_kind_of_value() -> None:
    got = message(f"{PROTOBUF}Struct", "{a: 1, b: 1.5, c: [true, null, {d: x}], e: 5000000000}")
    kinds = {key: value.WhichOneof("kind") for key, value in got.fields.items()}
    assert kinds == {"a": "number_value", "b": "string_value", "c": "list_value", "e": "string_value"}
    assert [value.WhichOneof("kind") for value in got.fields["c"].list_value.values] == [
        *("bool_value", "null_value", "struct_value")
    ]


def test_json_numbers_in_a_struct_stay_numbers() -> None:
    got = message(f"{PROTOBUF}Struct", '{"a": 1.5}', format="json")
    assert got.fields["a"].number_value == 1.5


@pytest.mark.parametrize("text", ["RANDOM", "random", "Random", "3", '"3"', "3.0"])
def test_an_enum_takes(text: str) -> None:
    if text == "3.0":  # YAML makes text of it, and no enum has a value of that name
        assert message(CLUSTER, '{"lb_policy": 3.0}', format="json").lb_policy == 3
    else:
        assert message(CLUSTER, f"lb_policy: {text}").lb_policy == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("RANDON", '"RANDON" is not one of its values; did you mean RANDOM?'),
        ("round-robin", "did you mean ROUND_ROBIN?"),
        ("zzz", "one of ROUND_ROBIN, LEAST_REQUEST, RING_HASH"),
        ("[]", "must be the name of a value, not a list"),
        ("true", "must be the name of a value, not a boolean (true)"),
    ],
)
def test_an_enum_refuses(text: str, says: str) -> None:
    assert says in refusal(CLUSTER, f"lb_policy: {text}")
