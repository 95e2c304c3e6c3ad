"""No field is ignored: each one that lowering claims is cleared once, and the model must change.

The golden configurations set every field that is declared as lowered. A field that is declared and not read,
or read and not declared, fails here; a field that no golden configuration sets fails as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from ferryman.api import schema
from ferryman.config import extensions, well_known
from ferryman.config.cursor import Cursor
from ferryman.config.decode import Decoding
from ferryman.config.fields import DECLARED, EMPTY, Fields
from ferryman.config.parse import parse_bootstrap
from ferryman.config.pipeline import read_sources, validate_and_lower
from ferryman.config.problems import Path, Problems

from tests.model import golden

extensions.built_types()  # imports every lowering module, so that DECLARED is complete


def lower(message: Any) -> object:
    """What a Bootstrap message lowers to, or the errors that it has."""
    cursor = Cursor(message, Problems(), None)
    lowered = validate_and_lower(cursor, golden.OPTIONS)
    if lowered is None:
        return [str(problem) for problem in cursor.problems.errors]
    return msgspec.msgpack.encode(golden.tree(lowered))


def each_field_cleared(message: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Clears one field after another, at any depth; yields where, then puts it back."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        inner = well_known.unpack(message, Decoding(Problems(), None))
        before = message.value
        for place in each_field_cleared(inner, path) if inner is not None else ():
            message.value = inner.SerializeToString()
            yield place
        message.value = before
        return
    for field in [field for field, _ in message.ListFields()]:
        before = type(message).FromString(message.SerializeToString())
        message.ClearField(field.name)
        yield path, field.name
        message.CopyFrom(before)
        if field.message_type is not None:
            for child, steps in children(getattr(message, field.name), field):
                yield from each_field_cleared(child, (*path, field.name, *steps))


def children(value: Any, field: Any) -> list[tuple[Any, Path]]:
    if field.message_type.GetOptions().map_entry:
        if field.message_type.fields_by_name["value"].message_type is None:
            return []
        return [(value[key], (str(key),)) for key in value]
    if field.is_repeated:
        return [(item, (index,)) for index, item in enumerate(value)]
    return [(value, ())]


NO_PLACE = {
    ("envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", "query_param"),
    ("envoy.type.matcher.v3.HttpRequestTrailerMatchInput", "header_name"),
    ("envoy.type.matcher.v3.HttpResponseHeaderMatchInput", "header_name"),
    ("envoy.type.matcher.v3.HttpResponseTrailerMatchInput", "header_name"),
    ("xds.type.matcher.v3.Matcher.OnMatch", "keep_matching"),
}
"""Parts of match trees that no place takes yet which is built."""


def fields_with_effect(name: str, monkeypatch: pytest.MonkeyPatch) -> set[tuple[Fields, str]]:
    """Which declared fields, cleared somewhere in one golden configuration, change what it lowers to."""
    read_at: dict[Path, Fields] = {}
    original = Fields.read

    def recording(self: Fields, cursor: Cursor) -> dict[str, Any]:
        read_at[cursor.path] = self
        return original(self, cursor)

    cursor, problems = parse_bootstrap(read_sources([f"tests/model/{name}.yaml"]))
    assert not problems.has_errors
    with monkeypatch.context() as patch:
        patch.setattr(Fields, "read", recording)
        before = lower(cursor.message)
    found = set()
    for path, field in each_field_cleared(cursor.message):
        declared = read_at.get(path)
        if declared is not None and field in declared.lowered and lower(cursor.message) != before:
            found.add((declared, field))
    return found


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(golden.ROOT)  # both are put back after the test
    for name, value in golden.VARIABLES.items():
        monkeypatch.setenv(name, value)


def test_every_lowered_field_has_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    found: set[tuple[Fields, str]] = set()
    for name in golden.NAMES:
        found |= fields_with_effect(name, monkeypatch)
    claimed = {(declared, field) for declared in DECLARED.values() for field in declared.lowered}
    claimed = {(declared, field) for declared, field in claimed if (declared.message, field) not in NO_PLACE}
    silent = sorted(f"{declared.message} {declared.where}: {field}" for declared, field in claimed - found)
    assert not silent, "declared as lowered, but nothing changes without them:\n" + "\n".join(silent)


@pytest.mark.parametrize("declared", DECLARED.values(), ids=lambda declared: declared.message.split(".")[-1])
def test_declared_fields_exist(declared: Fields) -> None:
    descriptor = schema.find_descriptor(declared.message)
    assert descriptor is not None
    groups = [declared.lowered, declared.checked, declared.same, declared.no_effect]
    names = [name for group in groups for name in group]
    assert set(names) <= set(descriptor.fields_by_name)
    assert len(names) == len(set(names)), "a field is declared twice"
    assert set(declared.partly) <= declared.lowered
    for name, value in declared.same.items():
        assert value is not EMPTY or descriptor.fields_by_name[name].message_type is not None
