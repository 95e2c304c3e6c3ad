"""Load balancing policies: the `lb_policy` enum and the `load_balancing_policy` list.

Owns which policies are built and the order in which Envoy looks at the two spellings: a list wins over the
enum, and within a list the first policy that is known.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/load_balancers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import EMPTY, Fields, refuse
from ferryman.config.runtime import lower_runtime_double

_PREFIX: Final = "envoy.extensions.load_balancing_policies"
NO_ZONES: Final = "zones matter only with cluster_manager.local_cluster_name, which is refused"
_PASSES: Final = "zone_aware_lb_config without fail_traffic_on_panic"

_LOCALITY_LB = Fields(f"{_PREFIX}.common.v3.LocalityLbConfig", checked={"zone_aware_lb_config": _PASSES})
_ZONE_AWARE = Fields(
    f"{_PREFIX}.common.v3.LocalityLbConfig.ZoneAwareLbConfig",
    no_effect={
        "routing_enabled": NO_ZONES,
        "min_cluster_size": NO_ZONES,
        "force_local_zone": NO_ZONES,
        "force_locality_direct_routing": NO_ZONES,
        "locality_basis": NO_ZONES,
    },
)
_ROUND_ROBIN = Fields(
    f"{_PREFIX}.round_robin.v3.RoundRobin",
    checked={"locality_lb_config": _PASSES},
    same={"slow_start_config": EMPTY},
)
_RANDOM = Fields(f"{_PREFIX}.random.v3.Random", checked={"locality_lb_config": _PASSES})
_LEAST_REQUEST = Fields(
    f"{_PREFIX}.least_request.v3.LeastRequest",
    "choice_count active_request_bias",
    checked={"locality_lb_config": _PASSES},
    same={"enable_full_scan": False, "slow_start_config": EMPTY},
)
_OLD_LEAST_REQUEST = Fields(
    "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig",
    "choice_count active_request_bias",
    same={"slow_start_config": EMPTY},
)
_OLD_ROUND_ROBIN = Fields(
    "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig", same={"slow_start_config": EMPTY}
)
_POLICIES = Fields("envoy.config.cluster.v3.LoadBalancingPolicy", "policies")
_POLICY = Fields("envoy.config.cluster.v3.LoadBalancingPolicy.Policy", "typed_extension_config")

_LB_POLICIES: Final = (
    "ROUND_ROBIN",
    "LEAST_REQUEST",
    "RING_HASH",
    "RANDOM",
    "",
    "MAGLEV",
    "CLUSTER_PROVIDED",
    "LOAD_BALANCING_POLICY_CONFIG",
)


def lower_load_balancing_policy(cursor: Cursor, fields: dict[str, Any]) -> model.LoadBalancingPolicy:
    """The policy of a Cluster, whose set fields are `fields`."""
    if "load_balancing_policy" in fields:
        return _lower_policies(cursor.child("load_balancing_policy"))
    number = fields.get("lb_policy", 0)
    name = _LB_POLICIES[number] if number < len(_LB_POLICIES) else str(number)
    if name == "ROUND_ROBIN":
        if "round_robin_lb_config" in fields:
            _OLD_ROUND_ROBIN.read(cursor.child("round_robin_lb_config"))
        return model.RoundRobin()
    if name == "RANDOM":
        return model.Random()
    if name == "LEAST_REQUEST":
        config = cursor.child("least_request_lb_config")
        return _least_request(config, _OLD_LEAST_REQUEST.read(config))
    if name == "LOAD_BALANCING_POLICY_CONFIG":
        cursor.problem("load_balancing_policy must be set as well", field="lb_policy")
    elif name == "CLUSTER_PROVIDED":
        if not fields.get("type") and "cluster_type" not in fields:
            cursor.problem("a STATIC cluster provides no load balancing policy", field="lb_policy")
    else:
        refuse(cursor, f"lb_policy {name} is not supported yet", field="lb_policy")
    return model.RoundRobin()


def _lower_policies(cursor: Cursor) -> model.LoadBalancingPolicy:
    _POLICIES.read(cursor)
    for policy in cursor.items("policies"):
        if "typed_extension_config" not in _POLICY.read(policy):
            continue
        opened = open_extension(
            policy.child("typed_extension_config"), "envoy.load_balancing_policies", BUILT
        )
        if opened is None:
            return model.RoundRobin()
        inner, lower = opened
        return lower(inner)
    cursor.problem("names no load balancing policy")
    return model.RoundRobin()


def _read_locality_lb(cursor: Cursor, fields: dict[str, Any]) -> None:
    if "locality_lb_config" in fields:
        config = cursor.child("locality_lb_config")
        if "zone_aware_lb_config" in _LOCALITY_LB.read(config):
            _ZONE_AWARE.read(config.child("zone_aware_lb_config"))


def _lower_round_robin(cursor: Cursor) -> model.LoadBalancingPolicy:
    _read_locality_lb(cursor, _ROUND_ROBIN.read(cursor))
    return model.RoundRobin()


def _lower_random(cursor: Cursor) -> model.LoadBalancingPolicy:
    _read_locality_lb(cursor, _RANDOM.read(cursor))
    return model.Random()


def _lower_least_request(cursor: Cursor) -> model.LoadBalancingPolicy:
    fields = _LEAST_REQUEST.read(cursor)
    _read_locality_lb(cursor, fields)
    return _least_request(cursor, fields)


def _least_request(cursor: Cursor, fields: dict[str, Any]) -> model.LeastRequest:
    bias = model.RuntimeDouble(default_value=1.0, runtime_key="")
    if "active_request_bias" in fields:
        bias = lower_runtime_double(cursor.child("active_request_bias"))
        if not bias.default_value >= 0:
            cursor.warn(
                "has no effect: in place of a negative one Envoy takes 1.0", field="active_request_bias"
            )
            bias = model.RuntimeDouble(default_value=1.0, runtime_key=bias.runtime_key)
        elif bias.default_value == float("inf"):
            cursor.problem("must be a finite number", field="active_request_bias")
    count = fields["choice_count"].value if "choice_count" in fields else 2
    return model.LeastRequest(choice_count=count, active_request_bias=bias)


BUILT: Final[Mapping[str, Callable[[Cursor], model.LoadBalancingPolicy]]] = {
    _ROUND_ROBIN.message: _lower_round_robin,
    _RANDOM.message: _lower_random,
    _LEAST_REQUEST.message: _lower_least_request,
}
"""The load balancing policies that are built, by the type of their configuration."""
