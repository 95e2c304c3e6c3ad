"""The plain values of an ordinary YAML text, the quick way: without a place for each value.

Owns the short cut for what nearly every file is: one document without aliases, in which no key stands twice.
Everything else, mistakes above all, is left to `yaml_text.py`, which knows where each value stands and reads
the same values from the same text.

Follows https://yaml.org/spec/1.2.2/ as far as `yaml_text.py` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from ferryman.config.yaml_text import MAX_DEPTH, value_of

_NextEvent = Callable[[], Any]


class NotOrdinary(ValueError):
    """The text needs the whole reader: something in it is unusual or wrong."""


def loads(text: str) -> Any:
    """The values of the only document of a text. Raises NotOrdinary."""
    try:
        get: _NextEvent = CParser(text).get_event
        get()
        if type(get()) is not DocumentStartEvent:
            raise NotOrdinary
        values = _value(get(), get, 0)
        get()
        if type(get()) is not StreamEndEvent:
            raise NotOrdinary
    except yaml.YAMLError:
        raise NotOrdinary from None
    return values


def _value(event: Any, get: _NextEvent, depth: int) -> Any:
    kind = type(event)
    if kind is ScalarEvent:
        return value_of(event)
    if depth < MAX_DEPTH:
        if kind is MappingStartEvent:
            return _mapping(get, depth + 1)
        if kind is SequenceStartEvent:
            return _sequence(get, depth + 1)
    raise NotOrdinary


def _sequence(get: _NextEvent, depth: int) -> list[Any]:
    made: list[Any] = []
    event = get()
    while type(event) is not SequenceEndEvent:
        made.append(_value(event, get, depth))
        event = get()
    return made


def _mapping(get: _NextEvent, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    key = get()
    while type(key) is ScalarEvent:
        name = key.value
        if key.tag is not None or name in made:
            raise NotOrdinary
        made[name] = _value(get(), get, depth)
        key = get()
    if type(key) is not MappingEndEvent:
        raise NotOrdinary
    return made
