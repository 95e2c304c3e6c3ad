"""`envoy.filters.http.custom_response`: responses in the place of others.

Owns the policies: responses of its own, and those of other routes.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/custom_response_filter
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from ferryman.config import match_input, model
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.header import lower_header_options
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.model import http_filters
from ferryman.config.redirect import REDIRECT_ACTION, lower_redirect
from ferryman.config.substitution_format import SUBSTITUTION_FORMAT, lower_substitution_format

TYPE: Final = "envoy.extensions.filters.http.custom_response.v3.CustomResponse"
_LOCAL: Final = "envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy"

_CUSTOM_RESPONSE = Fields(TYPE, "custom_response_matcher")
_REDIRECT: Final = "envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy"
_REDIRECT_RESPONSE = Fields(
    _REDIRECT, "uri redirect_action status_code response_headers_to_add request_headers_to_add"
)
_REDIRECT_ACTION = Fields(
    REDIRECT_ACTION,
    "https_redirect scheme_redirect host_redirect port_redirect path_redirect path_rewrite strip_query",
    checked=dict.fromkeys(("prefix_rewrite", "regex_rewrite"), "nothing: Envoy takes it on routes alone"),
    no_effect={"response_code": "no client sees this redirect"},
    where="of a custom response",
)
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

_Policy: TypeAlias = http_filters.LocalResponsePolicy | http_filters.RedirectPolicy
_URL: Final = re.compile(
    r"[A-Za-z]+://(?:[^/?#@]*@)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:[/?#].*)?"
)
_MOST_PORT: Final = 65535


def lower(cursor: Cursor) -> model.CustomResponse:
    """The filter's configuration, and what a route says to it: they have the same type."""
    if "custom_response_matcher" not in _CUSTOM_RESPONSE.read(cursor):
        return model.CustomResponse(matcher=None, policies=[])
    context: MatchContext[_Policy] = MatchContext(match_input.HTTP_CATEGORY, match_input.HTTP, _lower_policy)
    tree, policies = lower_match_tree(cursor.child("custom_response_matcher"), context)
    return model.CustomResponse(matcher=tree, policies=policies)


def _lower_policy(action: Cursor) -> _Policy | None:
    policies: dict[str, Callable[[Cursor], _Policy]] = {
        _LOCAL: _lower_local_response,
        _REDIRECT: _lower_redirect,
    }
    opened = open_extension(action, "envoy.http.custom_response", policies)
    if opened is None:
        return None
    inner, lower_policy = opened
    return lower_policy(inner)


def _lower_local_response(cursor: Cursor) -> http_filters.LocalResponsePolicy:
    fields = _LOCAL_RESPONSE.read(cursor)
    body_format = None
    if "body_format" in fields:
        body_format = lower_substitution_format(cursor.child("body_format"), _BODY_FORMAT)
    return http_filters.LocalResponsePolicy(
        status_code=fields["status_code"].value if "status_code" in fields else None,
        body=(read_data_source(cursor.child("body")) or b"") if "body" in fields else b"",
        body_format=body_format,
        response_headers_to_add=lower_header_options(cursor, "response_headers_to_add"),
        keeps_details=fields.get("preserve_response_code_details", False),
        details=fields.get("response_code_details", ""),
    )


def _lower_redirect(cursor: Cursor) -> http_filters.RedirectPolicy:
    fields = _REDIRECT_RESPONSE.read(cursor)
    target: http_filters.RedirectUri | model.RedirectAction
    if "redirect_action" in fields:
        target = _lower_action(cursor.child("redirect_action"))
    else:
        target = http_filters.RedirectUri(uri=fields.get("uri", ""))
        if target.uri and not _is_url(target.uri):
            cursor.problem("is no whole URL", "such as http://host/path", "uri")
    return http_filters.RedirectPolicy(
        target=target,
        status_code=fields["status_code"].value if "status_code" in fields else None,
        response_headers_to_add=lower_header_options(cursor, "response_headers_to_add"),
        request_headers_to_add=lower_header_options(cursor, "request_headers_to_add"),
    )


def _lower_action(cursor: Cursor) -> model.RedirectAction:
    fields = cursor.fields_set()
    for name in ("prefix_rewrite", "regex_rewrite"):
        if name in fields:
            cursor.problem(f"{name} cannot be set here", "use path_redirect or path_rewrite", name)
    if "#" in cursor.message.path_redirect:
        cursor.problem("a fragment leads nowhere", "remove what begins with #", "path_redirect")
    return lower_redirect(cursor, _REDIRECT_ACTION)


def _is_url(text: str) -> bool:
    """Whether the data plane can go there."""
    match = _URL.fullmatch(text)
    if match is None or any(character <= " " or character == "\x7f" for character in text):
        return False
    return int(match[1] or 0) <= _MOST_PORT
