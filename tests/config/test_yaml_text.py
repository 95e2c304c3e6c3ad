from __future__ import annotations

import itertools
from typing import Any

import pytest
from ferryman.config.tree import MAX_NODES, TextError, plain
from ferryman.config.yaml_text import Composer


def load(text: str) -> Any:
    root = Composer(text).compose()
    return None if root is None else plain(root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in ("y", "Y", "yes", "Yes", "YES", "true", "True", "on", "On", "ON")],
        *[(word, False) for word in ("n", "N", "no", "No", "NO", "false", "FALSE", "off", "Off", "OFF")],
        *[(word, word) for word in ("yEs", "tRue", "oN", "T", "f", "nULL", "yess")],
        *[(word, None) for word in ("~", "null", "Null", "NULL", "")],
        *[("12", 12), ("+5", 5), ("-5", -5), ("0", 0), ("-0", 0)],
        *[("0x1F", 31), ("0X1f", 31), ("-0x10", -16), ("017", 15), ("010", 8), ("00", 0)],
        *[("018", "018"), ("0o17", "0o17"), ("0b1", "0b1"), ("1_000", "1_000"), ("0x", "0x")],
        *[("2147483647", 2147483647), ("2147483648", "2147483648"), ("-2147483649", "-2147483649")],
        *[("0x80000000", "2147483648"), ("9223372036854775808", "9223372036854775808")],
        *[("1.5", "1.5"), ("1e3", "1e3"), (".inf", ".inf"), ("2001-01-01", "2001-01-01"), ("1.5s", "1.5s")],
        *[('"12"', "12"), ("'yes'", "yes"), ('"null"', "null"), ('""', "")],
        *[("! 12", "12"), ("!!str 12", 12), ("!!str yes", True), ("!!null x", "x"), ("!foo ''", "")],
    ],
)
def test_scalars_are_read_as_envoy_reads_them(text: str, value: Any) -> None:
    read = load(f"k: {text}")["k"]
    assert read == value
    assert type(read) is type(value)


def test_block_scalars_are_text() -> None:
    assert load("k: |\n  yes\n") == {"k": "yes\n"}
    assert load("k: >-\n  12\n  13\n") == {"k": "12 13"}


def test_keys_are_text() -> None:
    assert load("{5: a, yes: b, ~: c, 'd': e}") == {"5": "a", "yes": "b", "~": "c", "d": "e"}


def test_collections_nest() -> None:
    assert load("a:\n- b: [1, {c: d}]\n-\n- []\n") == {"a": [{"b": [1, {"c": "d"}]}, None, []]}


def test_aliases_share_what_their_anchor_names() -> None:
    read = load("a: &x {b: [1]}\nc: *x\nd: &y text\ne: *y\n")
    assert read == {"a": {"b": [1]}, "c": {"b": [1]}, "d": "text", "e": "text"}
    assert read["a"] is read["c"]


def test_an_ignored_key_still_defines_its_anchor() -> None:
    assert load("!ignore defaults: &x {b: 1}\na: *x\n") == {"a": {"b": 1}}


def test_merge_keys_are_plain_keys() -> None:
    assert load("a: {<<: {b: 1}}") == {"a": {"<<": {"b": 1}}}


def test_a_later_key_wins_and_is_noted() -> None:
    composer = Composer("a: 1\nb: 2\na: 3\n")
    root = composer.compose()
    assert root is not None
    assert plain(root) == {"a": 3, "b": 2}
    [duplicate] = composer.duplicates
    assert (duplicate.key, duplicate.first, duplicate.offset) == ("a", 0, 10)


@pytest.mark.parametrize("text", ["", "# comment\n", "---\n", "--- \n...\n"])
def test_nothing_in_it(text: str) -> None:
    assert load(text) is None


def test_only_the_first_document_is_read() -> None:
    composer = Composer("a: 1\n---\nb: 2\n")
    root = composer.compose()
    assert root is not None
    assert plain(root) == {"a": 1}
    assert composer.further_document == 5
    assert load("a: 1\n---\n}") == {"a": 1}
    assert load("a: 1\n...\n}") == {"a": 1}


def test_offsets_count_characters() -> None:
    root = Composer("é: ☃\n😀: x\n").compose()
    assert root is not None
    assert {key: (offset, node.offset) for key, (offset, node) in root.value.items()} == {
        "é": (0, 3),
        "😀": (5, 8),
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: *x", 1, "alias *x has no anchor"),
        ("a: &x [*x]", 1, "alias *x has no anchor"),
        ("? [a]\n: b", 1, "a key must be plain text"),
        ("a:\n\tb: c", 2, "indented with a tab"),
        ("a: b: c", 1, "mapping values are not allowed"),
        ('a: "b\nc: "d"\n', 1, "a quote is opened here"),
        ('a: "b\n  c"\nd: {\n', 3, "a bracket is opened here"),
        ("a: [1\nb: 2\n", 1, "a bracket is opened here"),
        ("a:\n  b: 1\n  c 2\n  d: 3\n", 3, "no colon"),
        ("a:\n- name x\n  b: 1\n", 2, "no colon"),
        ("a:\n   b: 1\n  c: 2\nd:\n  e: 1\n", 2, "not indented as its neighbours"),
        ("a:\n  b: 1\n   c: 2\n", 3, "mapping values are not allowed"),
        ("a: @x", 1, "cannot start any token"),
        ("- a\nb: c\n", 2, "did not find expected"),
        ("a: \x01", 1, "not allowed"),
    ],
)
def test_a_mistake_is_found_at_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(TextError) as caught:
        load(text)
    assert says in caught.value.text
    assert text[: caught.value.offset].count("\n") + 1 == line


def test_too_many_aliased_values_are_refused_quickly() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, name in itertools.pairwise("abcdefgh"):
        lines.append(f"{name}: &{name} [{','.join(['*' + before] * 10)}]")
    with pytest.raises(TextError, match=f"more than {MAX_NODES} values"):
        load("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 500, "- " * 1000])
def test_too_deep_is_refused(text: str) -> None:
    with pytest.raises(TextError, match="levels deep"):
        load(text)
