"""The facts of a stream that ended in an error made by the proxy, as the data plane gives them.

Owns their shape and order, which are those of `crates/dataplane/src/explain/failed_stream.rs`. What they mean
is the business of `downstream_causes.py`, `upstream_causes.py` and `session_causes.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class FailedRoute(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The route that took the request."""

    name: str
    place: str
    """Its path in the configuration."""
    timeout_ms: int | None
    """Its own response timeout, whatever the request asked for."""
    has_flush_timeout: bool
    has_idle_timeout: bool
    has_max_stream_duration: bool
    cluster_from_header: bool
    is_high_priority: bool


class PickedHost(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The host that was picked last."""

    address: str
    priority: int
    locality: str
    """Region, zone and sub-zone with slashes; "" if none."""
    is_unhealthy: bool
    """Whether it was picked although it is not healthy: in panic."""


class FailedUpstream(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What was seen of the cluster."""

    hosts: int
    healthy: int
    policy: str
    """The load balancing policy."""
    host: PickedHost | None
    """None: nobody could serve."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The limits in time that held, in milliseconds; None: there was no such limit."""

    response_ms: int | None
    per_try_ms: int | None
    upstream_stream_ms: int | None
    stream_idle_ms: int | None
    is_flushing: bool
    request_headers_ms: int | None
    request_ms: int | None


class FailedStream(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One such stream. Texts that are not known are empty."""

    kind: str
    """`http`: a request; `tcp`, `udp`: a session; `connection`: one that no filter has served."""
    connection_id: int
    """Of the downstream connection."""
    started_ms: int
    """Since 1970."""
    duration_ms: int
    request_id: str
    method: str
    authority: str
    path: str
    downstream: str
    """The client."""
    status: int
    """0: none was sent."""
    flags: str
    details: str
    cause: str
    broken_rule: tuple[str, str] | None
    """The rule of HTTP/1.1 that a message broke: its name, and in words."""
    response_started: bool
    """Whether the response had begun when it went wrong."""
    request_complete: bool
    bytes_received: int
    """From the client: of the request's body, or of the session."""
    bytes_sent: int
    listener: str
    filter_chain: str
    network_filter_place: str
    """The path in the configuration of the last network filter of the chain, the HTTP connection manager.
    Of a connection that no filter has served: of the listener."""
    virtual_host: str
    virtual_host_place: str
    route: FailedRoute | None
    filter: tuple[str, int] | None
    """The HTTP filter that held the request or answered it: name, and place in the list."""
    cluster: str
    upstream: FailedUpstream | None
    """None: there is no such cluster, or it was not looked for."""
    pool: str
    """What the connection pool answered last."""
    attempts: int
    transport_failure: str
    limits: Limits


def decode(record: bytes) -> FailedStream:
    """One of what `_native.Proxy.failed_streams` answered."""
    return msgspec.msgpack.decode(record, type=FailedStream)


def named(facts: msgspec.Struct) -> dict[str, Any]:
    """The same with the names of the fields, for programs."""
    values = msgspec.structs.asdict(facts)
    return {name: named(one) if isinstance(one, msgspec.Struct) else one for name, one in values.items()}
