"""Errors whose reason is the cluster, its hosts, or a limit on the time that they have.

Owns one function a cause. Follows Envoy's pages "Router", "Circuit breaking" and "Response code details".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ferryman.admin.cause import Cause, Failure, seconds


def no_cluster(failure: Failure) -> Cause:
    """The route's cluster is not there."""
    name, route = failure.stream.cluster, failure.stream.route
    if route is not None and route.cluster_from_header:
        return Cause(
            what=f"the request's header names the cluster '{name}', which is not there",
            path=f"{failure.action}.cluster_header",
            advice="look at who sets the header, or add the cluster",
        )
    return Cause(
        what=f"the route sends to the cluster '{name}', which is not there",
        path=f"{failure.action}.cluster",
        advice="add the cluster to static_resources.clusters, or name another",
    )


def no_host(failure: Failure) -> Cause:
    """The cluster has nobody to send to."""
    stream = failure.stream
    if stream.pool == "TooManyPools":
        return breaker(failure, "max_connection_pools", "connections to too many hosts are open")
    hosts = stream.upstream.hosts if stream.upstream else 0
    if not hosts:
        what, advice = f"the cluster '{stream.cluster}' has no endpoints", "add endpoints to it"
    else:
        healthy = stream.upstream.healthy if stream.upstream else 0
        what = f"of the {hosts} hosts of the cluster '{stream.cluster}' {healthy} are healthy; none may serve"
        advice = (
            "look at the hosts' health (health_status in the configuration; /clusters), and at "
            "common_lb_config.healthy_panic_threshold"
        )
    return Cause(what=what, path=f"{failure.cluster}.load_assignment", default="no endpoint", advice=advice)


def overflow(failure: Failure) -> Cause:
    """A circuit breaker is open."""
    if failure.stream.pool == "TooManyRequests":
        return breaker(failure, "max_requests", "too many requests are under way")
    return breaker(failure, "max_pending_requests", "too many requests wait for a connection")


def maintenance(failure: Failure) -> Cause:
    """The runtime keeps requests from the cluster."""
    key = f"upstream.maintenance_mode.{failure.stream.cluster}"
    return Cause(
        what=f"the runtime keeps requests from the cluster '{failure.stream.cluster}' ({key})",
        path="layered_runtime.layers",
        default="0 %",
        advice=f"take {key} out of the runtime (/runtime shows the layer that sets it), or set it to 0",
    )


def breaker(failure: Failure, limit: str, text: str) -> Cause:
    """A circuit breaker of the cluster is open: this limit of it."""
    thresholds = failure.thresholds
    # Where no thresholds stand for the priority, the list itself is what is to be mended.
    path = f"{thresholds}.{limit}" if thresholds.endswith("]") else thresholds
    return Cause(
        what=f"a circuit breaker of the cluster '{failure.stream.cluster}' is open: {text} ({limit})",
        path=path,
        default="1024" if limit != "max_connection_pools" else "no limit",
        advice=f"raise {limit} if the hosts can bear more, add hosts, or let clients ask for less",
    )


def connect_failure(failure: Failure) -> Cause:
    """No connection could be made."""
    reason = failure.stream.transport_failure.replace("_", " ").partition(": ")[2] or "it failed"
    return Cause(
        what=f"no connection to {host_of(failure)} could be made: {reason}",
        path=failure.endpoint,
        advice="see whether the service listens there (address and port), and what stands between",
    )


def connect_timeout(failure: Failure) -> Cause:
    """No connection was made in time."""
    return Cause(
        what=f"no connection to {host_of(failure)} stood within the cluster's connect_timeout",
        path=f"{failure.cluster}.connect_timeout",
        default="5s",
        advice="see whether the host is reachable (a firewall that drops is the usual reason) or overloaded; "
        "raise connect_timeout if it is far away",
    )


def closed(failure: Failure) -> Cause:
    """The endpoint closed the connection."""
    reused = failure.stream.pool in ("Reused", "Inherited")
    advice = "look at the service: it ended the connection without an answer (a crash, a limit, a restart)"
    if reused:
        advice = (
            "the connection had served before: let idle_timeout in common_http_protocol_options of "
            "the cluster be shorter than the time for which the service keeps idle connections"
        )
    return Cause(
        what=f"{host_of(failure)} closed or reset the connection {_when(failure)}",
        path=failure.endpoint,
        advice=advice,
    )


def broken_response(failure: Failure) -> Cause:
    """The response cannot be read."""
    name, text = failure.stream.broken_rule or ("", "it is malformed")
    if name == "PrematureClose":
        return Cause(
            what=f"{host_of(failure)} closed or reset the connection inside the response, {_when(failure)}",
            path=failure.endpoint,
            advice="look at the service: it broke its response off (a crash, a limit, a restart)",
        )
    options = f"{failure.cluster}.typed_extension_protocol_options"
    if name in ("HeadersTooLarge", "TooManyHeaders"):
        field = "max_response_headers_kb" if name == "HeadersTooLarge" else "max_headers_count"
        return Cause(
            what=f"the response of {host_of(failure)} was refused: {text}",
            path=options,
            default=f"{field} as by default",
            advice=f"let the service send less, or raise {field} in the cluster's "
            "common_http_protocol_options",
        )
    return Cause(
        what=f"the response of {host_of(failure)} was refused: {text} ({name})",
        path=failure.endpoint,
        advice="mend the service, or see whether it speaks HTTP/1.1 on that port at all",
    )


def reset(failure: Failure) -> Cause:
    """The endpoint reset the stream."""
    return Cause(
        what=f"{host_of(failure)} reset the stream {_when(failure)} (HTTP/2 RST_STREAM)",
        path=failure.endpoint,
        advice="look at the service: it gave this request up (a crash, a limit, a deadline of its own)",
    )


def refused(failure: Failure) -> Cause:
    """The endpoint refused the stream."""
    return Cause(
        what=f"{host_of(failure)} took the request back unprocessed: it refused the stream, or goes away "
        "(HTTP/2 REFUSED_STREAM or GOAWAY)",
        path=failure.endpoint,
        advice="it is safe to try again; let max_concurrent_streams of the cluster's http2_protocol_options "
        "be no more than the service takes",
    )


def broken_http2(failure: Failure) -> Cause:
    """What came breaks a rule of HTTP/2."""
    name, text = failure.stream.broken_rule or ("", "it is malformed")
    if name in ("HeadersTooLarge", "TooManyHeaders"):
        return broken_response(failure)
    return Cause(
        what=f"what {host_of(failure)} sent breaks a rule of HTTP/2: {text} ({name})",
        path=failure.endpoint,
        advice="mend the service, or see whether it speaks HTTP/2 on that port at all",
    )


def response_timeout(failure: Failure) -> Cause:
    """The response took too long."""
    stream = failure.stream
    limit = stream.limits.response_ms
    what = f"the upstream had all of the request and did not finish its response within {seconds(limit)}"
    if stream.route is not None and stream.route.timeout_ms != limit:
        return Cause(
            what=f"{what}, which the request itself asked for (x-envoy-upstream-rq-timeout-ms)",
            path=f"{failure.action}.timeout",
            default="15s",
            advice="let the client ask for more time, or take the header away before it comes here",
        )
    return Cause(
        what=what,
        path=f"{failure.action}.timeout",
        default="15s",
        advice="raise the route's timeout (0s turns it off, for streams), or make the service faster",
    )


def per_try_timeout(failure: Failure) -> Cause:
    """One try took too long."""
    limit = seconds(failure.stream.limits.per_try_ms)
    return Cause(
        what=f"the upstream did not begin its response within {limit}, which the request asked for "
        "(x-envoy-upstream-rq-per-try-timeout-ms)",
        path=failure.action,
        advice="let the client ask for more time, or take the header away before it comes here",
    )


def stream_duration(failure: Failure) -> Cause:
    """The exchange with the upstream took longer than the request allows."""
    return Cause(
        what="the exchange with the upstream lasted longer than "
        f"{seconds(failure.stream.limits.upstream_stream_ms)}, which the request asked for "
        "(x-envoy-upstream-stream-duration-ms)",
        path=failure.action,
        advice="let the client ask for more time, or take the header away before it comes here",
    )


def host_of(failure: Failure) -> str:
    """The host that was picked, in words."""
    host = failure.stream.upstream.host if failure.stream.upstream else None
    return host.address if host else f"a host of the cluster '{failure.stream.cluster}'"


def _when(failure: Failure) -> str:
    return "after the response had begun" if failure.stream.response_started else "before the response began"


CAUSES: Final[dict[str, Callable[[Failure], Cause]]] = {
    "ClusterNotFound": no_cluster,
    "NoHealthyUpstream": no_host,
    "Overflow": overflow,
    "MaintenanceMode": maintenance,
    "ConnectFailure": connect_failure,
    "ConnectTimeout": connect_timeout,
    "UpstreamTermination": closed,
    "UpstreamCodec": broken_response,
    "UpstreamReset": reset,
    "UpstreamRefused": refused,
    "UpstreamAccusation": reset,
    "UpstreamConnectError": reset,
    "UpstreamRefusedHead": broken_response,
    "UpstreamHttp2": broken_http2,
    "ResponseTimeout": response_timeout,
    "PerTryTimeout": per_try_timeout,
    "UpstreamMaxStreamDuration": stream_duration,
}
