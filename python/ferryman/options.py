"""What the command line asked for, as one frozen value.

Owns the names, units and defaults of Envoy's command line options. It does not read the command line
(`envoy_flags.py` does) and knows nothing of configuration files.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli; the fields have the names that
`/server_info` gives them under `command_line_options`, with their unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_LOG_FORMAT = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"

Mode = Literal["serve", "validate", "init_only"]
LogLevel = Literal["trace", "debug", "info", "warning", "error", "critical", "off"]

LOG_COMPONENTS = (
    "a2a", "admin", "ai_protocol_manager", "alternate_protocols_cache", "aws", "assert", "backtrace",
    "basic_auth", "cache_filter", "client", "config", "connection", "conn_handler", "compression",
    "credential_injector", "decompression", "dns", "dubbo", "envoy_bug", "ext_authz", "ext_proc",
    "rocketmq", "file", "filter", "forward_proxy", "geolocation", "grpc", "happy_eyeballs", "hc",
    "health_checker", "http", "http2", "hystrix", "init", "io", "jwt", "json_rpc", "kafka",
    "key_value_store", "lua", "local_rate_limit", "main", "matcher", "mcp", "misc", "mongo",
    "multi_connection", "notification", "oauth2", "quic", "quic_stream", "pool", "rate_limit_quota", "rbac",
    "rds", "redis", "router", "runtime", "stats", "secret", "sse", "tap", "testing", "thrift", "tracing",
    "upstream", "udp", "wasm", "websocket", "golang", "stats_sinks", "dynamic_modules", "ip_tagging",
)  # fmt: skip
"""What has a log level of its own: Envoy's list, and that of `crates/dataplane/src/application_log/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Envoy's command line options. "" stands for "not given" in texts, as it does in Envoy."""

    config_path: str = ""
    config_yaml: str = ""
    """Merged over `config_path`."""
    mode: Mode = "serve"
    concurrency: int | None = None
    """Worker threads; None takes what the machine grants, 0 means 1."""
    cpuset_threads: bool = False
    log_level: LogLevel = "info"
    component_log_levels: tuple[tuple[str, LogLevel], ...] = ()
    log_path: str = ""
    """File of the application log; "" is standard error."""
    log_format: str = DEFAULT_LOG_FORMAT
    log_format_escaped: bool = False
    log_stacktrace_single_entry: bool = False
    enable_fine_grain_logging: bool = False
    skip_deprecated_logs: bool = False
    service_cluster: str = ""
    service_node: str = ""
    service_zone: str = ""
    admin_address_path: str = ""
    """File that the admin address is written to once it is bound."""
    local_address_ip_version: Literal["v4", "v6"] = "v4"
    drain_time_s: int = 600
    drain_strategy: Literal["gradual", "immediate"] = "gradual"
    parent_shutdown_time_s: int = 900
    file_flush_interval_msec: int = 10_000
    file_flush_min_size_kb: int = 64
    allow_unknown_static_fields: bool = False
    reject_unknown_dynamic_fields: bool = False
    ignore_unknown_dynamic_fields: bool = False
    disabled_extensions: tuple[str, ...] = ()
    """Each `category/name`."""
    stats_tags: tuple[tuple[str, str], ...] = ()
    base_id: int = 0
    use_dynamic_base_id: bool = False
    base_id_path: str = ""
    restart_epoch: int = 0
    disable_hot_restart: bool = False
    skip_hot_restart_on_no_parent: bool = False
    skip_hot_restart_parent_stats: bool = False
    socket_path: str = "@envoy_domain_socket"
    socket_mode: str = "600"
    enable_mutex_tracing: bool = False
    enable_core_dump: bool = False
