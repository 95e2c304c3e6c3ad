"""The endpoints of a cluster as load balancing sees them, for `/config_dump?include_eds`.

Owns the regrouping that Envoy does: endpoints by priority and locality, every default filled in, the health
that a static configuration gives. Nothing else changes the health of an endpoint yet.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/endpoint/v3/endpoint.proto.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from ferryman.api import schema

_ASSIGNMENT: Final = "envoy.config.endpoint.v3.ClusterLoadAssignment"
_HEALTH: Final = "envoy.config.core.v3.HealthStatus"
_OVERPROVISIONING_FACTOR: Final = 140
_PER_MILLION: Final = {0: 10_000, 1: 100, 2: 1}
"""By FractionalPercent.DenominatorType: HUNDRED, TEN_THOUSAND, MILLION."""


def load_assignment(cluster: Any) -> Any:
    """The ClusterLoadAssignment that Envoy would tell of this static Cluster."""
    given = cluster.load_assignment
    assignment: Any = schema.new_message(_ASSIGNMENT)
    assignment.cluster_name = cluster.name
    for (priority, *place), localities in sorted(_grouped(given).items()):
        group = assignment.endpoints.add(priority=priority)
        group.locality.region, group.locality.zone, group.locality.sub_zone = place
        # The last one that is told wins.
        group.load_balancing_weight.value = localities[-1].load_balancing_weight.value
        for locality in localities:
            for endpoint in locality.lb_endpoints:
                _add_endpoint(group.lb_endpoints.add(), endpoint)
    _fill_policy(assignment.policy, given.policy)
    return assignment


def _grouped(given: Any) -> dict[tuple[int, str, str, str], list[Any]]:
    found: dict[tuple[int, str, str, str], list[Any]] = {}
    for locality in given.endpoints:
        place = locality.locality
        if locality.lb_endpoints:
            key = (locality.priority, place.region, place.zone, place.sub_zone)
            found.setdefault(key, []).append(locality)
    return found


def _add_endpoint(shown: Any, given: Any) -> None:
    endpoint = shown.endpoint
    endpoint.address.CopyFrom(given.endpoint.address)
    _spell_shortly(endpoint.address)
    endpoint.hostname = given.endpoint.hostname
    endpoint.health_check_config.SetInParent()
    endpoint.health_check_config.port_value = given.endpoint.health_check_config.port_value
    endpoint.health_check_config.hostname = given.endpoint.health_check_config.hostname
    for additional in given.endpoint.additional_addresses:
        added = endpoint.additional_addresses.add()
        added.address.CopyFrom(additional.address)
        _spell_shortly(added.address)
    shown.health_status = _health(given.health_status)
    if given.HasField("metadata"):
        shown.metadata.CopyFrom(given.metadata)
    shown.load_balancing_weight.value = given.load_balancing_weight.value or 1


def _spell_shortly(address: Any) -> None:
    """An IP address as its shortest text: `::1` of `::0001`."""
    if address.HasField("socket_address"):
        socket_address = address.socket_address
        try:
            socket_address.address = str(ipaddress.ip_address(socket_address.address))
        except ValueError:
            return


def _health(told: int) -> int:
    names = {schema.enum_number(_HEALTH, name): name for name in ("UNHEALTHY", "DRAINING", "TIMEOUT")}
    if told in names:
        return schema.enum_number(_HEALTH, "UNHEALTHY")
    degraded = schema.enum_number(_HEALTH, "DEGRADED")
    return degraded if told == degraded else schema.enum_number(_HEALTH, "HEALTHY")


def _fill_policy(shown: Any, given: Any) -> None:
    for drop in given.drop_overloads:
        added = shown.drop_overloads.add(category=drop.category)
        percent = drop.drop_percentage
        added.drop_percentage.numerator = min(
            percent.numerator * _PER_MILLION.get(percent.denominator, 1), 1_000_000
        )
        added.drop_percentage.denominator = max(_PER_MILLION)
    factor = given.overprovisioning_factor.value
    shown.overprovisioning_factor.value = factor or _OVERPROVISIONING_FACTOR
