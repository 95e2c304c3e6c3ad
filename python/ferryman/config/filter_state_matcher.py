"""Matchers of the objects that filters leave for each other.

Owns FilterStateMatcher. Whose filter state is matched is the business of whoever has the matcher.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/matcher/v3/filter_state.proto
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferryman.config import model
from ferryman.config.address import lower_cidr_range
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_MATCHER = Fields("envoy.type.matcher.v3.FilterStateMatcher", "key string_match address_match")
_ADDRESS = Fields("envoy.type.matcher.v3.AddressMatcher", "ranges invert_match")


def lower_filter_state_matcher(cursor: Cursor) -> model.FilterStateMatcher:
    """A FilterStateMatcher."""
    fields = _MATCHER.read(cursor)
    value: model.StateText | model.StateAddress | model.StateNothing = model.StateNothing()
    if "string_match" in fields:
        value = model.StateText(matcher=lower_string_matcher(cursor.child("string_match")))
    elif "address_match" in fields:
        value = lower_address_matcher(cursor.child("address_match"))
    return model.FilterStateMatcher(key=fields.get("key", ""), value=value)


def lower_address_matcher(cursor: Cursor) -> model.StateAddress:
    """An AddressMatcher."""
    fields = _ADDRESS.read(cursor)
    ranges = [lower_cidr_range(item) for item in cursor.items("ranges")]
    kept = [cidr for cidr in ranges if cidr is not None]
    return model.StateAddress(ranges=kept, invert=fields.get("invert_match", False))
