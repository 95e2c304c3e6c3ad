"""What `/server_info` tells, but for the state and the uptime, which the data plane fills in.

Owns the way from the command line's options and the node to Envoy's ServerInfo. Options that Envoy leaves out
of it stay out: --socket-mode, --file-flush-min-size-kb, --enable-core-dump.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/admin/v3/server_info.proto.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from ferryman.admin.node import introduce, version_text
from ferryman.admin.page import RunningConfig
from ferryman.api import schema
from ferryman.api.json_form import to_json

STATE: Final = "%STATE%"
UPTIME: Final = "%UPTIME%"

_SERVER_INFO: Final = "envoy.admin.v3.ServerInfo"
_MODES: Final = {"serve": "Serve", "validate": "Validate", "init_only": "InitOnly"}
_SAME: Final = (
    "config_path",
    "config_yaml",
    "allow_unknown_static_fields",
    "reject_unknown_dynamic_fields",
    "ignore_unknown_dynamic_fields",
    "admin_address_path",
    "log_level",
    "log_format",
    "log_format_escaped",
    "log_path",
    "log_stacktrace_single_entry",
    "enable_fine_grain_logging",
    "skip_deprecated_logs",
    "service_cluster",
    "service_node",
    "service_zone",
    "base_id",
    "use_dynamic_base_id",
    "base_id_path",
    "restart_epoch",
    "disable_hot_restart",
    "skip_hot_restart_on_no_parent",
    "skip_hot_restart_parent_stats",
    "socket_path",
    "enable_mutex_tracing",
    "cpuset_threads",
)
"""Options that have the same name and form in CommandLineOptions."""


def server_info(running: RunningConfig) -> bytes:
    """The JSON, with STATE and UPTIME in place of both."""
    message: Any = schema.new_message(_SERVER_INFO)
    message.version = version_text()
    message.hot_restart_version = "disabled"
    # Set, so that they are printed at all.
    message.uptime_current_epoch.SetInParent()
    message.uptime_all_epochs.SetInParent()
    _fill_options(message.command_line_options, running)
    _fill_node(message.node, running)
    head, epochs, rest = _escaped(to_json(message, every_field=True)).partition(b'"hot_restart_version": ')
    head = head.replace(b'"LIVE"', f'"{STATE}"'.encode()).replace(b'"0s"', f'"{UPTIME}"'.encode())
    return head + epochs + rest


def _escaped(json: bytes) -> bytes:
    """The same JSON, in which nothing looks like a place to be filled in."""
    for place in (STATE, UPTIME):
        json = json.replace(place.encode(), f"\\u0025{place[1:]}".encode())
    return json


def _fill_options(shown: Any, running: RunningConfig) -> None:
    options = running.options
    for name in _SAME:
        setattr(shown, name, getattr(options, name))
    shown.concurrency = running.concurrency
    shown.mode = shown.Mode.Value(_MODES[options.mode])
    shown.local_address_ip_version = shown.IpVersion.Value(options.local_address_ip_version)
    shown.drain_strategy = shown.DrainStrategy.Value(options.drain_strategy.capitalize())
    levels = options.component_log_levels
    shown.component_log_level = ",".join(f"{component}:{level}" for component, level in levels)
    shown.file_flush_interval.FromTimedelta(timedelta(milliseconds=options.file_flush_interval_msec))
    shown.drain_time.FromTimedelta(timedelta(seconds=options.drain_time_s))
    shown.parent_shutdown_time.FromTimedelta(timedelta(seconds=options.parent_shutdown_time_s))
    shown.disabled_extensions.extend(options.disabled_extensions)
    shown.stats_tag.extend(f"{tag}:{value}" for tag, value in options.stats_tags)


def _fill_node(node: Any, running: RunningConfig) -> None:
    bootstrap: Any = schema.new_message(schema.BOOTSTRAP)
    bootstrap.ParseFromString(running.bootstrap)
    node.CopyFrom(bootstrap.node)
    options = running.options
    node.id = options.service_node or node.id
    node.cluster = options.service_cluster or node.cluster
    if options.service_zone:
        node.locality.zone = options.service_zone
    introduce(node)
