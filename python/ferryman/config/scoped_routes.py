"""Route tables of which one is chosen by what a request says.

Owns ScopedRoutes with its key builder, for scopes that stand in the configuration. What a table holds is
`route.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/scoped_routes
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, refuse
from ferryman.config.references import References
from ferryman.config.route import lower_route_configuration

_TYPE: Final = "envoy.extensions.filters.network.http_connection_manager.v3"
_ROUTES: Final = f"{_TYPE}.ScopedRoutes"
_SCOPED = Fields(
    _ROUTES,
    "scope_key_builder scoped_route_configurations_list",
    no_effect={
        "name": "it is told of scopes that are fetched",
        "rds_config_source": "tables that stand in the scopes are not fetched",
    },
)
_BUILDER = Fields(f"{_ROUTES}.ScopeKeyBuilder", "fragments")
_FRAGMENT = Fields(f"{_ROUTES}.ScopeKeyBuilder.FragmentBuilder", "header_value_extractor")
_EXTRACTOR: Final = f"{_ROUTES}.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor"
_HEADER = Fields(_EXTRACTOR, "name element_separator index element")
_ELEMENT = Fields(f"{_EXTRACTOR}.KvElement", "separator key")
_LIST = Fields(f"{_TYPE}.ScopedRouteConfigurationsList", "scoped_route_configurations")
_SCOPE = Fields("envoy.config.route.v3.ScopedRouteConfiguration", "name key route_configuration")
_KEY = Fields("envoy.config.route.v3.ScopedRouteConfiguration.Key", "fragments")
_KEY_FRAGMENT = Fields("envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment", "string_key")


def lower_scoped_routes(cursor: Cursor, references: References) -> model.ScopedRoutes:
    """A ScopedRoutes. Of scopes with the same name or key the last counts."""
    fields = _SCOPED.read(cursor)
    builder = cursor.child("scope_key_builder")
    _BUILDER.read(builder)
    scopes: dict[str, model.RouteScope] = {}
    if "scoped_route_configurations_list" in fields:
        listed = cursor.child("scoped_route_configurations_list")
        _LIST.read(listed)
        for item in listed.items("scoped_route_configurations"):
            lowered = _lower_scope(item, references)
            scopes.pop(lowered.name, None)
            scopes[lowered.name] = lowered
    by_key = {tuple(scope.key): scope for scope in scopes.values()}
    return model.ScopedRoutes(
        fragments=[_lower_fragment(item) for item in builder.items("fragments")],
        scopes=list(by_key.values()),
    )


def _lower_fragment(cursor: Cursor) -> model.ScopeKeyFragment:
    _FRAGMENT.read(cursor)
    header = cursor.child("header_value_extractor")
    fields = _HEADER.read(header)
    separator = fields.get("element_separator", "")
    index = fields.get("index", 0)
    if index > 0 and not separator:
        header.problem("an index above 0 needs an element_separator", "set element_separator", "index")
    element = _ELEMENT.read(header.child("element")) if "element" in fields else {}
    return model.ScopeKeyFragment(
        header=fields.get("name", "").lower(),
        element_separator=separator,
        index=index,
        key=element.get("key") if element else None,
        key_separator=element.get("separator", ""),
    )


def _lower_scope(cursor: Cursor, references: References) -> model.RouteScope:
    fields = _SCOPE.read(cursor)
    if "route_configuration" not in fields:
        cursor.problem("has no `route_configuration`", "write the table here", code="required")
    table = cursor.child("route_configuration")
    if table.has("internal_only_headers"):
        refuse(table, "internal_only_headers of a scope is not supported yet", field="internal_only_headers")
    key = cursor.child("key")
    _KEY.read(key)
    return model.RouteScope(
        name=fields.get("name", ""),
        key=[_KEY_FRAGMENT.read(item).get("string_key", "") for item in key.items("fragments")],
        route_config=lower_route_configuration(table, references),
    )
