"""Matchers of metadata values.

Owns ValueMatcher and MetadataMatcher. Whose metadata is matched is the business of whoever has the matcher.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/matcher/v3/metadata.proto and `value.proto`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ferryman.config import model
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_METADATA_MATCHER = Fields("envoy.type.matcher.v3.MetadataMatcher", "filter path value invert")
_PATH_SEGMENT = Fields("envoy.type.matcher.v3.MetadataMatcher.PathSegment", "key")
_VALUE_MATCHER = Fields(
    "envoy.type.matcher.v3.ValueMatcher",
    "null_match double_match string_match bool_match present_match list_match or_match",
)
_DOUBLE_MATCHER = Fields("envoy.type.matcher.v3.DoubleMatcher", "range exact")
_DOUBLE_RANGE = Fields("envoy.type.v3.DoubleRange", "start end")
_LIST_MATCHER = Fields("envoy.type.matcher.v3.ListMatcher", "one_of")
_OR_MATCHER = Fields("envoy.type.matcher.v3.OrMatcher", "value_matchers")
_NEVER: Final = model.MatchAnyValue(matchers=[])


def lower_metadata_matcher(cursor: Cursor) -> model.MetadataMatcher:
    """A MetadataMatcher."""
    fields = _METADATA_MATCHER.read(cursor)
    path = [_PATH_SEGMENT.read(item).get("key", "") for item in cursor.items("path")]
    return model.MetadataMatcher(
        namespace=fields.get("filter", ""),
        path=path,
        value=lower_value_matcher(cursor.child("value")) if "value" in fields else _NEVER,
        invert=fields.get("invert", False),
    )


def lower_value_matcher(cursor: Cursor) -> model.ValueMatcher:
    """A ValueMatcher. One without a pattern takes nothing."""
    fields = _VALUE_MATCHER.read(cursor)
    if "null_match" in fields:
        return model.MatchNull()
    if "double_match" in fields:
        return _lower_double(cursor.child("double_match"))
    if "string_match" in fields:
        return model.MatchText(matcher=lower_string_matcher(cursor.child("string_match")))
    if "bool_match" in fields:
        return model.MatchBool(value=fields["bool_match"])
    if "present_match" in fields:
        return model.MatchPresent(present=fields["present_match"])
    if "list_match" in fields:
        items = cursor.child("list_match")
        _LIST_MATCHER.read(items)
        return model.MatchOneOf(matcher=lower_value_matcher(items.child("one_of")))
    if "or_match" in fields:
        alternatives = cursor.child("or_match")
        _OR_MATCHER.read(alternatives)
        return model.MatchAnyValue(
            matchers=[lower_value_matcher(item) for item in alternatives.items("value_matchers")]
        )
    return _NEVER


def _lower_double(cursor: Cursor) -> model.ValueMatcher:
    fields = _DOUBLE_MATCHER.read(cursor)
    if "range" in fields:
        limits = _DOUBLE_RANGE.read(cursor.child("range"))
        return model.MatchRange(start=limits.get("start", 0.0), end=limits.get("end", 0.0))
    return model.MatchNumber(value=fields.get("exact", 0.0))
