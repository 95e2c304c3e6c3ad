"""Extensions: which of Envoy's are built here, and the refusal of all others by their name.

Owns the way from a `typed_config` to the lowering function of its message type, the wording of refusals and
the list of everything that is built. What an extension's message means is the business of its own file.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/overview/extension
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from ferryman.api import extensions as known
from ferryman.config.fields import refuse

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

Lower = TypeVar("Lower")

UUID_REQUEST_ID: Final = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"


def open_extension(
    cursor: Cursor, category: str, built: Mapping[str, Lower], field: str = "typed_config"
) -> tuple[Cursor, Lower] | None:
    """The message in the Any at `field` and what `built` has for its type.

    None, with a problem, when there is no such message, it is no extension of that category, or it is not
    built yet.
    """
    if not cursor.message.HasField(field):
        name = getattr(cursor.message, "name", "")
        if "config_discovery" in cursor.fields_set():
            return None  # already refused as a field
        cursor.problem("typed_config is required", _type_hint(category, name), code="required")
        return None
    inner = cursor.unpack(field)
    if inner is None:
        any_message = cursor.get(field)
        if not any_message.type_url:
            cursor.problem("has no @type", "it is what Envoy finds an extension by", field)
        return None
    full_name = inner.type_name
    found = built.get(full_name)
    if found is not None:
        return inner, found
    refuse_type(cursor, category, full_name, field)
    return None


def _type_hint(category: str, name: str) -> str | None:
    """The type that an old file without typed_config most likely means."""
    extension = known.in_category(category).get(name)
    if extension is None or not extension.types:
        return None
    return f"add typed_config with @type: type.googleapis.com/{extension.types[0]}"


def refuse_type(cursor: Cursor, category: str, full_name: str, field: str | None) -> None:
    """Report that an extension's message cannot stand here: not built, or of another category."""
    matching = [found for found in known.by_type().get(full_name, ()) if found.category == category]
    if matching:
        name = matching[0].name
        refuse(cursor, f"{name} is not supported yet", None, field)
        return
    others = known.by_type().get(full_name)
    hint = f"it belongs to {others[0].category}" if others else None
    cursor.problem(f"{full_name} is no extension of {category}", hint, field, "extension")


def refuse_typed_config(cursor: Cursor, category: str, *others: str) -> None:
    """Report a TypedExtensionConfig (or a message like it) of categories of which nothing is built."""
    none: dict[str, None] = {}
    inner = cursor.unpack("typed_config") if others else None
    owners = known.by_type().get(inner.type_name, ()) if inner is not None else ()
    better = next((owner.category for owner in owners if owner.category in others), category)
    open_extension(cursor, better, none)


def built_types() -> dict[str, frozenset[str]]:
    """The message types that are built, by category. Imports every lowering module."""
    from ferryman.config import (
        access_log,
        bootstrap,
        compression,
        early_header_mutation,
        header_key_format,
        internal_listener,
        load_balancing_policies,
        original_ip_detection,
        pipeline,  # noqa: F401
        protocol_options,
        request_id,
        stats_sinks,
        substitution_format,
        transport_socket,
        upstream_bind,
        upstream_http_filters,
        watchdog,
    )
    from ferryman.config import (
        udp_listener as udp_listeners,
    )
    from ferryman.config.filters import http, listener, network, udp_listener

    return {
        "envoy.access_loggers": frozenset(access_log.BUILT),
        "envoy.bootstrap": frozenset(internal_listener.BOOTSTRAP),
        compression.COMPRESSORS: frozenset(compression.BUILT_COMPRESSORS),
        compression.DECOMPRESSORS: frozenset(compression.BUILT_DECOMPRESSORS),
        "envoy.formatter": frozenset(substitution_format.BUILT),
        "envoy.guarddog_actions": frozenset(watchdog.WATCHDOG_ACTIONS),
        "envoy.http.early_header_mutation": frozenset(early_header_mutation.BUILT),
        "envoy.http.original_ip_detection": frozenset(original_ip_detection.BUILT),
        "envoy.request_id": frozenset(request_id.REQUEST_IDS),
        "envoy.http.stateful_header_formatters": frozenset(header_key_format.BUILT),
        "envoy.filters.http": frozenset(http.BUILT),
        "envoy.filters.http.upstream": frozenset(upstream_http_filters.BUILT),
        "envoy.filters.listener": frozenset(listener.BUILT),
        "envoy.filters.network": frozenset(network.BUILT),
        "envoy.filters.udp_listener": frozenset(udp_listener.BUILT),
        "envoy.load_balancing_policies": frozenset(load_balancing_policies.BUILT),
        **_built_matching(),
        **_built_routing(),
        "envoy.udp_packet_writer": frozenset(udp_listeners.WRITERS),
        "envoy.rbac.matchers": frozenset(network.rbac.MATCHERS),
        "envoy.rbac.principals": frozenset(network.rbac.PRINCIPALS),
        "envoy.regex_engines": frozenset(bootstrap.REGEX_ENGINES),
        "envoy.stats_sinks": frozenset(stats_sinks.BUILT),
        "envoy.transport_sockets.downstream": frozenset(transport_socket.BUILT_DOWNSTREAM),
        "envoy.transport_sockets.upstream": frozenset(transport_socket.BUILT_UPSTREAM),
        "envoy.upstream.local_address_selector": frozenset(upstream_bind.SELECTORS),
        "envoy.upstream_options": frozenset(protocol_options.BUILT),
    }


def _built_matching() -> dict[str, frozenset[str]]:
    """Those of match trees."""
    from ferryman.config import cluster_specifier, match_input, match_predicate, match_tree, route

    return {
        "envoy.matching.action": frozenset([*route.MATCH_ACTIONS, *cluster_specifier.CLUSTER_ACTIONS]),
        "envoy.matching.http.custom_matchers": frozenset(match_tree.CUSTOM),
        "envoy.matching.http.input": frozenset(match_input.HTTP),
        "envoy.matching.network.custom_matchers": frozenset(match_tree.CUSTOM),
        "envoy.matching.network.input": frozenset(match_input.NETWORK),
        "envoy.matching.common_inputs": frozenset(match_input.COMMON),
        "envoy.matching.input_matchers": frozenset(match_predicate.BUILT),
    }


def _built_routing() -> dict[str, frozenset[str]]:
    """Those of routes."""
    from ferryman.config import cluster_specifier, internal_redirect, route_action, route_match

    return {
        "envoy.internal_redirect_predicates": frozenset(internal_redirect.BUILT),
        "envoy.path.match": frozenset(route_match.PATH_POLICIES),
        "envoy.path.rewrite": frozenset(route_action.PATH_POLICIES),
        cluster_specifier.CATEGORY: frozenset(cluster_specifier.BUILT),
    }
