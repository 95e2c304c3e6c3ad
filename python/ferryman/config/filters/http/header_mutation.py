"""`envoy.filters.http.header_mutation`: edits headers, trailers and query parameters.

Owns the filter's messages; one list of header edits is `mutation_rules.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/header_mutation_filter
"""

from __future__ import annotations

import re
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, refuse, word
from ferryman.config.format import lower_format
from ferryman.config.header import APPEND_ACTIONS
from ferryman.config.model import http_filters
from ferryman.config.mutation_rules import lower_header_edits
from ferryman.config.substitution_format import lower_formatters

_KEY: Final = re.compile(r"[!$-%'-~]*")
"""Names that leave a request line readable in one way."""

_PACKAGE: Final = "envoy.extensions.filters.http.header_mutation.v3"
TYPE: Final = f"{_PACKAGE}.HeaderMutation"
PER_ROUTE_TYPE: Final = f"{_PACKAGE}.HeaderMutationPerRoute"

_FILTER = Fields(TYPE, "mutations most_specific_header_mutations_wins")
_PER_ROUTE = Fields(PER_ROUTE_TYPE, "mutations")
_MUTATIONS = Fields(
    f"{_PACKAGE}.Mutations",
    "request_mutations query_parameter_mutations request_trailers_mutations response_mutations"
    " response_trailers_mutations formatters",
)
_QUERY = Fields("envoy.config.core.v3.KeyValueMutation", "append remove")
_APPEND = Fields(
    "envoy.config.core.v3.KeyValueAppend",
    "record action",
    no_effect={"entry": "the filter takes `record` alone"},
)
_RECORD = Fields("envoy.config.core.v3.KeyValuePair", "key value")


def lower(cursor: Cursor) -> model.HeaderMutation:
    """The filter's configuration."""
    fields = _FILTER.read(cursor)
    return model.HeaderMutation(
        mutations=_lower_mutations(cursor.child("mutations")),
        most_specific_header_mutations_wins=fields.get("most_specific_header_mutations_wins", False),
    )


def lower_per_route(cursor: Cursor) -> model.HeaderMutationPerRoute:
    """What a route says to it."""
    _PER_ROUTE.read(cursor)
    return model.HeaderMutationPerRoute(mutations=_lower_mutations(cursor.child("mutations")))


def _lower_mutations(cursor: Cursor) -> http_filters.Mutations:
    _MUTATIONS.read(cursor)
    added = lower_formatters(cursor)
    query = [_lower_query(item, added) for item in cursor.items("query_parameter_mutations")]
    return http_filters.Mutations(
        request=lower_header_edits(cursor, "request_mutations", added),
        query_parameters=[mutation for mutation in query if mutation is not None],
        request_trailers=lower_header_edits(cursor, "request_trailers_mutations", added),
        response=lower_header_edits(cursor, "response_mutations", added),
        response_trailers=lower_header_edits(cursor, "response_trailers_mutations", added),
    )


def _lower_query(
    cursor: Cursor,
    added: frozenset[str],
) -> http_filters.RemoveQueryParameter | http_filters.AppendQueryParameter | None:
    fields = _QUERY.read(cursor)
    removed = fields.get("remove", "")
    if ("append" in fields) == bool(removed):
        cursor.problem("needs either append or remove", "set one of them")
        return None
    if removed:
        return http_filters.RemoveQueryParameter(key=removed)
    append = cursor.child("append")
    if "record" not in _APPEND.read(append):
        append.problem("record is required", code="required")
        return None
    record = append.child("record")
    parts = _RECORD.read(record)
    if not _KEY.fullmatch(parts.get("key", "")):
        refuse(record, "a name that no request line can hold is not supported", "encode it", "key")
    if "value" not in parts or not parts["value"].HasField("string_value"):
        record.problem("only a text is taken", "quote it", "value")
        return None
    return http_filters.AppendQueryParameter(
        key=parts.get("key", ""),
        value=lower_format(record, parts["value"].string_value, "value", added),
        append_action=word(append, "action", APPEND_ACTIONS),
    )
