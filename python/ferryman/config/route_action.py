"""What a route does with a request: forward it, redirect it, answer it.

Owns RouteAction and DirectResponseAction. Which cluster it is says `cluster_specifier.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.api.schema import new_message
from ferryman.config import cluster_specifier, model, uri_template
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.duration import milliseconds, off_if_zero
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, word
from ferryman.config.format import lower_format
from ferryman.config.internal_redirect import lower_internal_redirect
from ferryman.config.local_reply import lower_body_format
from ferryman.config.matcher import lower_regex_rewrite
from ferryman.config.problems import Problems
from ferryman.config.proxy_protocol import lower_bare_header
from ferryman.config.rate_limit import lower_route_rate_limits
from ferryman.config.references import References

_ROUTE = Fields(
    "envoy.config.route.v3.RouteAction",
    f"{cluster_specifier.FIELDS} cluster_not_found_response_code prefix_rewrite regex_rewrite"
    " path_rewrite_policy path_rewrite host_rewrite_literal auto_host_rewrite host_rewrite_header"
    " host_rewrite_path_regex host_rewrite append_x_forwarded_host timeout idle_timeout flush_timeout"
    " max_stream_duration"
    " priority upgrade_configs max_grpc_timeout grpc_timeout_offset internal_redirect_policy"
    " internal_redirect_action max_internal_redirects rate_limits include_vh_rate_limits",
    no_effect={
        "metadata_match": "subset load balancing, which reads it, is not built",
        "early_data_policy": "without TLS there is no early data",
    },
)
_MAX_STREAM_DURATION = Fields(
    "envoy.config.route.v3.RouteAction.MaxStreamDuration",
    "max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset",
)
_UPGRADE = Fields("envoy.config.route.v3.RouteAction.UpgradeConfig", "upgrade_type enabled connect_config")
_CONNECT = Fields(
    "envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig", "allow_post proxy_protocol_config"
)
_DIRECT_RESPONSE = Fields("envoy.config.route.v3.DirectResponseAction", "status body body_format")

_POLICY = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "a label"},
    where="of a rewrite",
)
_REWRITES: Final = ("prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite")

PATH_POLICIES: Final = {uri_template.REWRITE.message: uri_template.lower_template_rewrite}
"""The path rewrite policies that are built, by the type of their configuration."""

_NOT_FOUND_CODES: Final = {0: 503, 1: 404, 2: 500}
_PRIORITIES: Final = ("default", "high")
_TIMEOUT_MS: Final = 15_000


def lower_route_action(
    cursor: Cursor, references: References | None, route: Cursor, plugins: cluster_specifier.Plugins
) -> model.RouteAction:
    """The RouteAction of a route; `references` None: its clusters need not exist."""
    fields = _ROUTE.read(cursor)
    _check_rewrites(cursor, fields, route)
    idle_timeout_ms = off_if_zero(cursor, "idle_timeout", fields, None)
    regex_rewrite = lower_regex_rewrite(cursor.child("regex_rewrite")) if "regex_rewrite" in fields else None
    if "path_rewrite_policy" in fields:
        regex_rewrite = _template_rewrite(cursor, route)
    code = fields.get("cluster_not_found_response_code", 0)
    duration = cursor.child("max_stream_duration")
    durations = _MAX_STREAM_DURATION.read(duration) if "max_stream_duration" in fields else {}
    return model.RouteAction(
        cluster=cluster_specifier.lower_cluster_specifier(cursor, fields, references, plugins),
        cluster_not_found_response_code=_NOT_FOUND_CODES.get(code, 503),
        prefix_rewrite=fields.get("prefix_rewrite"),
        regex_rewrite=regex_rewrite,
        path_rewrite=_format(cursor, fields, "path_rewrite"),
        host_rewrite=_host_rewrite(cursor, fields),
        append_x_forwarded_host=fields.get("append_x_forwarded_host", False),
        timeout_ms=off_if_zero(cursor, "timeout", fields, _TIMEOUT_MS),
        idle_timeout_ms=idle_timeout_ms,
        idle_timeout_set="idle_timeout" in fields,
        flush_timeout_ms=off_if_zero(cursor, "flush_timeout", fields, None),
        flush_timeout_set="flush_timeout" in fields,
        max_stream_duration_ms=off_if_zero(duration, "max_stream_duration", durations, None),
        max_stream_duration_set="max_stream_duration" in durations,
        max_grpc_timeout_ms=_optional(cursor, "max_grpc_timeout", fields),
        grpc_timeout_offset_ms=milliseconds(cursor, "grpc_timeout_offset", fields, 0),
        grpc_timeout_header_max_ms=_optional(duration, "grpc_timeout_header_max", durations),
        grpc_timeout_header_offset_ms=milliseconds(duration, "grpc_timeout_header_offset", durations, 0),
        priority=word(cursor, "priority", _PRIORITIES) if "priority" in fields else "default",
        upgrade_configs=_upgrade_configs(cursor, fields),
        internal_redirect=lower_internal_redirect(cursor, fields),
        rate_limits=lower_route_rate_limits(cursor, fields),
        include_vh_rate_limits="include_vh_rate_limits" in fields and fields["include_vh_rate_limits"].value,
    )


def lower_not_forwarded() -> model.RouteAction:
    """A NonForwardingAction or a FilterAction: to Envoy a RouteAction without a cluster."""
    empty = Cursor(new_message(_ROUTE.message), Problems(), None)
    return lower_route_action(
        empty, None, Cursor(new_message("envoy.config.route.v3.Route"), Problems(), None), {}
    )


def _check_rewrites(cursor: Cursor, fields: dict[str, Any], route: Cursor) -> None:
    found = [name for name in _REWRITES if name in fields]
    if len(found) > 1:
        cursor.problem(f"{found[0]} and {found[1]} cannot both be set", "remove one", found[1])
    check_template_prefix(cursor, route)


def check_template_prefix(cursor: Cursor, route: Cursor) -> None:
    """A template matches no prefix that could be rewritten."""
    if "prefix_rewrite" in cursor.fields_set() and route.child("match").has("path_match_policy"):
        text = "prefix_rewrite cannot be set beside a path_match_policy"
        cursor.problem(text, "use path_rewrite_policy", "prefix_rewrite")


def _template_rewrite(cursor: Cursor, route: Cursor) -> model.RegexRewrite | None:
    """The rewrite of a path_rewrite_policy, which needs the template that the route matches."""
    policy = cursor.child("path_rewrite_policy")
    _POLICY.read(policy)
    opened = open_extension(policy, "envoy.path.rewrite", PATH_POLICIES)
    match = route.child("match")
    inner = (
        match.child("path_match_policy").unpack("typed_config") if match.has("path_match_policy") else None
    )
    if opened is None:
        return None
    if inner is None or inner.type_name != uri_template.MATCH.message:
        cursor.problem(
            "path_rewrite_policy needs a template to match",
            "set match.path_match_policy",
            "path_rewrite_policy",
        )
        return None
    return opened[1](opened[0], inner.get("path_template"))


def _format(cursor: Cursor, fields: dict[str, Any], name: str) -> model.Format | None:
    return lower_format(cursor, fields[name], name) if fields.get(name) else None


def _optional(cursor: Cursor, field: str, fields: dict[str, Any]) -> int | None:
    return milliseconds(cursor, field, fields, 0) if field in fields else None


def _upgrade_configs(cursor: Cursor, fields: dict[str, Any]) -> list[model.RouteUpgradeConfig]:
    if "upgrade_configs" not in fields:
        return []
    seen: set[str] = set()
    upgrades = []
    for item in cursor.items("upgrade_configs"):
        read = _UPGRADE.read(item)
        name: str = read.get("upgrade_type", "")
        if name.lower() in seen:
            item.problem(f"upgrade_type {name} stands twice", "remove one", "upgrade_type")
        seen.add(name.lower())
        connect = None
        if "connect_config" in read:
            connect = _connect_config(item.child("connect_config"))
            if name.upper() != "CONNECT":
                item.problem(f"only CONNECT takes a connect_config, not {name}", field="connect_config")
        enabled = read["enabled"].value if "enabled" in read else True
        upgrades.append(model.RouteUpgradeConfig(upgrade_type=name, enabled=enabled, connect_config=connect))
    return upgrades


def _connect_config(cursor: Cursor) -> model.ConnectConfig:
    fields = _CONNECT.read(cursor)
    has_header = "proxy_protocol_config" in fields
    return model.ConnectConfig(
        allow_post=fields.get("allow_post", False),
        proxy_protocol=lower_bare_header(cursor.child("proxy_protocol_config")) if has_header else None,
    )


def _host_rewrite(cursor: Cursor, fields: dict[str, Any]) -> model.HostRewrite | None:
    if fields.get("host_rewrite_literal"):
        return model.HostRewriteLiteral(value=fields["host_rewrite_literal"])
    if "auto_host_rewrite" in fields:
        return model.HostRewriteAuto() if fields["auto_host_rewrite"].value else None
    if fields.get("host_rewrite_header"):
        return model.HostRewriteHeader(name=fields["host_rewrite_header"].lower())
    if fields.get("host_rewrite"):
        return model.HostRewriteFormat(format=lower_format(cursor, fields["host_rewrite"], "host_rewrite"))
    if "host_rewrite_path_regex" in fields:
        rewrite = lower_regex_rewrite(cursor.child("host_rewrite_path_regex"))
        return model.HostRewritePathRegex(rewrite=rewrite)
    return None


def lower_direct_response(cursor: Cursor, max_body_bytes: int) -> model.DirectResponseAction:
    """A DirectResponseAction; its body is read now."""
    fields = _DIRECT_RESPONSE.read(cursor)
    body = read_data_source(cursor.child("body"), max_body_bytes) if "body" in fields else b""
    return model.DirectResponseAction(
        status=fields.get("status", 200),
        body=body or b"",
        body_format=lower_body_format(cursor, "body_format", "") if "body_format" in fields else None,
    )
