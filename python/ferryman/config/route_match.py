"""What a request must look like for a route to take it.

Owns RouteMatch. The matchers of headers and query parameters are `matcher.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_header_matcher, lower_query_parameter_matcher, lower_regex
from ferryman.config.runtime import lower_runtime_fraction

_MATCH = Fields(
    "envoy.config.route.v3.RouteMatch",
    "prefix path safe_regex path_separated_prefix case_sensitive headers query_parameters connect_matcher"
    " runtime_fraction",
)

_NOTHING: Final = model.PathPrefix(value="", case_sensitive=True)


def lower_route_match(cursor: Cursor) -> model.RouteMatch:
    """A RouteMatch; paths are case-sensitive unless said otherwise."""
    fields = _MATCH.read(cursor)
    case = fields["case_sensitive"].value if "case_sensitive" in fields else True
    path: (
        model.PathPrefix | model.PathExact | model.PathRegex | model.PathSeparatedPrefix | model.PathConnect
    ) = _NOTHING
    if "prefix" in fields:
        path = model.PathPrefix(value=fields["prefix"], case_sensitive=case)
    elif "path" in fields:
        path = model.PathExact(value=fields["path"], case_sensitive=case)
    elif "safe_regex" in fields:
        path = model.PathRegex(regex=lower_regex(cursor.child("safe_regex")))
    elif "path_separated_prefix" in fields:
        path = model.PathSeparatedPrefix(value=fields["path_separated_prefix"], case_sensitive=case)
    elif "connect_matcher" in fields:
        path = model.PathConnect()
    headers = [lower_header_matcher(item) for item in cursor.items("headers")] if "headers" in fields else []
    parameters = []
    if "query_parameters" in fields:
        parameters = [lower_query_parameter_matcher(item) for item in cursor.items("query_parameters")]
    fraction = (
        lower_runtime_fraction(cursor.child("runtime_fraction")) if "runtime_fraction" in fields else None
    )
    return model.RouteMatch(
        path=path, headers=headers, query_parameters=parameters, runtime_fraction=fraction
    )
