"""What concerns the whole process (Envoy: `config.bootstrap.v3.Bootstrap` and the command line)."""

from __future__ import annotations

from ferryman.config.model.access_log import AccessLog
from ferryman.config.model.address import Address, SocketOption
from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.runtime import RuntimeLayer
from ferryman.config.model.stats_matcher import StatsMatcher
from ferryman.config.model.stats_sink import StatsSink
from ferryman.config.model.struct import Model
from ferryman.config.model.watchdog import Watchdog


class Admin(Model, frozen=True):
    """The admin listener."""

    address: Address
    socket_options: list[SocketOption]
    access_log: list[AccessLog]
    allow_paths: list[StringMatcher]


class HistogramBuckets(Model, frozen=True):
    """Which bucket bounds (milliseconds or plain) hold for the histograms whose names match."""

    match: StringMatcher
    buckets: list[float]


class TagSpecifier(Model, frozen=True):
    """One tag: a regex with up to two groups, or a fixed value."""

    tag_name: str
    regex: str | None
    fixed_value: str | None


class StatsConfig(Model, frozen=True):
    """How stats are named and which exist."""

    tags: list[TagSpecifier]
    use_all_default_tags: bool
    allow_default_tag_overrides: bool
    histogram_buckets: list[HistogramBuckets]
    matcher: StatsMatcher | None
    deferred_creation: bool  # what counts a cluster's traffic is listed from its first request on


class Bootstrap(Model, frozen=True):
    """Everything that is neither a listener nor a cluster."""

    admin: Admin | None
    node_id: str
    node_cluster: str
    node_region: str
    node_zone: str
    node_sub_zone: str
    concurrency: int
    drain_time_ms: int
    drain_strategy: str  # gradual | immediate
    file_flush_interval_ms: int
    file_flush_min_size_bytes: int
    stats: StatsConfig
    stats_sinks: list[StatsSink]
    stats_flush_interval_ms: int
    stats_flush_on_admin: bool  # and not at an interval
    stats_server_version: int | None
    starts_draining: bool  # health checks fail from the start
    worker_cpu_affinity: bool  # each worker stays on a CPU of its own
    header_prefix: str  # x-envoy
    deprecated_features: int  # how many fields and values that are deprecated the configuration has
    unknown_fields: int  # how many it has that Envoy 1.40 does not know
    application_log_format: str | None  # in place of that of the command line
    layered_runtime: list[RuntimeLayer]  # the last one that has a key counts
    main_thread_watchdog: Watchdog
    worker_watchdog: Watchdog
    dispatcher_stats: bool  # how busy the threads' event loops are
