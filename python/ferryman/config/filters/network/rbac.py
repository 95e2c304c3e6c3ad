"""`envoy.filters.network.rbac`: which clients may use a connection.

Owns the filter and, of RBAC's rules, those that Envoy takes on connections. CEL conditions are refused by
name.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/rbac_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import match_input, model
from ferryman.config.address import lower_cidr_range
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, word
from ferryman.config.filter_state_matcher import lower_filter_state_matcher
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.metadata_matcher import lower_metadata_matcher
from ferryman.config.references import References
from ferryman.config.tls_validation import lower_san_matcher

_NO_HTTP: Final = "it asks for an HTTP request, and matches no connection"

TYPE: Final = "envoy.extensions.filters.network.rbac.v3.RBAC"
_FILTER = Fields(
    TYPE,
    "rules shadow_rules shadow_rules_stat_prefix stat_prefix enforcement_type delay_deny matcher"
    " shadow_matcher",
)
_ACTION = Fields("envoy.config.rbac.v3.Action", "name action", where="of a network filter")
_RULES = Fields("envoy.config.rbac.v3.RBAC", "action policies", where="of a network filter")
_POLICY = Fields("envoy.config.rbac.v3.Policy", "permissions principals", where="of a network filter")
_PERMISSION = Fields(
    "envoy.config.rbac.v3.Permission",
    "and_rules or_rules not_rule any destination_ip destination_port destination_port_range"
    " requested_server_name metadata sourced_metadata",
    checked={
        "header": "nothing: Envoy takes it on HTTP alone",
        "matcher": "what asks for the upstream's address",
    },
    no_effect={"url_path": _NO_HTTP, "uri_template": _NO_HTTP},
    where="of a network filter",
)
_UPSTREAM_IP_PORT = Fields(
    "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher",
    checked={"upstream_ip": "a range; no filter of a connection knows its upstream"},
    no_effect={"upstream_port_range": "no filter of a connection knows its upstream"},
    where="of a network filter",
)
_PERMISSIONS = Fields(f"{_PERMISSION.message}.Set", "rules", where="of a network filter")
_PORTS = Fields("envoy.type.v3.Int32Range", "start end", where="of a permission")
_PRINCIPAL = Fields(
    "envoy.config.rbac.v3.Principal",
    "and_ids or_ids not_id any source_ip direct_remote_ip remote_ip authenticated metadata filter_state"
    " sourced_metadata custom",
    checked={"header": "nothing: Envoy takes it on HTTP alone"},
    no_effect={"url_path": _NO_HTTP},
    where="of a network filter",
)
_PRINCIPALS = Fields(f"{_PRINCIPAL.message}.Set", "ids", where="of a network filter")
_AUTHENTICATED = Fields(f"{_PRINCIPAL.message}.Authenticated", "principal_name", where="of a network filter")
_VALIDATED = Fields(
    "envoy.extensions.rbac.principals.mtls_authenticated.v3.Config",
    "san_matcher any_validated_client_certificate",
    where="of a network filter",
)

_SOURCED = Fields(
    "envoy.config.rbac.v3.SourcedMetadata", "metadata_matcher metadata_source", where="of a network filter"
)
_INPUTS: Final = {
    name: lower
    for name, lower in match_input.NETWORK.items()
    if name.rpartition(".")[2]
    not in ("SourceTypeInput", "TransportProtocolInput", "ApplicationProtocolInput")
}
"""As in Envoy, which finds the others in no request."""

_DYNAMIC: Final = 0
_ACTIONS: Final = ("allow", "deny", "log")
_ENFORCEMENTS: Final = ("one_time_on_first_byte", "continuous")


def lower(cursor: Cursor, references: References) -> model.NetworkRbac:
    """The filter's configuration."""
    fields = _FILTER.read(cursor)
    return model.NetworkRbac(
        stat_prefix=fields.get("stat_prefix", ""),
        rules=_engine(cursor, "rules", "matcher"),
        shadow_rules=_engine(cursor, "shadow_rules", "shadow_matcher"),
        shadow_rules_stat_prefix=fields.get("shadow_rules_stat_prefix", ""),
        continuous=word(cursor, "enforcement_type", _ENFORCEMENTS) == "continuous",
        delay_deny_ms=off_if_zero(cursor, "delay_deny", fields, None),
    )


def _engine(cursor: Cursor, rules: str, matcher: str) -> model.RbacRules | model.RbacTree | None:
    """The tree, if there is one; the rules beside it then do not count."""
    lowered = _lower_rules(cursor.child(rules)) if cursor.has(rules) else None
    if not cursor.has(matcher):
        return lowered
    if lowered is not None:
        cursor.warn(f"has no effect beside {matcher}", field=rules)
    context = MatchContext(
        match_input.NETWORK_CATEGORY,
        _INPUTS,
        _lower_tree_action,
        refused_input="Envoy's filter of connections does not take it",
    )
    tree, actions = lower_match_tree(cursor.child(matcher), context)
    return model.RbacTree(tree=tree, actions=actions)


def _lower_tree_action(action: Cursor) -> model.RbacTreeAction | None:
    opened = open_extension(action, "envoy.matching.action", {_ACTION.message: _ACTION})
    if opened is None:
        return None
    inner, declared = opened
    name = declared.read(inner).get("name", "")
    return model.RbacTreeAction(name=name, action=word(inner, "action", _ACTIONS))


def _lower_rules(cursor: Cursor) -> model.RbacRules:
    _RULES.read(cursor)
    policies = []
    for name, policy in cursor.map_items("policies"):
        _POLICY.read(policy)
        policies.append(
            model.RbacPolicy(
                name=name,
                permissions=model.RbacOr(rules=[_permission(item) for item in policy.items("permissions")]),
                principals=model.RbacOr(rules=[_principal(item) for item in policy.items("principals")]),
            )
        )
    return model.RbacRules(action=word(cursor, "action", _ACTIONS), policies=policies)


def _permission(cursor: Cursor) -> model.RbacRule:
    fields = _PERMISSION.read(cursor)
    match cursor.which("rule"):
        case "and_rules":
            return model.RbacAnd(rules=_permissions(cursor.child("and_rules")))
        case "or_rules":
            return model.RbacOr(rules=_permissions(cursor.child("or_rules")))
        case "not_rule":
            return model.RbacNot(rule=_permission(cursor.child("not_rule")))
        case "destination_ip":
            return _within(cursor, "destination_ip", model.RbacDestinationIp)
        case "destination_port":
            port = fields.get("destination_port", 0)
            return model.RbacDestinationPort(start=port, end=port + 1)
        case "destination_port_range":
            ports = _PORTS.read(cursor.child("destination_port_range"))
            return model.RbacDestinationPort(start=ports.get("start", 0), end=ports.get("end", 0))
        case "requested_server_name":
            name = lower_string_matcher(cursor.child("requested_server_name"))
            return model.RbacRequestedServerName(name=name)
        case "metadata":
            return model.RbacMetadata(matcher=lower_metadata_matcher(cursor.child("metadata")))
        case "sourced_metadata":
            return _sourced(cursor.child("sourced_metadata"))
        case "header":
            cursor.problem("Envoy takes it on HTTP alone", "use envoy.filters.http.rbac", "header")
        case "matcher":
            _check_matcher(cursor.child("matcher"))
        case "any":
            return model.RbacAny()
    return model.RbacNever()


def _sourced(cursor: Cursor) -> model.RbacRule:
    """A SourcedMetadata. A connection has no route, so nothing matches the metadata of one."""
    fields = _SOURCED.read(cursor)
    matcher = lower_metadata_matcher(cursor.child("metadata_matcher"))
    if fields.get("metadata_source", _DYNAMIC) != _DYNAMIC:
        return model.RbacNever()
    return model.RbacMetadata(matcher=matcher)


def _check_matcher(cursor: Cursor) -> None:
    """No filter of a connection knows its upstream, so a matcher of its address matches none."""
    opened = open_extension(cursor, "envoy.rbac.matchers", MATCHERS)
    if opened is None:
        return
    inner, declared = opened
    fields = declared.read(inner)
    if "upstream_ip" in fields:
        lower_cidr_range(inner.child("upstream_ip"))
    elif "upstream_port_range" not in fields:
        inner.problem("upstream_ip or upstream_port_range must be set", code="required")


MATCHERS: Final = {_UPSTREAM_IP_PORT.message: _UPSTREAM_IP_PORT}
"""The matchers of permissions that are built, by the type of their configuration."""


def _permissions(cursor: Cursor) -> list[model.RbacRule]:
    _PERMISSIONS.read(cursor)
    return [_permission(item) for item in cursor.items("rules")]


def _principal(cursor: Cursor) -> model.RbacRule:
    _PRINCIPAL.read(cursor)
    match cursor.which("identifier"):
        case "and_ids":
            return model.RbacAnd(rules=_principals(cursor.child("and_ids")))
        case "or_ids":
            return model.RbacOr(rules=_principals(cursor.child("or_ids")))
        case "not_id":
            return model.RbacNot(rule=_principal(cursor.child("not_id")))
        case "direct_remote_ip":
            return _within(cursor, "direct_remote_ip", model.RbacDirectRemoteIp)
        case "source_ip" | "remote_ip" as field:
            return _within(cursor, field, model.RbacRemoteIp)
        case "metadata":
            return model.RbacMetadata(matcher=lower_metadata_matcher(cursor.child("metadata")))
        case "sourced_metadata":
            return _sourced(cursor.child("sourced_metadata"))
        case "filter_state":
            return model.RbacFilterState(matcher=lower_filter_state_matcher(cursor.child("filter_state")))
        case "header":
            cursor.problem("Envoy takes it on HTTP alone", "use envoy.filters.http.rbac", "header")
        case "authenticated":
            return _authenticated(cursor.child("authenticated"))
        case "custom":
            return _validated(cursor.child("custom"))
        case "any":
            return model.RbacAny()
    return model.RbacNever()


def _authenticated(cursor: Cursor) -> model.RbacRule:
    fields = _AUTHENTICATED.read(cursor)
    if "principal_name" not in fields:
        return model.RbacAuthenticated(name=None)
    return model.RbacAuthenticated(name=lower_string_matcher(cursor.child("principal_name")))


def _validated(cursor: Cursor) -> model.RbacRule:
    opened = open_extension(cursor, "envoy.rbac.principals", PRINCIPALS)
    if opened is None:
        return model.RbacNever()
    inner, declared = opened
    fields = declared.read(inner)
    if "san_matcher" in fields:
        return model.RbacValidated(san=lower_san_matcher(inner.child("san_matcher")))
    if not fields.get("any_validated_client_certificate"):
        inner.problem("san_matcher or any_validated_client_certificate must be set", code="required")
    return model.RbacValidated(san=None)


PRINCIPALS: Final = {_VALIDATED.message: _VALIDATED}
"""The principals that are built, by the type of their configuration."""


def _principals(cursor: Cursor) -> list[model.RbacRule]:
    _PRINCIPALS.read(cursor)
    return [_principal(item) for item in cursor.items("ids")]


_ByRange = type[model.RbacDestinationIp] | type[model.RbacRemoteIp] | type[model.RbacDirectRemoteIp]


def _within(cursor: Cursor, field: str, rule: _ByRange) -> model.RbacRule:
    cidr = lower_cidr_range(cursor.child(field))
    return model.RbacNever() if cidr is None else rule(range=cidr)
