"""The fault filter (Envoy: `fault.v3`)."""

from __future__ import annotations

from ferryman.config.model.matcher import HeaderMatcher
from ferryman.config.model.metadata import Struct
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Model, Tagged


class FaultPercentage(Model, frozen=True):
    """How often; with `by_header` a request may ask for less."""

    percentage: RuntimeFractionalPercent
    by_header: bool


class FaultDelay(Model, frozen=True):
    """A delay; None: the request says how long. The keys of the runtime are never empty."""

    fixed_delay_ms: int | None
    duration_runtime: str
    percentage: FaultPercentage


class FaultAbort(Model, frozen=True):
    """An answer of the proxy's own; neither status: the request says it."""

    http_status: int | None
    status_runtime: str
    grpc_status: int | None
    grpc_status_runtime: str
    response_body: str
    percentage: FaultPercentage


class FaultRateLimit(Model, frozen=True):
    """So many KiB of a response in a second; None: the request says how many."""

    limit_kbps: int | None
    percentage: FaultPercentage


class Fault(Tagged, tag="fault", frozen=True):
    """Faults for requests to `upstream_cluster` (empty: any) that match, from `downstream_nodes` (or any)."""

    delay: FaultDelay | None
    abort: FaultAbort | None
    response_rate_limit: FaultRateLimit | None
    filter_metadata: Struct | None
    upstream_cluster: str
    headers: list[HeaderMatcher]
    downstream_nodes: list[str]
    max_active_faults: int | None
    max_active_faults_runtime: str
