"""The quick reader of YAML says what the whole one says, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ferryman.config.problems import Problems
from ferryman.config.source import Source
from ferryman.config.tree import plain
from ferryman.config.yaml_text import MAX_DEPTH, Composer
from ferryman.config.yaml_values import NotOrdinary, loads
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
SCALARS = st.sampled_from(
    ["yes", "'no'", "12", '"12"', "0x1F", "~", "", "! 12", "!!str 3", "a b", "-", "&x y", "'"]
)
PIECES = st.sampled_from([*"abc:,-[]{}'\"?#|>!&*%@.01~ \n", " ", "\n", "  ", "---", "...", ": ", "- "])


def whole(text: str) -> Any:
    """What the whole reader makes of a text that needs nothing special."""
    composer = Composer(text)
    root = composer.compose()
    assert root is not None and not composer.duplicates and composer.further_document is None
    return plain(root)


def nested(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(children, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    keys = st.lists(children, max_size=3).map(
        lambda items: "{" + ", ".join(f"k{number}: {item}" for number, item in enumerate(items)) + "}"
    )
    return lists | keys


@given(st.recursive(SCALARS, nested, max_leaves=12) | st.lists(PIECES, max_size=14).map("".join))
def test_it_agrees_with_the_whole_reader(text: str) -> None:
    try:
        quick = loads(text)
    except NotOrdinary:
        return
    slow = whole(text)
    assert repr(quick) == repr(slow)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda path: path.parent.name
)
def test_real_files_need_no_more(path: Path) -> None:
    assert loads(path.read_text()) == whole(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing\n", "a: 1\na: 2\n", "a: &x 1\nb: *x\n", "!ignore a: 1\nb: 2\n", "a: 1\n---\nb: 2\n"),
        *("? [a]\n: 1\n", "a: [1\n", "a: *x\n", "\tb: 1", "a: 'b", "a: 1\n b: 2\n", "a: \x01\n"),
        *("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "{a: " * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1)),
    ],
)
def test_what_is_unusual_is_left_to_the_whole_reader(text: str) -> None:
    with pytest.raises(NotOrdinary):
        loads(text)


def test_a_file_without_mistakes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source.from_text(yaml.safe_dump({"a": [1, {"b": "c"}]}))
    monkeypatch.setattr(Composer, "compose", None)
    assert source.tree(Problems()) == ({"a": [1, {"b": "c"}]}, True)
