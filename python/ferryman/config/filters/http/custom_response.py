"""`envoy.filters.http.custom_response`: responses in the place of others.

Owns the policies of local responses. Redirects to other routes are refused by name.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/custom_response_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import match_input, model
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.header import lower_header_options
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.substitution_format import SUBSTITUTION_FORMAT, lower_substitution_format

TYPE: Final = "envoy.extensions.filters.http.custom_response.v3.CustomResponse"
_LOCAL: Final = "envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy"

_CUSTOM_RESPONSE = Fields(TYPE, "custom_response_matcher")
_LOCAL_RESPONSE = Fields(
    _LOCAL,
    "body body_format status_code response_headers_to_add preserve_response_code_details"
    " response_code_details",
)
_BODY_FORMAT = Fields(
    SUBSTITUTION_FORMAT,
    "text_format json_format text_format_source omit_empty_values formatters",
    no_effect={
        "content_type": "Envoy 1.40 does not read it here: bodies are text/plain",
        "json_format_options": "fields are always sorted, as in Envoy 1.40",
    },
    where="of a custom response",
)


def lower(cursor: Cursor) -> model.CustomResponse:
    """The filter's configuration, and what a route says to it: they have the same type."""
    if "custom_response_matcher" not in _CUSTOM_RESPONSE.read(cursor):
        return model.CustomResponse(matcher=None, policies=[])
    context = MatchContext(match_input.HTTP_CATEGORY, match_input.HTTP, _lower_policy)
    tree, policies = lower_match_tree(cursor.child("custom_response_matcher"), context)
    return model.CustomResponse(matcher=tree, policies=policies)


def _lower_policy(action: Cursor) -> model.LocalResponsePolicy | None:
    opened = open_extension(action, "envoy.http.custom_response", {_LOCAL: _lower_local_response})
    if opened is None:
        return None
    inner, lower_policy = opened
    return lower_policy(inner)


def _lower_local_response(cursor: Cursor) -> model.LocalResponsePolicy:
    fields = _LOCAL_RESPONSE.read(cursor)
    body_format = None
    if "body_format" in fields:
        body_format = lower_substitution_format(cursor.child("body_format"), _BODY_FORMAT)
    return model.LocalResponsePolicy(
        status_code=fields["status_code"].value if "status_code" in fields else None,
        body=(read_data_source(cursor.child("body")) or b"") if "body" in fields else b"",
        body_format=body_format,
        response_headers_to_add=lower_header_options(cursor, "response_headers_to_add"),
        keeps_details=fields.get("preserve_response_code_details", False),
        details=fields.get("response_code_details", ""),
    )
