"""The bootstrap: everything of a process that is neither a listener nor a cluster.

Owns Bootstrap, Node, Admin and how the command line adds to them. Statistics are `stats_config.py`, the
runtime `runtime.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from ferryman.config import model
from ferryman.config.access_log import check_log_path, lower_access_logs, lower_file_log
from ferryman.config.address import lower_address
from ferryman.config.application_log import lower_application_log
from ferryman.config.concurrency import default_concurrency
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.endpoint import LOCALITY
from ferryman.config.extensions import open_extension
from ferryman.config.fields import EMPTY, Fields
from ferryman.config.internal_listener import lower_bootstrap_extensions
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.references import References
from ferryman.config.runtime import lower_layered_runtime
from ferryman.config.socket_options import lower_socket_options
from ferryman.config.stats_config import lower_stats_config
from ferryman.config.stats_sinks import lower_stats_sinks
from ferryman.config.upstream_bind import lower_upstream_bind
from ferryman.config.watchdog import lower_watchdogs

_FOR_CONTROL_PLANES: Final = "it is sent to control planes, and xDS is refused"
_NO_DNS: Final = "no cluster type that does DNS is built"

_BOOTSTRAP = Fields(
    "envoy.config.bootstrap.v3.Bootstrap",
    "node static_resources admin stats_config stats_sinks stats_flush_interval stats_flush_on_admin"
    " deferred_stat_options stats_server_version_override header_prefix flags_path layered_runtime"
    " enable_worker_cpu_affinity application_log_config watchdog watchdogs enable_dispatcher_stats"
    " bootstrap_extensions",
    checked={
        "stats_eviction_interval": "a multiple of stats_flush_interval; what Envoy evicts is not built",
        "default_regex_engine": "envoy.regex_engines.google_re2",
        "cluster_manager": "where events are logged and when clusters are made",
    },
    same={"dynamic_resources": EMPTY},
    no_effect={
        "node_context_params": _FOR_CONTROL_PLANES,
        "dns_resolution_config": _NO_DNS,
        "typed_dns_resolver_config": _NO_DNS,
        "use_tcp_for_dns_lookups": _NO_DNS,
        "inline_headers": "it makes looking up headers faster in Envoy's filters in other languages",
        "perf_tracing_file_path": "release builds of Envoy do not read it",
    },
)
_DEFERRED_STATS = Fields(
    "envoy.config.bootstrap.v3.Bootstrap.DeferredStatOptions", "enable_deferred_creation_stats"
)
_GOOGLE_RE2 = Fields("envoy.extensions.regex_engines.v3.GoogleRE2")
REGEX_ENGINES: Final = {_GOOGLE_RE2.message: _GOOGLE_RE2}
"""The regular expression engines: RE2, as in all matchers."""
_STATIC_RESOURCES = Fields(
    "envoy.config.bootstrap.v3.Bootstrap.StaticResources", "listeners clusters secrets"
)
_NODE = Fields(
    "envoy.config.core.v3.Node",
    "id cluster locality",
    no_effect=dict.fromkeys(
        (
            "metadata",
            "dynamic_parameters",
            "user_agent_name",
            "user_agent_version",
            "user_agent_build_version",
            "extensions",
            "client_features",
            "listening_addresses",
        ),
        _FOR_CONTROL_PLANES,
    ),
)
_ADMIN = Fields(
    "envoy.config.bootstrap.v3.Admin",
    "access_log access_log_path address allow_paths socket_options",
    same={"ignore_global_conn_limit": True},
    no_effect={"profile_path": "the pages that write profiles are not built"},
)
_CLUSTER_MANAGER = Fields(
    "envoy.config.bootstrap.v3.ClusterManager",
    "upstream_bind_config",
    checked={
        "outlier_detection": "a log file that can be opened; clusters with outlier_detection are refused"
    },
    no_effect={
        "enable_deferred_cluster_creation": "it only moves work from start to first use",
    },
)

_STATS_FLUSH_INTERVAL_MS: Final = 5000
_HEADER_PREFIX: Final = "x-envoy"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the command line says about a configuration; the defaults are those of Envoy's flags."""

    service_cluster: str = ""
    """Wins over node.cluster unless empty; the same for the next two."""
    service_node: str = ""
    service_zone: str = ""
    concurrency: int | None = None
    """Workers; None: as many as there are CPUs for the process."""
    drain_time_s: int = 600
    drain_strategy: str = "gradual"
    """`gradual` or `immediate`."""
    file_flush_interval_ms: int = 10_000
    file_flush_min_size_bytes: int = 64 * 1024
    stats_tags: tuple[tuple[str, str], ...] = ()
    """Tags with fixed values for every statistic, before those of the file."""
    log_format_is_set: bool = False
    """Whether `--log-format` is given."""
    skip_deprecated_logs: bool = False
    """Do not warn of deprecated fields and values."""
    allow_unknown_fields: bool = False
    """Let fields pass that release 1.40 does not know."""


def read_static_resources(cursor: Cursor) -> Cursor:
    """The static resources of a Bootstrap, every field in them known to the lowering."""
    resources = cursor.child("static_resources")
    _STATIC_RESOURCES.read(resources)
    return resources


def lower_bootstrap(cursor: Cursor, options: LoadOptions, references: References) -> model.Bootstrap:
    """A Bootstrap together with the command line's options; its static resources are lowered apart."""
    fields = _BOOTSTRAP.read(cursor)
    node = _NODE.read(cursor.child("node"))
    locality = LOCALITY.read(cursor.child("node").child("locality")) if "locality" in node else {}
    _check_empty_parts(cursor, fields)
    _check_flushes(cursor, fields)
    version = fields.get("stats_server_version_override")
    flags_path = fields.get("flags_path", "")
    cluster: str = options.service_cluster or node.get("cluster", "")
    references.node_id = options.service_node or node.get("id", "")
    references.node_cluster = cluster
    references.internal_buffer_bytes = lower_bootstrap_extensions(cursor)
    main_thread_watchdog, worker_watchdog = lower_watchdogs(cursor)
    bootstrap = model.Bootstrap(
        admin=_lower_admin(cursor.child("admin")) if "admin" in fields else None,
        node_id=references.node_id,
        node_cluster=cluster,
        node_region=locality.get("region", ""),
        node_zone=options.service_zone or locality.get("zone", ""),
        node_sub_zone=locality.get("sub_zone", ""),
        concurrency=default_concurrency() if options.concurrency is None else max(1, options.concurrency),
        drain_time_ms=options.drain_time_s * 1000,
        drain_strategy=options.drain_strategy,
        file_flush_interval_ms=options.file_flush_interval_ms,
        file_flush_min_size_bytes=options.file_flush_min_size_bytes,
        stats=lower_stats_config(
            cursor.child("stats_config"), options.stats_tags, deferred_creation=_defers_creation(cursor)
        ),
        stats_sinks=lower_stats_sinks(cursor, references),
        stats_flush_interval_ms=milliseconds(
            cursor, "stats_flush_interval", fields, _STATS_FLUSH_INTERVAL_MS
        ),
        stats_flush_on_admin=fields.get("stats_flush_on_admin", False),
        stats_server_version=None if version is None else version.value,
        starts_draining=bool(flags_path) and os.path.exists(os.path.join(flags_path, "drain")),
        worker_cpu_affinity=fields.get("enable_worker_cpu_affinity", False),
        header_prefix=fields.get("header_prefix") or _HEADER_PREFIX,
        deprecated_features=cursor.problems.count_of("deprecated"),
        unknown_fields=cursor.problems.unknown_fields,
        application_log_format=lower_application_log(
            cursor.child("application_log_config"), is_set_by_flag=options.log_format_is_set
        )
        if "application_log_config" in fields
        else None,
        layered_runtime=lower_layered_runtime(cursor.child("layered_runtime"), cluster),
        main_thread_watchdog=main_thread_watchdog,
        worker_watchdog=worker_watchdog,
        dispatcher_stats=fields.get("enable_dispatcher_stats", False),
    )
    _check_names(cursor, bootstrap)
    return bootstrap


def _defers_creation(cursor: Cursor) -> bool:
    if not cursor.message.HasField("deferred_stat_options"):
        return False
    options = _DEFERRED_STATS.read(cursor.child("deferred_stat_options"))
    return bool(options.get("enable_deferred_creation_stats", False))


def _check_names(cursor: Cursor, bootstrap: model.Bootstrap) -> None:
    """A sink that sends over a connection demands that the node has an ID and a cluster, as Envoy's does."""
    if bootstrap.node_id and bootstrap.node_cluster:
        return
    for item, sink in zip(cursor.items("stats_sinks"), bootstrap.stats_sinks, strict=False):
        if isinstance(sink.destination, model.Stream):
            item.problem(
                "needs node.id and node.cluster",
                "set them, or --service-node and --service-cluster",
                "typed_config",
                "required",
            )


def _check_flushes(cursor: Cursor, fields: dict[str, Any]) -> None:
    """What Envoy demands of the intervals at which statistics are flushed and evicted."""
    flush_ms = milliseconds(cursor, "stats_flush_interval", fields, _STATS_FLUSH_INTERVAL_MS)
    if "stats_flush_on_admin" in fields and "stats_flush_interval" in fields:
        text = "stats_flush_on_admin and stats_flush_interval cannot both be set"
        cursor.problem(text, "remove one", "stats_flush_on_admin")
    eviction_ms = milliseconds(cursor, "stats_eviction_interval", fields, 0)
    if flush_ms and eviction_ms % flush_ms:
        cursor.problem("must be a multiple of stats_flush_interval", field="stats_eviction_interval")


def _check_empty_parts(cursor: Cursor, fields: dict[str, Any]) -> None:
    """Parts that many files carry without anything in them that would matter."""
    if "default_regex_engine" in fields:
        opened = open_extension(cursor.child("default_regex_engine"), "envoy.regex_engines", REGEX_ENGINES)
        if opened is not None:
            opened[1].read(opened[0])
    if "cluster_manager" in fields:
        _check_cluster_manager(cursor.child("cluster_manager"))


def lower_default_bind(cursor: Cursor) -> model.UpstreamBind | None:
    """Where connections come from whose cluster does not say it."""
    manager = cursor.child("cluster_manager")
    if not manager.has("upstream_bind_config"):
        return None
    return lower_upstream_bind(manager.child("upstream_bind_config"))


def _check_cluster_manager(cursor: Cursor) -> None:
    if "outlier_detection" in _CLUSTER_MANAGER.read(cursor):
        events = cursor.child("outlier_detection")
        check_log_path(events, events.get("event_log_path"), "event_log_path")


def _lower_admin(cursor: Cursor) -> model.Admin | None:
    """The admin listener; None when it has no address, which switches it off."""
    fields = _ADMIN.read(cursor)
    logs = lower_access_logs(cursor)
    if fields.get("access_log_path"):
        logs.append(lower_file_log(cursor, fields["access_log_path"], "access_log_path"))
    paths = [lower_string_matcher(item) for item in cursor.items("allow_paths")]
    address = lower_address(cursor.child("address")) if "address" in fields else None
    options = lower_socket_options(cursor)
    if address is None:
        return None
    return model.Admin(address=address, socket_options=options, access_log=logs, allow_paths=paths)
