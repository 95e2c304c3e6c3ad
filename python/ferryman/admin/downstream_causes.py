"""Errors whose reason is the request, its way to a route, or a limit of the HTTP connection manager.

Owns one function a cause. Follows Envoy's pages "Response code details" and "How do I configure timeouts?".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ferryman.admin.cause import Cause, Failure, seconds

_LIMITS: Final = {
    "HeadersTooLarge": (
        "max_request_headers_kb",
        "60",
        "raise the limit if the client's head is legitimate (cookies are the usual reason)",
    ),
    "TooManyHeaders": (
        "common_http_protocol_options.max_headers_count",
        "100",
        "raise the limit if the client needs that many fields",
    ),
    "UnderscoreInName": (
        "common_http_protocol_options.headers_with_underscores_action",
        "ALLOW",
        "rename the field in the client, or choose ALLOW or DROP_HEADER",
    ),
    "LowVersion": (
        "http_protocol_options.accept_http_10",
        "false",
        "let the client speak HTTP/1.1, or set accept_http_10: true",
    ),
    "MissingHost": (
        "http_protocol_options.default_host_for_http_10",
        "none",
        "let the client send a host; HTTP/1.0 clients without one need default_host_for_http_10",
    ),
    "InvalidMethod": (
        "http_protocol_options.allow_custom_methods",
        "false",
        "use a method that HTTP knows, or set allow_custom_methods: true",
    ),
    "FragmentInTarget": ("normalize_path", "false", "let the client keep what follows # to itself"),
}


def broken_request(failure: Failure) -> Cause:
    """The head or the body cannot be read."""
    name, text = failure.stream.broken_rule or ("", "it is malformed")
    if name in _LIMITS:
        field, default, advice = _LIMITS[name]
        path = f"{failure.manager}.{field}"
        return Cause(what=f"the request was refused: {text}", path=path, default=default, advice=advice)
    return Cause(
        what=f"the request was refused: {text} ({name})",
        path=failure.manager,
        advice="mend the client: two servers could read such a message differently, so no setting lets it "
        "through",
    )


def refused_request(failure: Failure) -> Cause:
    """The connection manager does not let the request in."""
    details = failure.stream.details
    if details.startswith("path_normalization_failed"):
        return Cause(
            what="the request was refused: its path cannot be normalized, or has an escaped slash",
            path=f"{failure.manager}.path_with_escaped_slashes_action",
            default="KEEP_UNCHANGED",
            advice="mend the path in the client, or choose another path_with_escaped_slashes_action",
        )
    if details.startswith("absolute_path_rejected"):
        what, advice = "the request's target is no path", "ask for a path that begins with a slash"
        return Cause(what=what, path=failure.manager, advice=advice)
    return Cause(
        what=f"the connection manager refused the request: {details.replace('_', ' ')}",
        path=failure.manager,
        advice="mend the client's request",
    )


def too_large(failure: Failure) -> Cause:
    """A body is larger than what a filter may hold."""
    stream = failure.stream
    holder = f"the filter {stream.filter[0]}" if stream.filter else "a filter"
    path = _filter_path(failure) or f"{failure.listener}.per_connection_buffer_limit_bytes"
    return Cause(
        what=f"{holder} holds the request's body, which is larger than it may be",
        path=path,
        default="the listener's per_connection_buffer_limit_bytes",
        advice="raise the limit (max_request_bytes of the buffer filter, request_body_buffer_limit of the "
        "route), or do not buffer uploads",
    )


def response_too_large(failure: Failure) -> Cause:
    """A response's body is larger than what a filter may hold."""
    holder = f"the filter {failure.stream.filter[0]}" if failure.stream.filter else "a filter"
    return Cause(
        what=f"{holder} holds the response's body, which is larger than it may be",
        path=_filter_path(failure) or f"{failure.listener}.per_connection_buffer_limit_bytes",
        default="the listener's per_connection_buffer_limit_bytes",
        advice="raise the limit, or take the filter off routes whose responses are large",
    )


def body_refused(failure: Failure) -> Cause:
    """A filter that reads a body finds that it cannot be what it is said to be."""
    stream = failure.stream
    holder = f"the HTTP filter {stream.filter[0]}" if stream.filter else "an HTTP filter"
    return Cause(
        what=f"{holder} refused the body ({stream.details})",
        path=_filter_path(failure) or f"{failure.manager}.http_filters",
        advice="look at what the peer sends: its body is not in the form that its content-type announces",
    )


def client_left(failure: Failure) -> Cause:
    """The client is gone."""
    when = (
        "while it received the response" if failure.stream.response_started else "before its response began"
    )
    return Cause(
        what=f"the client closed or reset its connection {when}, after {seconds(failure.stream.duration_ms)}",
        advice="look at the client's own timeout: it is likely to be shorter than what the upstream took",
    )


def stream_reset(failure: Failure) -> Cause:
    """The client has reset the stream (HTTP/2); its connection goes on."""
    when = "in the middle of the response" if failure.stream.response_started else "before its response began"
    return Cause(
        what=f"the client reset the stream {when}, after {seconds(failure.stream.duration_ms)}",
        advice="look at the client's own timeout: it is likely to be shorter than what the upstream took",
    )


def headers_timeout(failure: Failure) -> Cause:
    """The head took too long."""
    return Cause(
        what=f"the request's head was not there within {seconds(failure.stream.limits.request_headers_ms)}",
        path=f"{failure.manager}.request_headers_timeout",
        advice="raise request_headers_timeout if such slow clients are wanted; else it did what it is for",
    )


def request_timeout(failure: Failure) -> Cause:
    """The request took too long."""
    return Cause(
        what=f"the request was not there as a whole within {seconds(failure.stream.limits.request_ms)}",
        path=f"{failure.manager}.request_timeout",
        advice="raise request_timeout, or turn it off (0s) where uploads may take long",
    )


def idle_timeout(failure: Failure) -> Cause:
    """Nothing moved for too long."""
    route = failure.stream.route
    limit = seconds(failure.stream.limits.stream_idle_ms)
    if failure.stream.limits.is_flushing:
        of_route = route is not None and route.has_flush_timeout
        return Cause(
            what=f"the response was whole, and the client opened no window for its rest within {limit}",
            path=f"{failure.action}.flush_timeout" if of_route else f"{failure.manager}.stream_flush_timeout",
            default="the stream_idle_timeout",
            advice="see why the client does not read; raise the flush_timeout where clients are that slow",
        )
    of_route = route is not None and route.has_idle_timeout
    return Cause(
        what=f"nothing moved on the stream, in either direction, for {limit}",
        path=f"{failure.action}.idle_timeout" if of_route else f"{failure.manager}.stream_idle_timeout",
        default="300s",
        advice="raise the idle_timeout of the route (0s turns it off) where streams may be silent for longer",
    )


def max_stream_duration(failure: Failure) -> Cause:
    """The stream lasted too long."""
    route = failure.stream.route
    of_route = route is not None and route.has_max_stream_duration
    path = f"{failure.action}.max_stream_duration.max_stream_duration"
    return Cause(
        what=f"the stream lasted longer than it may: {seconds(failure.stream.duration_ms)}",
        path=path if of_route else f"{failure.manager}.common_http_protocol_options.max_stream_duration",
        advice="raise max_stream_duration where streams may last longer",
    )


def invalid_envoy_header(failure: Failure) -> Cause:
    """A header that speaks to the router has a value that it cannot have."""
    return Cause(
        what=f"a header that speaks to the router has a value that it cannot have ({failure.stream.details})",
        path=f"{failure.manager}.http_filters",
        advice="mend the client, or take the header out of the router's strict_check_headers",
    )


def no_route(failure: Failure) -> Cause:
    """No route takes the request."""
    stream = failure.stream
    if stream.virtual_host:
        return Cause(
            what=f"no route of the virtual host '{stream.virtual_host}' matches "
            f"{stream.method} {stream.path}",
            path=stream.virtual_host_place or f"{failure.manager}.route_config.virtual_hosts",
            advice="add a route that matches the path (and what else the routes ask for: headers, query)",
        )
    return Cause(
        what=f"no virtual host has a domain that matches the host '{stream.authority}'",
        path=f"{failure.manager}.route_config.virtual_hosts",
        default="no virtual host at all",
        advice='add the host to a virtual host\'s domains, or "*" for all',
    )


def no_upgrade(failure: Failure) -> Cause:
    """The request asks for another protocol."""
    return Cause(
        what="the request asks for another protocol, and the configuration has no such upgrade",
        path=f"{failure.manager}.upgrade_configs",
        default="none",
        advice="add the protocol (upgrade_type: websocket, for example) to upgrade_configs of the HTTP "
        "connection manager, or of the route",
    )


def local_reply(failure: Failure) -> Cause:
    """A filter, or the route itself, answers."""
    stream = failure.stream
    if stream.filter:
        return Cause(
            what=f"the HTTP filter {stream.filter[0]} answered {stream.status} ({stream.details})",
            path=_filter_path(failure),
            advice="look at the filter's configuration there, and at what the route says to it in "
            "typed_per_filter_config",
        )
    return Cause(
        what=f"the route itself answers {stream.status}",
        path=f"{stream.route.place}.direct_response" if stream.route else failure.manager,
        advice="nothing is wrong if that is meant; else change the route's direct_response",
    )


def process_ended(failure: Failure) -> Cause:
    """The proxy was told to end."""
    return Cause(
        what="the proxy was told to end, and the request was not over when the drain time was",
        advice="raise --drain-time-s, or let requests take less",
    )


def _filter_path(failure: Failure) -> str:
    found = failure.stream.filter
    return f"{failure.manager}.http_filters[{found[1]}]" if found else ""


CAUSES: Final[dict[str, Callable[[Failure], Cause]]] = {
    "DownstreamCodec": broken_request,
    "RequestRefused": refused_request,
    "InvalidEnvoyHeader": invalid_envoy_header,
    "RequestTooLarge": too_large,
    "ResponseTooLarge": response_too_large,
    "BodyRefused": body_refused,
    "DownstreamDisconnect": client_left,
    "DownstreamReset": stream_reset,
    "DownstreamHttp2": broken_request,
    "RequestHeadersTimeout": headers_timeout,
    "RequestTimeout": request_timeout,
    "StreamIdleTimeout": idle_timeout,
    "MaxStreamDuration": max_stream_duration,
    "RouteNotFound": no_route,
    "UpgradeNotAllowed": no_upgrade,
    "LocalReply": local_reply,
    "ProcessEnded": process_ended,
}
