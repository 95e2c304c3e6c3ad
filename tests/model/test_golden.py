"""Lowering yields what the golden files say, and the model's own types can read them."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from ferryman.config import model

from tests.model import golden


def types_of_the_model() -> list[type[msgspec.Struct]]:
    found: list[type[msgspec.Struct]] = []
    unread = [msgspec.Struct]
    while unread:
        kinds = unread.pop().__subclasses__()
        unread += kinds
        found += [kind for kind in kinds if kind.__module__.startswith("ferryman.config.model.")]
    return found


class Golden(msgspec.Struct, forbid_unknown_fields=True):
    bootstrap: model.Bootstrap
    clusters: list[model.Cluster]
    listeners: list[model.Listener]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(golden.ROOT)
    for name, value in golden.VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", golden.NAMES)
def test_lowering_yields_the_golden_file(name: str) -> None:
    lowered = golden.lower(name)
    hint = "; if the change is meant, run python tests/model/golden.py and read the difference"
    assert golden.as_json(lowered).decode() == golden.FOLDER.joinpath(f"{name}.json").read_text(), hint
    assert golden.as_msgpack(lowered) == golden.FOLDER.joinpath(f"{name}.msgpack").read_bytes(), hint


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_model_reads_back_what_crosses(name: str) -> None:
    lowered = golden.lower(name)
    read = msgspec.msgpack.decode(golden.as_msgpack(lowered), type=Golden)
    assert golden.tree(lowered) == msgspec.structs.asdict(read)


def test_no_golden_file_is_left_without_its_configuration() -> None:
    made = {path.stem for path in golden.FOLDER.glob("*.msgpack")}
    assert made == set(golden.NAMES)
    assert len(golden.NAMES) >= 10


def test_no_two_types_of_the_model_have_one_name() -> None:
    twice = [
        name for name, times in Counter(kind.__name__ for kind in types_of_the_model()).items() if times > 1
    ]
    assert not twice and len(types_of_the_model()) > 150


def test_every_type_that_crosses_is_found_by_its_name() -> None:
    hidden = [
        kind.__name__ for kind in types_of_the_model() if getattr(model, kind.__name__, kind) is not kind
    ]
    assert not hidden, f"these names stand for something else: {hidden}"
