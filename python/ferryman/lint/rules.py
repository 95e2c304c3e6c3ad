"""The one list of rules.

Owns which rules there are, and their order in the document.
"""

from __future__ import annotations

from typing import Final

from ferryman.lint.access_log_fields import ACCESS_LOG_FIELDS
from ferryman.lint.admin_exposed import ADMIN_EXPOSED
from ferryman.lint.client_address import CLIENT_ADDRESS
from ferryman.lint.deprecated import DEPRECATED
from ferryman.lint.domain_ports import DOMAIN_PORTS
from ferryman.lint.edge_limits import EDGE_LIMITS
from ferryman.lint.grpc_clusters import GRPC_CLUSTERS
from ferryman.lint.header_edits import HEADER_EDITS
from ferryman.lint.idle_timeouts import IDLE_TIMEOUT_OFF, UPGRADE_IDLE_TIMEOUT
from ferryman.lint.path_normalization import PATH_NORMALIZATION
from ferryman.lint.prefix_rewrites import PREFIX_REWRITE
from ferryman.lint.retries import (
    PER_TRY_TIMEOUT_TOO_LONG,
    RETRY_WITHOUT_CONDITION,
    RETRY_WITHOUT_PER_TRY_TIMEOUT,
)
from ferryman.lint.rule import Rule
from ferryman.lint.stat_prefixes import SHARED_STAT_PREFIX
from ferryman.lint.stream_timeouts import STREAM_TIMEOUT
from ferryman.lint.unreachable_routes import UNREACHABLE_ROUTE
from ferryman.lint.unused_clusters import UNUSED_CLUSTER
from ferryman.lint.upstream_tls import UPSTREAM_TLS_UNVERIFIED
from ferryman.lint.weights import ZERO_WEIGHT

RULES: Final[tuple[Rule, ...]] = (
    STREAM_TIMEOUT,
    UPGRADE_IDLE_TIMEOUT,
    IDLE_TIMEOUT_OFF,
    RETRY_WITHOUT_CONDITION,
    RETRY_WITHOUT_PER_TRY_TIMEOUT,
    PER_TRY_TIMEOUT_TOO_LONG,
    EDGE_LIMITS,
    CLIENT_ADDRESS,
    PATH_NORMALIZATION,
    ADMIN_EXPOSED,
    UPSTREAM_TLS_UNVERIFIED,
    UNREACHABLE_ROUTE,
    DOMAIN_PORTS,
    PREFIX_REWRITE,
    HEADER_EDITS,
    ZERO_WEIGHT,
    UNUSED_CLUSTER,
    GRPC_CLUSTERS,
    SHARED_STAT_PREFIX,
    ACCESS_LOG_FIELDS,
    DEPRECATED,
)
