"""The predicates of match trees: what is asked of inputs, and how the answers are combined.

Owns Predicate and the matchers of single values. String matchers are those of `matcher.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/xds/type/matcher/v3/matcher.proto
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ferryman.config import model
from ferryman.config.address import lower_cidr_range
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.metadata_matcher import lower_value_matcher
from ferryman.config.runtime import lower_runtime_fraction

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_LIST: Final = "xds.type.matcher.v3.Matcher.MatcherList"
_PREDICATE = Fields(f"{_LIST}.Predicate", "single_predicate or_matcher and_matcher not_matcher")
_PREDICATE_LIST = Fields(f"{_LIST}.Predicate.PredicateList", "predicate")
_SINGLE = Fields(f"{_LIST}.Predicate.SinglePredicate", "input value_match custom_match")

_INPUT: Final = "envoy.extensions.matching.input_matchers"
_IP = Fields(f"{_INPUT}.ip.v3.Ip", "cidr_ranges stat_prefix")
_HASHING = Fields(f"{_INPUT}.consistent_hashing.v3.ConsistentHashing", "threshold modulo seed")

_METADATA = Fields(f"{_INPUT}.metadata.v3.Metadata", "value invert")
_FRACTION = Fields(f"{_INPUT}.runtime_fraction.v3.RuntimeFraction", "runtime_fraction seed")

_NEVER: Final = model.InputNothing()

LowerInput = Callable[["Cursor"], model.MatchInput | None]


def lower_predicate(cursor: Cursor, lower_input: LowerInput) -> model.Predicate | None:
    """A Predicate; None when part of it was refused."""
    fields = _PREDICATE.read(cursor)
    if "or_matcher" in fields:
        predicates = _lower_all(cursor.child("or_matcher"), lower_input)
        return None if predicates is None else model.OrPredicate(predicates=predicates)
    if "and_matcher" in fields:
        predicates = _lower_all(cursor.child("and_matcher"), lower_input)
        return None if predicates is None else model.AndPredicate(predicates=predicates)
    if "not_matcher" in fields:
        inner = lower_predicate(cursor.child("not_matcher"), lower_input)
        return None if inner is None else model.NotPredicate(predicate=inner)
    return _lower_single(cursor.child("single_predicate"), lower_input)


def _lower_all(cursor: Cursor, lower_input: LowerInput) -> list[model.Predicate] | None:
    _PREDICATE_LIST.read(cursor)
    lowered = [lower_predicate(item, lower_input) for item in cursor.items("predicate")]
    kept = [predicate for predicate in lowered if predicate is not None]
    return kept if len(kept) == len(lowered) else None


def _lower_single(cursor: Cursor, lower_input: LowerInput) -> model.SinglePredicate | None:
    fields = _SINGLE.read(cursor)
    found = lower_input(cursor.child("input"))
    match: model.InputMatcher | None = None
    if "value_match" in fields:
        match = model.InputString(matcher=lower_string_matcher(cursor.child("value_match")))
    elif "custom_match" in fields:
        opened = open_extension(cursor.child("custom_match"), "envoy.matching.input_matchers", BUILT)
        match = opened[1](opened[0]) if opened is not None else None
    return None if found is None or match is None else model.SinglePredicate(input=found, match=match)


def _lower_ip(cursor: Cursor) -> model.InputMatcher:
    fields = _IP.read(cursor)
    ranges = [lower_cidr_range(item) for item in cursor.items("cidr_ranges")]
    return model.InputIp(
        ranges=[cidr for cidr in ranges if cidr is not None], stat_prefix=fields.get("stat_prefix", "")
    )


def _lower_hashing(cursor: Cursor) -> model.InputMatcher:
    fields = _HASHING.read(cursor)
    threshold, modulo = fields.get("threshold", 0), fields.get("modulo", 0)
    if threshold > modulo > 0:
        cursor.problem(f"must not be greater than the modulo, {modulo}", field="threshold")
    return model.InputConsistentHashing(threshold=threshold, modulo=modulo, seed=fields.get("seed", 0))


def _lower_metadata(cursor: Cursor) -> model.InputMatcher:
    fields = _METADATA.read(cursor)
    value = lower_value_matcher(cursor.child("value"))
    return model.InputMetadata(value=value, invert=fields.get("invert", False))


def _lower_fraction(cursor: Cursor) -> model.InputMatcher:
    fields = _FRACTION.read(cursor)
    fraction = lower_runtime_fraction(cursor.child("runtime_fraction"))
    return model.InputRuntimeFraction(fraction=fraction, seed=fields.get("seed", 0))


BUILT: Final[Mapping[str, Callable[[Cursor], model.InputMatcher]]] = {
    _IP.message: _lower_ip,
    _HASHING.message: _lower_hashing,
    _METADATA.message: _lower_metadata,
    _FRACTION.message: _lower_fraction,
}
"""The matchers of single values that are built, by the type of their configuration."""
