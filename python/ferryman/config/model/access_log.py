"""Access logs and their filters (Envoy: `config.accesslog.v3.AccessLog`)."""

from __future__ import annotations

from ferryman.config.model.format import Format, JsonObject
from ferryman.config.model.matcher import HeaderMatcher, MetadataMatcher
from ferryman.config.model.runtime import FractionalPercent, RuntimeUInt32
from ferryman.config.model.struct import Model, Tagged


class FileSink(Tagged, tag="file", frozen=True):
    """A file; it is opened at load and reopened on SIGUSR1."""

    path: str


class StdoutSink(Tagged, tag="stdout", frozen=True):
    """Standard output."""


class StderrSink(Tagged, tag="stderr", frozen=True):
    """Standard error."""


class TextLog(Tagged, tag="text", frozen=True):
    """A text line; the format carries its own newline."""

    format: Format
    omit_empty_values: bool


class JsonLog(Tagged, tag="json", frozen=True):
    """One JSON object a line."""

    root: JsonObject
    omit_empty_values: bool


class Comparison(Model, frozen=True):
    """`op` is eq, ge, le or ne."""

    op: str
    value: RuntimeUInt32


class StatusCodeFilter(Tagged, tag="status_code", frozen=True):
    """Compares the response code (0 when there is none)."""

    comparison: Comparison


class DurationFilter(Tagged, tag="duration", frozen=True):
    """Compares the duration in milliseconds."""

    comparison: Comparison


class ResponseFlagFilter(Tagged, tag="response_flag", frozen=True):
    """Any of these flags; none given: any flag at all."""

    flags: list[str]


class HeaderFilter(Tagged, tag="header", frozen=True):
    """A request header condition."""

    header: HeaderMatcher


class MetadataFilter(Tagged, tag="metadata", frozen=True):
    """A condition on dynamic metadata; `if_missing`: what holds without the value, or without a matcher."""

    matcher: MetadataMatcher | None
    if_missing: bool


class AndFilter(Tagged, tag="and", frozen=True):
    """All hold."""

    filters: list[AccessLogFilter]


class OrFilter(Tagged, tag="or", frozen=True):
    """At least one holds."""

    filters: list[AccessLogFilter]


class NotHealthCheckFilter(Tagged, tag="not_health_check", frozen=True):
    """The request is no health check."""


class TraceableFilter(Tagged, tag="traceable", frozen=True):
    """The request is traced: none is."""


class GrpcStatusFilter(Tagged, tag="grpc_status", frozen=True):
    """The response's gRPC status is one of these numbers; with `exclude`, none of them."""

    statuses: list[int]
    exclude: bool


class LogTypeFilter(Tagged, tag="log_type", frozen=True):
    """The occasion is one of these (numbers of AccessLogType); with `exclude`, none of them."""

    types: list[int]
    exclude: bool


class RuntimeFilter(Tagged, tag="runtime", frozen=True):
    """A share of all; the runtime may set its numerator. One request id is always in it, or never."""

    percent: FractionalPercent
    runtime_key: str
    use_independent_randomness: bool


AccessLogFilter = (
    StatusCodeFilter
    | DurationFilter
    | ResponseFlagFilter
    | HeaderFilter
    | MetadataFilter
    | AndFilter
    | OrFilter
    | NotHealthCheckFilter
    | TraceableFilter
    | GrpcStatusFilter
    | LogTypeFilter
    | RuntimeFilter
)


class AccessLogEvents(Model, frozen=True):
    """When lines are written beside the end; `flush_interval_ms`: how often meanwhile, None: never."""

    on_start: bool
    on_connected: bool  # an upstream connection of tcp_proxy, a tunnel of a connection manager
    flush_interval_ms: int | None


class AccessLog(Model, frozen=True):
    """One access log of a listener, connection manager, tcp_proxy or of admin."""

    sink: FileSink | StdoutSink | StderrSink
    format: TextLog | JsonLog
    filter: AccessLogFilter | None
