"""Errors that end a TCP session, or a connection before a filter has served it.

Owns one function a cause, for those whose words differ from those of a request. Follows Envoy's pages "TCP
proxy", "Network filters" and "Access logging".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ferryman.admin import upstream_causes
from ferryman.admin.cause import Cause, Failure, seconds

_REFUSED: Final = {
    "over_connection_limit": (
        "ConnectionLimit",
        "connection_limit: as many connections as it allows are open",
        "raise max_connections if the host can bear more, or find out who keeps so many open",
    ),
    "local_ratelimit_close_over_limit": (
        "LocalRateLimit",
        "local_ratelimit: its bucket is empty",
        "raise max_tokens or tokens_per_fill, or let clients keep their connections",
    ),
    "rbac_deny_close": (
        "RBAC",
        "rbac: no rule lets it in, or one keeps it out",
        "look at the filter's rules, and at the client's address as the proxy sees it",
    ),
}
"""By what `%DOWNSTREAM_LOCAL_CLOSE_REASON%` says: the filter's message, what happened, what to change."""


def refused(failure: Failure) -> Cause:
    """A network filter has closed the connection."""
    reason = failure.stream.details
    if reason not in _REFUSED:
        return Cause(
            what=f"a network filter closed the connection ({reason or 'no reason is given'})",
            path=failure.chain or failure.listener,
            advice="look at the filters of the chain",
        )
    message, what, advice = _REFUSED[reason]
    path = failure.network_filter(message)
    return Cause(what=f"the connection was closed by the network filter {what}", path=path, advice=advice)


def no_chain(failure: Failure) -> Cause:
    """No filter chain takes the connection, or no route a datagram."""
    if failure.stream.kind == "udp":
        return Cause(
            what="no route of the UDP proxy's matcher leads to a cluster",
            path=f"{failure.manager}.matcher",
            default="none",
            advice="add an action for such datagrams (by address or port of either end), or on_no_match",
        )
    return Cause(
        what=f"no filter chain of the listener '{failure.stream.listener}' matches the connection, and it "
        "has no default_filter_chain",
        path=f"{failure.listener}.filter_chains",
        default="none",
        advice="add a chain that matches (addresses, ports and what listener filters found out), or a "
        "default_filter_chain",
    )


def no_cluster(failure: Failure) -> Cause:
    """The cluster of the TCP or UDP proxy is not there."""
    proxy = f"the {failure.stream.kind.upper()} proxy"
    return Cause(
        what=f"{proxy} sends to the cluster '{failure.stream.cluster}', which is not there",
        path=failure.session_cluster,
        default="what a filter chose",
        advice="add the cluster to static_resources.clusters, or name another",
    )


def overflow(failure: Failure) -> Cause:
    """A circuit breaker is open: each session has a connection of its own."""
    what = "sessions" if failure.stream.kind == "udp" else "connections"
    return upstream_causes.breaker(failure, "max_connections", f"too many {what} are open")


def closed(failure: Failure) -> Cause:
    """The host broke the session off."""
    stream, host = failure.stream, upstream_causes.host_of(failure)
    return Cause(
        what=f"{host} reset or broke the connection after {seconds(stream.duration_ms)}, "
        f"{stream.bytes_received} bytes to it and {stream.bytes_sent} from it",
        path=failure.endpoint,
        advice="look at the service: it broke the connection off (a crash, a limit, a restart)",
    )


def client_left(failure: Failure) -> Cause:
    """The client broke the session off."""
    when = (
        "after the first bytes had come back"
        if failure.stream.response_started
        else "before any byte came back"
    )
    return Cause(
        what=f"the client reset its connection or left {when}, after {seconds(failure.stream.duration_ms)}",
        advice="look at the client's own timeout, and at how long the host takes",
    )


def idle_timeout(failure: Failure) -> Cause:
    """Nothing moved for too long."""
    limit = seconds(failure.stream.limits.stream_idle_ms)
    return Cause(
        what=f"nothing moved in the session, in either direction, for {limit}",
        path=f"{failure.manager}.idle_timeout",
        default="1h",
        advice="raise idle_timeout (0s turns it off), or let the client or the service send keepalives",
    )


def max_duration(failure: Failure) -> Cause:
    """The session lasted too long."""
    return Cause(
        what=f"the session lasted longer than it may: {seconds(failure.stream.duration_ms)}",
        path=f"{failure.manager}.max_downstream_connection_duration",
        default="no limit",
        advice="raise max_downstream_connection_duration, or let clients connect again",
    )


def process_ended(failure: Failure) -> Cause:
    """The proxy was told to end, or to drain."""
    return Cause(
        what="the proxy was told to end or to drain, and the session was not over when the drain time was",
        advice="raise --drain-time-s, or let clients connect again before",
    )


CAUSES: Final[dict[str, Callable[[Failure], Cause]]] = {
    "RouteNotFound": no_chain,
    "ClusterNotFound": no_cluster,
    "NoHealthyUpstream": upstream_causes.no_host,
    "Overflow": overflow,
    "ConnectFailure": upstream_causes.connect_failure,
    "ConnectTimeout": upstream_causes.connect_timeout,
    "UpstreamTermination": closed,
    "DownstreamDisconnect": client_left,
    "StreamIdleTimeout": idle_timeout,
    "MaxStreamDuration": max_duration,
    "LocalReply": refused,
    "ProcessEnded": process_ended,
}
