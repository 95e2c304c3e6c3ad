"""Endpoints: the hosts of a cluster, by locality and priority.

Owns ClusterLoadAssignment and everything in it. Addresses are `address.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/endpoint/v3/endpoint.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.address import lower_address
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word
from ferryman.config.metadata import lower_metadata

_NO_WEIGHTS: Final = "localities are weighted only by locality_weighted_lb_config, which is refused"
_NO_METADATA: Final = "nothing that reads endpoint metadata is built (subsets, transport socket matches)"

_ASSIGNMENT = Fields(
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "endpoints policy",
    no_effect={"cluster_name": "the cluster around it has the name"},
)
_POLICY = Fields(
    "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
    "overprovisioning_factor",
    no_effect={"endpoint_stale_after": "static endpoints do not go stale"},
)
_LOCALITY_ENDPOINTS = Fields(
    "envoy.config.endpoint.v3.LocalityLbEndpoints",
    "locality lb_endpoints priority",
    no_effect={
        "load_balancing_weight": _NO_WEIGHTS,
        "proximity": "Envoy does not read it",
        "metadata": _NO_METADATA,
    },
)
LOCALITY = Fields("envoy.config.core.v3.Locality", "region zone sub_zone")
_LB_ENDPOINT = Fields(
    "envoy.config.endpoint.v3.LbEndpoint",
    "endpoint health_status load_balancing_weight metadata",
)
_ENDPOINT = Fields(
    "envoy.config.endpoint.v3.Endpoint",
    "address hostname",
    no_effect={"health_check_config": "there are no active health checks"},
)

_HEALTH: Final = ("unknown", "healthy", "unhealthy", "draining", "timeout", "degraded")
_DNS_HINT: Final = "names need a cluster type that does DNS (STRICT_DNS, LOGICAL_DNS), not supported yet"
OVERPROVISIONING_FACTOR: Final = 140


def lower_load_assignment(cursor: Cursor) -> tuple[list[model.LocalityEndpoints], int]:
    """The endpoints and the overprovisioning factor (percent) of a ClusterLoadAssignment."""
    fields = _ASSIGNMENT.read(cursor)
    factor = OVERPROVISIONING_FACTOR
    if "policy" in fields:
        policy = _POLICY.read(cursor.child("policy"))
        if "overprovisioning_factor" in policy:
            factor = policy["overprovisioning_factor"].value
    return [_lower_locality(item) for item in cursor.items("endpoints")], factor


def _lower_locality(cursor: Cursor) -> model.LocalityEndpoints:
    fields = _LOCALITY_ENDPOINTS.read(cursor)
    locality = LOCALITY.read(cursor.child("locality")) if "locality" in fields else {}
    lowered = [_lower_lb_endpoint(item) for item in cursor.items("lb_endpoints")]
    return model.LocalityEndpoints(
        region=locality.get("region", ""),
        zone=locality.get("zone", ""),
        sub_zone=locality.get("sub_zone", ""),
        priority=fields.get("priority", 0),
        endpoints=[endpoint for endpoint in lowered if endpoint is not None],
    )


def _lower_lb_endpoint(cursor: Cursor) -> model.Endpoint | None:
    fields = _LB_ENDPOINT.read(cursor)
    if "endpoint" not in fields:
        if "endpoint_name" not in fields:
            cursor.problem("endpoint is required", code="required")
        return None
    endpoint = cursor.child("endpoint")
    parts = _ENDPOINT.read(endpoint)
    if "address" not in parts:
        endpoint.problem("address is required", code="required")
        return None
    address = lower_address(endpoint.child("address"), _DNS_HINT, datagrams=True, internal=True)
    if address is None:
        return None
    weight = fields.get("load_balancing_weight")
    return model.Endpoint(
        address=address,
        hostname=parts.get("hostname", ""),
        weight=1 if weight is None else weight.value,
        health_status=word(cursor, "health_status", _HEALTH) if "health_status" in fields else "unknown",
        canary=_is_canary(fields["metadata"]) if "metadata" in fields else False,
        metadata=lower_metadata(cursor, fields),
    )


def _is_canary(metadata: Any) -> bool:
    """Whether a Metadata says so; statistics of canaries are counted apart."""
    by_filter = metadata.filter_metadata
    values: Any = by_filter["envoy.lb"].fields if "envoy.lb" in by_filter else {}
    return "canary" in values and bool(values["canary"].bool_value)
