from __future__ import annotations

import json
from typing import Any

import pytest
from ferryman.config.json_text import Reader, loads
from ferryman.config.tree import TextError, plain
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def load(text: str) -> Any:
    return plain(Reader(text).read())


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 1, 4]))
def test_strict_json_reads_as_json_does(value: Any, indent: int | None) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        assert load(text) == json.loads(text) == loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'b'}", {"a": "b"}),
        ("{a: 1, b_c: null}", {"a": 1, "b_c": None}),
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ("{'a': 'x\"y'}", {"a": 'x"y'}),
        (r"{'a': 'x\'y\\'}", {"a": "x'y\\"}),
        ('{"a": "tab\there"}', {"a": "tab\there"}),
        (r'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        ('{"a": 1e2, "b": -0.5}', {"a": 100.0, "b": -0.5}),
    ],
)
def test_what_envoy_lets_pass(text: str, value: Any) -> None:
    assert load(text) == value


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("", 0, "ends too early"),
        ('{"a": 1', 7, "ends too early"),
        ('{"a": 1} x', 9, "something after the end"),
        ('{"a" 1}', 5, 'expected ":"'),
        ('{"a": 1 "b": 2}', 8, 'expected "," or "}"'),
        ('["a" "b"]', 5, 'expected "," or "]"'),
        ('{"a": tru}', 6, "expected a value, not tru"),
        ('{"a": 01}', 6, "unexpected '0'"),
        ('{"a": .5}', 6, "unexpected '.'"),
        ('{"a": "b}\n', 6, "a string is not closed"),
        ('{"a": 1 // x\n}', 8, "no comments"),
        ('{"a": "\\x"}', 7, "escape"),
        ("{1: 2}", 1, "expected a key"),
        ("{,}", 1, "expected a key"),
        ("[,]", 1, "expected a value"),
    ],
)
def test_a_mistake_is_found_where_it_is(text: str, offset: int, says: str) -> None:
    with pytest.raises(TextError) as caught:
        load(text)
    assert says in caught.value.text
    assert caught.value.offset == offset


def test_keys_and_values_have_offsets() -> None:
    root = Reader('{"é": [1, "x"],\n b: {}}').read()
    offset, items = root.value["é"]
    assert (offset, items.offset, [item.offset for item in items.value]) == (1, 6, [7, 10])
    assert (root.value["b"][0], root.value["b"][1].offset) == (17, 20)


def test_a_later_key_wins_and_is_noted() -> None:
    reader = Reader('{"a": 1, "a": 2}')
    assert plain(reader.read()) == {"a": 2}
    assert [(duplicate.first, duplicate.offset) for duplicate in reader.duplicates] == [(1, 9)]


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[NaN]", "[Infinity]", "{'a': 1}"])
def test_the_quick_way_leaves_odd_texts_to_the_slow_one(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


def test_too_deep_is_refused() -> None:
    with pytest.raises(TextError, match="levels deep"):
        load("[" * 100_000)
