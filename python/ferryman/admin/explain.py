"""`/explain`: why a stream ended in an error, in words, with the line of the configuration that decides it.

Owns the page and the layout of its answers. The causes are the business of `downstream_causes.py`,
`upstream_causes.py` and `session_causes.py`; the facts come from the data plane, which keeps those of the
last 10,000 such streams, and tells them alone while Python does not answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ferryman.admin import downstream_causes, session_causes, upstream_causes
from ferryman.admin.cause import Cause, Failure
from ferryman.admin.failed_stream import FailedStream, decode, named
from ferryman.admin.page import Page, Question, Reply, RunningConfig, text_reply

CAUSES: Final = {**downstream_causes.CAUSES, **upstream_causes.CAUSES}
"""Of requests, by the kind that the data plane names. Those of sessions and connections: `session_causes`."""

_POOL: Final = {
    "NotAsked": "none was asked for",
    "Waiting": "it was still waited for",
    "Reused": "an idle one was used again",
    "Connected": "a new one was made",
    "Inherited": "one that another request gave back was waited for",
    "Failed": "none could be made",
    "TooManyPending": "none, because too many requests wait for one",
    "TooManyRequests": "there was one, but too many requests are under way",
    "TooManyPools": "none, because too many hosts have connections",
}


def answer(question: Question, running: RunningConfig) -> Reply:
    """The request, session or connection with the id that is asked for, or the latest one."""
    request_id, connection = question.parameter("request_id"), question.parameter("connection_id")
    is_json = question.parameter("format") == "json"
    if connection and not (connection.isascii() and connection.isdigit() and int(connection) < 1 << 64):
        return _refusal("connection_id is a whole number (%CONNECTION_ID% in the access log)", 400, is_json)
    found = running.last_failed_stream(request_id, int(connection) if connection else None)
    if not found:
        which = f"the id {request_id}" if request_id else "any id"
        sought = f"nothing on the connection {connection} is" if connection else f"no request with {which} is"
        text = f"{sought} among the last ones that ended in an error of this proxy"
        return _refusal(text, 404, is_json)
    told = explain(decode(found[0]), running)
    if is_json:
        return Reply(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    return text_reply(as_text(told))


def _refusal(text: str, status: int, is_json: bool) -> Reply:
    if is_json:
        return Reply(msgspec.json.encode({"error": text}) + b"\n", status=status)
    return text_reply(f"{text}\n", status)


def explain(stream: FailedStream, running: RunningConfig) -> dict[str, Any]:
    """All that is known of one stream, for programs."""
    failure = Failure(stream, running.bootstrap)
    causes = CAUSES if stream.kind == "http" else session_causes.CAUSES
    cause = causes.get(stream.cause, _unknown)(failure)
    place, stands = running.sources.find(cause.path)
    paths = {
        "listener": failure.listener,
        "filter_chain": failure.chain,
        "virtual_host": stream.virtual_host_place,
        "route": stream.route.place if stream.route else "",
        "cluster": failure.cluster if stream.cluster else "",
    }
    return {
        "cause": stream.cause,
        "what": cause.what,
        "decided_by": {
            "path": cause.path,
            "place": place,
            "is_set": stands,
            "default": "" if stands else cause.default,
        },
        "advice": cause.advice,
        "places": {name: running.sources.find(path)[0] for name, path in paths.items() if path},
        "request": named(stream),
    }


def _unknown(failure: Failure) -> Cause:
    what = f"the data plane says {failure.stream.cause}, for which there are no words"
    return Cause(what=what, advice="look at the details and response flags")


def as_text(told: dict[str, Any]) -> str:
    """The same for people."""
    request = told["request"]
    began = datetime.fromtimestamp(request["started_ms"] / 1000, UTC).isoformat(timespec="milliseconds")
    lines = [
        f"{_name(request)} from {request['downstream']}, {began}, {request['duration_ms']} ms",
        f"  {_line(request)}, flags {request['flags'] or '-'}, details {request['details'] or '-'}",
        "",
        f"What happened: {told['what']}.",
        "",
        *_way(told),
        "",
        _decided_by(told["decided_by"]),
        f"What to change: {told['advice']}.",
    ]
    return "\n".join(lines) + "\n"


def _name(stream: dict[str, Any]) -> str:
    match stream["kind"]:
        case "http":
            return f"request {stream['request_id'] or '(no id)'}"
        case "tcp":
            return f"TCP session of connection {stream['connection_id']}"
        case "udp":
            return f"UDP session {stream['connection_id'] or '(none was begun)'}"
        case _:
            return f"connection {stream['connection_id']}"


def _line(stream: dict[str, Any]) -> str:
    if stream["kind"] == "http":
        line = f"{stream['method'] or '(no head)'} {stream['authority']}{stream['path']}".strip()
        return f"{line} -> {stream['status'] or 'no response'}"
    return f"{stream['bytes_received']} bytes received, {stream['bytes_sent']} sent"


def _decided_by(decided_by: dict[str, Any]) -> str:
    if not decided_by["path"]:
        return "Decided by: nothing in the configuration"
    place = f"{decided_by['place']}: " if decided_by["place"] else ""
    default = f" (not set; by default {decided_by['default']})" if decided_by["default"] else ""
    return f"Decided by: {place}{decided_by['path']}{default}"


def _way(told: dict[str, Any]) -> list[str]:
    """What was chosen on the way, as far as the request came."""
    request, upstream = told["request"], told["request"]["upstream"]
    route, is_http = request["route"], request["kind"] == "http"
    chosen = [
        ("listener", request["listener"], "listener"),
        ("filter chain", request["filter_chain"] or "(no name)", "filter_chain"),
        ("virtual host", (request["virtual_host"] or "none") if is_http else "", "virtual_host"),
        ("route", ((route["name"] or "(no name)") if route else "none") if is_http else "", "route"),
        ("filter", request["filter"][0] if request["filter"] else "", ""),
        ("cluster", request["cluster"] and f"{request['cluster']}{_hosts(upstream)}", "cluster"),
        ("host", _host(upstream), ""),
        ("connection", _connection(request), ""),
    ]
    places = told["places"]
    rows = [(name, what, places.get(place, "")) for name, what, place in chosen if what]
    return [f"  {name:<13} {what}{f'  ({place})' if place else ''}" for name, what, place in rows]


def _hosts(upstream: dict[str, Any] | None) -> str:
    if upstream is None:
        return ""
    return f": {upstream['hosts']} hosts, {upstream['healthy']} healthy, {upstream['policy']}"


def _host(upstream: dict[str, Any] | None) -> str:
    host = upstream["host"] if upstream else None
    if not host:
        return ""
    locality = f", locality {host['locality']}" if host["locality"] else ""
    panic = ", in panic: it is not healthy" if host["is_unhealthy"] else ""
    return f"{host['address']}, priority {host['priority']}{locality}{panic}"


def _connection(request: dict[str, Any]) -> str:
    return (
        f"{_POOL.get(request['pool'], request['pool'])}; {request['attempts']} attempts"
        if request["attempts"]
        else ""
    )


PAGES: Final = (
    Page(
        path="/explain",
        help="why a request or a session ended in an error: the latest one, or that of an id",
        parameters=(
            ("request_id", "The x-request-id of the request"),
            ("connection_id", "The id of the client's connection (%CONNECTION_ID%): what failed on it last"),
            ("format", "The format to use. One of (text, json)"),
        ),
        answer=answer,
    ),
)
