"""Route tables: virtual hosts and their routes.

Owns RouteConfiguration, VirtualHost and Route, and Envoy's rules for domains. What a route matches is
`route_match.py`, what it does `route_action.py`, its header edits `header.py`, what it says to HTTP filters
`route_filter_config.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/route_matching
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import header, match_input, model
from ferryman.config.cluster_specifier import Plugins, lower_plugins
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, word
from ferryman.config.match_input import FILTER_STATE, REQUEST_HEADER
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.matcher import lower_header_matcher
from ferryman.config.metadata import lower_metadata
from ferryman.config.rate_limit import lower_route_rate_limits
from ferryman.config.redirect import lower_redirect
from ferryman.config.references import References
from ferryman.config.route_action import (
    check_template_prefix,
    lower_direct_response,
    lower_not_forwarded,
    lower_route_action,
)
from ferryman.config.route_filter_config import lower_filter_configs
from ferryman.config.route_match import lower_route_match

_NO_METADATA: Final = "nothing reads it, in Envoy neither"
_NO_TRACING: Final = "tracing, which reads it, is refused"

_TABLE = Fields(
    "envoy.config.route.v3.RouteConfiguration",
    "name virtual_hosts internal_only_headers most_specific_header_mutations_wins validate_clusters"
    " max_direct_response_body_size_bytes ignore_port_in_host_matching vhost_header"
    " ignore_path_parameters_in_path_matching typed_per_filter_config cluster_specifier_plugins "
    + header.FIELDS,
    no_effect={"metadata": _NO_METADATA},
)
_VIRTUAL_HOST = Fields(
    "envoy.config.route.v3.VirtualHost",
    "name metadata domains routes matcher require_tls virtual_clusters typed_per_filter_config"
    " include_request_attempt_count include_attempt_count_in_response rate_limits"
    f" per_request_buffer_limit_bytes request_body_buffer_limit {header.FIELDS}",
)
_ROUTE = Fields(
    "envoy.config.route.v3.Route",
    "name metadata match route redirect direct_response non_forwarding_action filter_action stat_prefix"
    " typed_per_filter_config per_request_buffer_limit_bytes"
    f" request_body_buffer_limit {header.FIELDS}",
    no_effect={"decorator": _NO_TRACING, "tracing": _NO_TRACING},
)
_ROUTE_LIST = Fields("envoy.config.route.v3.RouteList", "routes")
_VIRTUAL_CLUSTER = Fields("envoy.config.route.v3.VirtualCluster", "name headers")

MATCH_ACTIONS: Final = {_ROUTE.message: "", _ROUTE_LIST.message: "routes"}
"""The actions of a virtual host's match tree, and the field in which the routes stand."""

_NON_FORWARDING = Fields("envoy.config.route.v3.NonForwardingAction")
_FILTER_ACTION = Fields(
    "envoy.config.route.v3.FilterAction", no_effect={"action": "Envoy 1.40 does nothing with it"}
)
_NOT_FORWARDED: Final = {"non_forwarding_action": _NON_FORWARDING, "filter_action": _FILTER_ACTION}

_REQUIRE_TLS: Final = ("none", "external_only", "all")
_MAX_BODY_BYTES: Final = 4096
_MAX_U32: Final = 2**32 - 1


def lower_route_configuration(cursor: Cursor, references: References) -> model.RouteConfiguration:
    """An inline RouteConfiguration: its clusters must exist unless validate_clusters is false."""
    fields = _TABLE.read(cursor)
    checked = fields["validate_clusters"].value if "validate_clusters" in fields else True
    limit = _body_limit(cursor, fields)
    table = _Table(references if checked else None, limit, lower_plugins(cursor))
    lowered = model.RouteConfiguration(
        name=fields.get("name", ""),
        filter_config=lower_filter_configs(cursor, fields),
        virtual_hosts=[table.lower_virtual_host(item) for item in cursor.items("virtual_hosts")],
        headers=header.lower_header_mutations(cursor, fields),
        internal_only_headers=[name.lower() for name in fields.get("internal_only_headers", ())],
        most_specific_header_mutations_wins=fields.get("most_specific_header_mutations_wins", False),
        ignore_port_in_host_matching=fields.get("ignore_port_in_host_matching", False),
        vhost_header=fields.get("vhost_header", "").lower() or None,
        ignore_path_parameters_in_path_matching=fields.get("ignore_path_parameters_in_path_matching", False),
        max_direct_response_body_size_bytes=table.max_body_bytes,
    )
    _check_domains(cursor, lowered.virtual_hosts)
    return lowered


def _body_limit(cursor: Cursor, fields: dict[str, Any]) -> int:
    """The bytes that the body of a direct response may have; one that could not be read forbids none."""
    if cursor.is_doubtful("max_direct_response_body_size_bytes"):
        return _MAX_U32
    limit = fields.get("max_direct_response_body_size_bytes")
    return _MAX_BODY_BYTES if limit is None else int(limit.value)


def _check_domains(cursor: Cursor, hosts: list[model.VirtualHost]) -> None:
    """Every domain leads to one virtual host only."""
    seen: dict[str, int] = {}
    places: list[Cursor] = []
    for index, host in enumerate(hosts):
        own: set[str] = set()
        for item, domain in enumerate(host.domains):
            first = seen.setdefault(domain, index)
            if first != index or domain in own:
                places = places or cursor.items("virtual_hosts")
                places[index].problem(
                    f"the domain `{domain}` stands twice in this route configuration",
                    f"virtual host `{hosts[first].name}` has it too" if first != index else None,
                    "domains",
                    "duplicate",
                    item,
                )
            own.add(domain)


class _Table:
    """What the virtual hosts and routes of one table need to know of it."""

    def __init__(self, references: References | None, max_body_bytes: int, plugins: Plugins) -> None:
        self._references = references
        self._plugins = plugins
        self.max_body_bytes = max_body_bytes

    def lower_virtual_host(self, cursor: Cursor) -> model.VirtualHost:
        """A VirtualHost."""
        fields = _VIRTUAL_HOST.read(cursor)
        limit = _buffer_limit(fields)
        return model.VirtualHost(
            name=fields.get("name", ""),
            metadata=lower_metadata(cursor, fields),
            domains=[domain.lower() for domain in fields.get("domains", ())],
            routes=[self._lower_route(item, limit, self._references) for item in cursor.items("routes")],
            matcher=self._lower_matcher(cursor, limit) if "matcher" in fields else None,
            include_request_attempt_count=fields.get("include_request_attempt_count", False),
            include_attempt_count_in_response=fields.get("include_attempt_count_in_response", False),
            headers=header.lower_header_mutations(cursor, fields),
            require_tls=word(cursor, "require_tls", _REQUIRE_TLS) if "require_tls" in fields else "none",
            filter_config=lower_filter_configs(cursor, fields),
            virtual_clusters=[
                _lower_virtual_cluster(item) for item in _items(cursor, fields, "virtual_clusters")
            ],
            rate_limits=lower_route_rate_limits(cursor, fields),
        )

    def _lower_matcher(self, cursor: Cursor, buffer_limit: int | None) -> model.RouteMatcher:
        """The match tree in the place of routes. As in Envoy, the clusters of its routes need not exist."""
        if cursor.has("routes"):
            cursor.problem("routes and matcher cannot both be set", "remove one", "matcher")

        def lower_action(action: Cursor) -> list[model.Route] | None:
            opened = open_extension(action, "envoy.matching.action", MATCH_ACTIONS)
            if opened is None:
                return None
            inner, list_field = opened
            if list_field:
                _ROUTE_LIST.read(inner)
            items = inner.items(list_field) if list_field else [inner]
            return [self._lower_route(item, buffer_limit, None) for item in items]

        context = MatchContext(
            match_input.HTTP_CATEGORY,
            {name: match_input.HTTP[name] for name in (REQUEST_HEADER, FILTER_STATE)},
            lower_action,
            refused_input="only request headers and filter state can choose a route",
        )
        tree, actions = lower_match_tree(cursor.child("matcher"), context)
        return model.RouteMatcher(tree=tree, actions=actions)

    def _lower_route(
        self, cursor: Cursor, buffer_limit: int | None, references: References | None
    ) -> model.Route:
        fields = _ROUTE.read(cursor)
        limit = _buffer_limit(fields)
        return model.Route(
            name=fields.get("name", ""),
            metadata=lower_metadata(cursor, fields),
            place=cursor.path_text,
            match=lower_route_match(cursor.child("match")),
            action=self._lower_action(cursor, fields, references),
            headers=header.lower_header_mutations(cursor, fields),
            filter_config=lower_filter_configs(cursor, fields),
            request_body_buffer_limit_bytes=buffer_limit if limit is None else limit,
            stat_prefix=fields.get("stat_prefix", ""),
        )

    def _lower_action(
        self, cursor: Cursor, fields: dict[str, Any], references: References | None
    ) -> model.RouteAction | model.RedirectAction | model.DirectResponseAction:
        if "redirect" in fields:
            redirect = cursor.child("redirect")
            check_template_prefix(redirect, cursor)
            return lower_redirect(redirect)
        if "direct_response" in fields:
            return lower_direct_response(cursor.child("direct_response"), self.max_body_bytes)
        for name, declared in _NOT_FORWARDED.items():
            if name in fields:
                declared.read(cursor.child(name))
                return lower_not_forwarded()
        return lower_route_action(cursor.child("route"), references, cursor, self._plugins)


def _items(cursor: Cursor, fields: dict[str, Any], name: str) -> list[Cursor]:
    """The items of a list that may be left out."""
    return cursor.items(name) if name in fields else []


def _lower_virtual_cluster(cursor: Cursor) -> model.VirtualCluster:
    fields = _VIRTUAL_CLUSTER.read(cursor)
    if "headers" not in fields:
        cursor.problem(
            "has no `headers`", "they say which requests it counts; `other` counts the rest", "headers"
        )
    return model.VirtualCluster(
        name=fields.get("name", ""),
        headers=[lower_header_matcher(item) for item in _items(cursor, fields, "headers")],
    )


def _buffer_limit(fields: dict[str, Any]) -> int | None:
    """The body buffer limit in either spelling; None when neither is set."""
    for name in ("request_body_buffer_limit", "per_request_buffer_limit_bytes"):
        if name in fields:
            return int(fields[name].value)
    return None
