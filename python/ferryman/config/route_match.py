"""What a request must look like for a route to take it.

Owns RouteMatch. The matchers of headers and query parameters are `matcher.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ferryman.config import model, uri_template
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.filter_state_matcher import lower_filter_state_matcher
from ferryman.config.matcher import (
    lower_cookie_matcher,
    lower_header_matcher,
    lower_query_parameter_matcher,
    lower_regex,
)
from ferryman.config.metadata_matcher import lower_metadata_matcher
from ferryman.config.runtime import lower_runtime_fraction

_MATCH = Fields(
    "envoy.config.route.v3.RouteMatch",
    "prefix path safe_regex path_separated_prefix connect_matcher path_match_policy case_sensitive headers"
    " query_parameters cookies grpc tls_context runtime_fraction dynamic_metadata filter_state",
)
_CONNECT = Fields("envoy.config.route.v3.RouteMatch.ConnectMatcher")
_GRPC = Fields("envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions")
_TLS = Fields("envoy.config.route.v3.RouteMatch.TlsContextMatchOptions", "presented validated")
_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "a label"},
    where="of a path",
)

PATH_POLICIES: Final = {uri_template.MATCH.message: uri_template.lower_template_match}
"""The path match policies that are built, by the type of their configuration."""

Lowered = TypeVar("Lowered")

_NOTHING: Final = model.PathPrefix(value="", case_sensitive=True)


def lower_route_match(cursor: Cursor) -> model.RouteMatch:
    """A RouteMatch; paths are case-sensitive unless said otherwise."""
    fields = _MATCH.read(cursor)
    if "grpc" in fields:
        _GRPC.read(cursor.child("grpc"))
    tls = _TLS.read(cursor.child("tls_context")) if "tls_context" in fields else {}
    return model.RouteMatch(
        path=_path(cursor, fields),
        headers=_lowered(cursor, fields, "headers", lower_header_matcher),
        query_parameters=_lowered(cursor, fields, "query_parameters", lower_query_parameter_matcher),
        cookies=_lowered(cursor, fields, "cookies", lower_cookie_matcher),
        runtime_fraction=(
            lower_runtime_fraction(cursor.child("runtime_fraction")) if "runtime_fraction" in fields else None
        ),
        grpc="grpc" in fields,
        tls_presented=tls["presented"].value if "presented" in tls else None,
        tls_validated=tls["validated"].value if "validated" in tls else None,
        dynamic_metadata=_lowered(cursor, fields, "dynamic_metadata", lower_metadata_matcher),
        filter_state=_lowered(cursor, fields, "filter_state", lower_filter_state_matcher),
    )


def _lowered(
    cursor: Cursor, fields: dict[str, Any], name: str, lower: Callable[[Cursor], Lowered]
) -> list[Lowered]:
    return [lower(item) for item in cursor.items(name)] if name in fields else []


def _path(cursor: Cursor, fields: dict[str, Any]) -> model.PathMatch:
    case = fields["case_sensitive"].value if "case_sensitive" in fields else True
    if "prefix" in fields:
        return model.PathPrefix(value=fields["prefix"], case_sensitive=case)
    if "path" in fields:
        return model.PathExact(value=fields["path"], case_sensitive=case)
    if "safe_regex" in fields:
        return model.PathRegex(regex=lower_regex(cursor.child("safe_regex")))
    if "path_separated_prefix" in fields:
        return model.PathSeparatedPrefix(value=fields["path_separated_prefix"], case_sensitive=case)
    if "connect_matcher" in fields:
        _CONNECT.read(cursor.child("connect_matcher"))
        return model.PathConnect()
    if "path_match_policy" in fields:
        policy = cursor.child("path_match_policy")
        _EXTENSION.read(policy)
        opened = open_extension(policy, "envoy.path.match", PATH_POLICIES)
        return opened[1](opened[0]) if opened is not None else _NOTHING
    return _NOTHING
