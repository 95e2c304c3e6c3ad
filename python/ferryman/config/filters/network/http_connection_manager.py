"""`envoy.filters.network.http_connection_manager`: HTTP on a connection, its filters and its route table.

Owns the manager's own fields. The route table is `config/route.py`, the HTTP filters `config/filters/http`,
the protocol options that clusters share `config/protocol_options.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/http_conn_man
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.access_log import lower_access_log_events, lower_access_logs
from ferryman.config.address import lower_cidr_range
from ferryman.config.client_certificate import lower_client_certificate
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds, off_if_zero
from ferryman.config.early_header_mutation import lower_early_header_mutations
from ferryman.config.extensions import refuse_typed_config
from ferryman.config.fields import Fields, word
from ferryman.config.filters.http import lower_http_filters
from ferryman.config.http2_options import lower_http2_options
from ferryman.config.local_reply import lower_local_reply_config
from ferryman.config.model.http_connection_manager import ForwardProtoConfig, UserAgent
from ferryman.config.original_ip_detection import lower_ip_detection
from ferryman.config.protocol_options import DownstreamHttp, lower_downstream_http, percent
from ferryman.config.proxy_status import lower_proxy_status
from ferryman.config.references import References
from ferryman.config.request_id import lower_request_id_extension
from ferryman.config.route import lower_route_configuration
from ferryman.config.scoped_routes import lower_scoped_routes

TYPE: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

_MANAGER = Fields(
    TYPE,
    "codec_type stat_prefix route_config scoped_routes http_filters common_http_protocol_options"
    " http_protocol_options http2_protocol_options"
    " server_name server_header_transformation scheme_header_transformation max_request_headers_kb"
    " stream_idle_timeout stream_flush_timeout request_timeout request_headers_timeout drain_timeout"
    " delayed_close_timeout"
    " access_log use_remote_address xff_num_trusted_hops internal_address_config skip_xff_append via"
    " generate_request_id preserve_external_request_id always_set_request_id_in_response proxy_100_continue"
    " normalize_path merge_slashes"
    " path_with_escaped_slashes_action strip_matching_host_port strip_any_host_port strip_trailing_host_dot"
    " stream_error_on_invalid_http_message append_x_forwarded_port append_local_overload"
    " add_proxy_protocol_connection_state access_log_options access_log_flush_interval"
    " flush_access_log_on_new_request upgrade_configs local_reply_config request_id_extension"
    " original_ip_detection_extensions forward_client_cert_details set_current_client_cert_details"
    " drain_timeout_jitter add_user_agent"
    " forward_proto_config early_header_mutation_extensions http1_safe_max_connection_duration"
    " record_route_resolution_stats proxy_status_config",
    checked={"typed_header_validation_config": "Envoy 1.40 is built without any such extension"},
    no_effect={
        "path_normalization_options": "Envoy 1.40 does not read it",
        "represent_ipv4_remote_address_as_ipv4_mapped_ipv6": "release 1.40 appends IPv4 all the same",
    },
    partly={"codec_type": "AUTO, HTTP1, HTTP2"},
)
_SCHEME = Fields("envoy.config.core.v3.SchemeHeaderTransformation", "scheme_to_overwrite match_upstream")
_ACCESS_LOG_OPTIONS = Fields(
    f"{TYPE}.HcmAccessLogOptions",
    "access_log_flush_interval flush_access_log_on_new_request flush_log_on_tunnel_successfully_established",
)
_UPGRADE = Fields(f"{TYPE}.UpgradeConfig", "upgrade_type enabled filters")
_FORWARD_PROTO = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig",
    "https_destination_ports http_destination_ports",
)
_INTERNAL = Fields(f"{TYPE}.InternalAddressConfig", "unix_sockets cidr_ranges")

_SWITCHES: Final = (
    "skip_xff_append",
    "preserve_external_request_id",
    "always_set_request_id_in_response",
    "proxy_100_continue",
    "merge_slashes",
    "strip_any_host_port",
    "strip_trailing_host_dot",
    "append_x_forwarded_port",
    "append_local_overload",
    "http1_safe_max_connection_duration",
    "record_route_resolution_stats",
)
"""Off unless they are on."""
_CODECS: Final = ("auto", "http1", "http2")
_SERVER_HEADER: Final = ("overwrite", "append_if_absent", "pass_through")
_ESCAPED_SLASHES: Final = ("", "keep", "reject", "unescape_and_redirect", "unescape_and_forward")
_SERVER_NAME: Final = "envoy"
_REQUEST_HEADERS_KB: Final = 60
_STREAM_IDLE_TIMEOUT_MS: Final = 300_000
_DRAIN_TIMEOUT_MS: Final = 5000
_DELAYED_CLOSE_TIMEOUT_MS: Final = 1000


def lower(cursor: Cursor, references: References) -> model.HttpConnectionManager:
    """The manager's configuration with every default filled in."""
    fields = _MANAGER.read(cursor)
    if "typed_header_validation_config" in fields:
        refuse_typed_config(cursor.child("typed_header_validation_config"), "envoy.http.header_validators")
    http = lower_downstream_http(cursor, fields)
    internal_ranges, internal_unix = _internal_addresses(cursor, fields)
    return model.HttpConnectionManager(
        stat_prefix=fields.get("stat_prefix", ""),
        place=cursor.path_text,
        codec_type=word(cursor, "codec_type", _CODECS),
        http2_protocol_options=lower_http2_options(cursor, fields, _stream_error(fields, None)),
        route_config=lower_route_configuration(cursor.child("route_config"), references),
        scoped_routes=(
            lower_scoped_routes(cursor.child("scoped_routes"), references)
            if "scoped_routes" in fields
            else None
        ),
        http_filters=lower_http_filters(cursor),
        server_name=fields.get("server_name") or _SERVER_NAME,
        server_header_transformation=word(cursor, "server_header_transformation", _SERVER_HEADER),
        via=fields.get("via") or None,
        use_remote_address=_wrapped(fields, "use_remote_address", False),
        xff_num_trusted_hops=fields.get("xff_num_trusted_hops", 0),
        internal_cidr_ranges=internal_ranges,
        internal_unix_sockets=internal_unix,
        generate_request_id=_wrapped(fields, "generate_request_id", True),
        normalize_path=_wrapped(fields, "normalize_path", None),
        path_with_escaped_slashes_action=_escaped_slashes(cursor),
        strip_matching_host_port=_strip_matching_host_port(cursor, fields),
        scheme_to_overwrite=_scheme(cursor, fields).get("scheme_to_overwrite"),
        stream_error_on_invalid_http_message=_stream_error(fields, http.stream_error),
        max_request_headers_bytes=_wrapped(fields, "max_request_headers_kb", _REQUEST_HEADERS_KB) * 1024,
        max_headers_count=http.max_headers_count,
        headers_with_underscores_action=http.headers_with_underscores_action,
        max_requests_per_connection=http.max_requests_per_connection,
        **{name: fields.get(name, False) for name in _SWITCHES},
        **_timeouts(cursor, fields, http),
        accept_http_10=http.accept_http_10,
        default_host_for_http_10=http.default_host_for_http_10,
        enable_trailers=http.enable_trailers,
        access_log=lower_access_logs(cursor),
        access_log_events=lower_access_log_events(cursor, fields, _ACCESS_LOG_OPTIONS),
        add_proxy_protocol_connection_state=_wrapped(fields, "add_proxy_protocol_connection_state", True),
        local_reply_config=lower_local_reply_config(cursor, fields),
        upgrade_configs=_upgrade_configs(cursor),
        ignored_upgrades=http.ignored_upgrades,
        allow_custom_methods=http.allow_custom_methods,
        allow_absolute_url=http.allow_absolute_url,
        header_key_format=http.header_key_format,
        original_ip_detection=lower_ip_detection(cursor, fields),
        pack_trace_reason=_pack_trace_reason(cursor, fields),
        client_certificate=lower_client_certificate(cursor),
        scheme_matches_upstream=_scheme(cursor, fields).get("match_upstream", False),
        user_agent=_user_agent(fields, references),
        forward_proto_config=_forward_proto(cursor, fields),
        early_header_mutations=lower_early_header_mutations(cursor),
        proxy_status_config=lower_proxy_status(cursor, fields, references),
    )


def _timeouts(cursor: Cursor, fields: dict[str, Any], http: DownstreamHttp) -> dict[str, Any]:
    stream_idle_ms = off_if_zero(cursor, "stream_idle_timeout", fields, _STREAM_IDLE_TIMEOUT_MS)
    return {
        "idle_timeout_ms": http.idle_timeout_ms,
        "max_connection_duration_ms": http.max_connection_duration_ms,
        "max_connection_duration_jitter_percent": http.max_connection_duration_jitter_percent,
        "max_stream_duration_ms": http.max_stream_duration_ms,
        "stream_idle_timeout_ms": stream_idle_ms,
        "stream_flush_timeout_ms": off_if_zero(cursor, "stream_flush_timeout", fields, stream_idle_ms),
        "request_timeout_ms": off_if_zero(cursor, "request_timeout", fields, None),
        "request_headers_timeout_ms": off_if_zero(cursor, "request_headers_timeout", fields, None),
        "drain_timeout_jitter_percent": percent(cursor, "drain_timeout_jitter", fields),
        "drain_timeout_ms": milliseconds(cursor, "drain_timeout", fields, _DRAIN_TIMEOUT_MS),
        "delayed_close_timeout_ms": off_if_zero(
            cursor, "delayed_close_timeout", fields, _DELAYED_CLOSE_TIMEOUT_MS
        ),
    }


def _user_agent(fields: dict[str, Any], references: References) -> UserAgent | None:
    if not _wrapped(fields, "add_user_agent", False):
        return None
    return UserAgent(service_cluster=references.node_cluster, service_node=references.node_id)


def _forward_proto(cursor: Cursor, fields: dict[str, Any]) -> ForwardProtoConfig | None:
    if "forward_proto_config" not in fields:
        return None
    read = _FORWARD_PROTO.read(cursor.child("forward_proto_config"))
    return ForwardProtoConfig(
        https_destination_ports=list(read.get("https_destination_ports", ())),
        http_destination_ports=list(read.get("http_destination_ports", ())),
    )


def _upgrade_configs(cursor: Cursor) -> list[model.UpgradeConfig]:
    """The upgrades that the manager knows; a type stands once, in whatever case of letters."""
    seen: set[str] = set()
    upgrades = []
    for item in cursor.items("upgrade_configs"):
        fields = _UPGRADE.read(item)
        name: str = fields.get("upgrade_type", "")
        if name.lower() in seen:
            item.problem(f"upgrade_type {name} stands twice", "remove one", "upgrade_type")
        seen.add(name.lower())
        filters = lower_http_filters(item, "filters") if "filters" in fields else []
        enabled = _wrapped(fields, "enabled", True)
        upgrades.append(model.UpgradeConfig(upgrade_type=name, enabled=enabled, filters=filters))
    return upgrades


def _stream_error(fields: dict[str, Any], of_protocol: bool | None) -> bool:
    """What the protocol's own options say counts."""
    if of_protocol is not None:
        return of_protocol
    return bool(_wrapped(fields, "stream_error_on_invalid_http_message", False))


def _escaped_slashes(cursor: Cursor) -> str | None:
    return word(cursor, "path_with_escaped_slashes_action", _ESCAPED_SLASHES) or None


def _wrapped(fields: dict[str, Any], name: str, default: Any) -> Any:
    return fields[name].value if name in fields else default


def _strip_matching_host_port(cursor: Cursor, fields: dict[str, Any]) -> bool:
    matching: bool = fields.get("strip_matching_host_port", False)
    if matching and fields.get("strip_any_host_port"):
        text = "strip_matching_host_port and strip_any_host_port cannot both be set"
        cursor.problem(text, "remove one", "strip_matching_host_port")
    return matching


def _scheme(cursor: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    if "scheme_header_transformation" not in fields:
        return {}
    return _SCHEME.read(cursor.child("scheme_header_transformation"))


def _pack_trace_reason(cursor: Cursor, fields: dict[str, Any]) -> bool:
    """Whether the reason of a trace is put into `x-request-id`; the extension is always that of UUIDs."""
    if "request_id_extension" not in fields:
        return True
    return lower_request_id_extension(cursor.child("request_id_extension"))


def _internal_addresses(cursor: Cursor, fields: dict[str, Any]) -> tuple[list[model.CidrRange], bool]:
    """The internal ranges, and whether Unix sockets are internal. Nothing is unless configured."""
    if "internal_address_config" not in fields:
        return [], False
    config = cursor.child("internal_address_config")
    unix_sockets = _INTERNAL.read(config).get("unix_sockets", False)
    ranges = [lower_cidr_range(item) for item in config.items("cidr_ranges")]
    return [cidr for cidr in ranges if cidr is not None], unix_sockets
