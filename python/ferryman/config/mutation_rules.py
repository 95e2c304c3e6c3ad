"""Header edits that are made one after the other.

Owns the HeaderMutation of `config.common.mutation_rules`. Who makes the edits is no business of this module.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/common/mutation_rules/v3/mutation_rules.proto
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ferryman.config.fields import Fields, refuse
from ferryman.config.header import is_protected, lower_header_value_option
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.model import http_filters

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_EDIT: Final = Fields("envoy.config.common.mutation_rules.v3.HeaderMutation", "remove append remove_on_match")
_ON_MATCH: Final = Fields("envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch", "key_matcher")


def lower_header_edits(
    cursor: Cursor, field: str, added: frozenset[str] = frozenset()
) -> list[http_filters.HeaderEdit]:
    """A list of HeaderMutation, in its order. `added`: operators that formatters add."""
    lowered = [_lower_edit(item, added) for item in cursor.items(field)]
    return [edit for edit in lowered if edit is not None]


def _lower_edit(cursor: Cursor, added: frozenset[str]) -> http_filters.HeaderEdit | None:
    fields = _EDIT.read(cursor)
    if "append" in fields:
        option = lower_header_value_option(cursor.child("append"), added)
        return None if option is None else http_filters.AppendHeader(option=option)
    if "remove_on_match" in fields:
        matching = cursor.child("remove_on_match")
        _ON_MATCH.read(matching)
        return http_filters.RemoveHeadersOnMatch(matcher=lower_string_matcher(matching.child("key_matcher")))
    name = fields.get("remove", "").lower()
    if is_protected(name):
        refuse(cursor, f"removing `{name}` is not supported", "it is part of every message", "remove")
    return http_filters.RemoveHeader(name=name) if name else None
