"""What a scenario says must be observed, and what of it was not.

Owns: the `expect` block of scenarios (and `ours` of differing oracle cases). Keys, all optional:

  status: N | [N, …]         statuses of the final responses of all connections, in order
  headers: {NAME: VALUE}     of the last response; null = must be absent, a list = every value in order
  body: TEXT                 of the last response; body_has: TEXT for a part of it
  trailers: {NAME: VALUE}    of the last response
  closed: BOOL               whether the proxy ended the (last) connection
  received: TEXT             exact bytes that the client got (`normalise.yaml` lists what is masked)
  requests: {SERVER: N}      how many requests each upstream server saw
  upstream: {line, headers, body, trailers}   the last request that server `up` saw
  forwarded: TEXT            exact bytes that server `up` saw on its first connection
  log: {FIELD: VALUE} | [LINE, …]             last line of the default format | all lines of another
  lines: N                   how many lines were logged
  stats: {NAME: DELTA}       0 for a stat that must not move
  problems: [TEXT, …]        parts of what could not be played; none by default
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.observation import Observation
from harness.wire_text import to_wire


def unmet(expect: dict[str, Any], seen: Observation) -> list[str]:
    """Each expectation that was not met, as a line."""
    lines: list[str] = []
    for key, wanted in expect.items():
        check = CHECKS.get(key)
        if check is None:
            raise ValueError(f"unknown expectation {key!r}; there are {', '.join(sorted(CHECKS))}")
        lines += [f"{key}: {line}" for line in check(wanted, seen)]
    if "problems" not in expect and seen.problems:
        lines.append(f"problems: {seen.problems}")
    return lines


def _equal(wanted: Any, found: Any) -> list[str]:
    return [] if wanted == found else [f"expected {wanted!r}, found {found!r}"]


def _responses(seen: Observation) -> list[dict[str, Any]]:
    return [response for connection in seen.connections for response in connection["responses"]]


def _last(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return messages[-1] if messages else {"start_line": None, "headers": [], "body": None}


def _status(wanted: Any, seen: Observation) -> list[str]:
    found = [int(response["start_line"].split(" ")[1]) for response in _responses(seen)]
    return _equal(wanted if isinstance(wanted, list) else [wanted], found)


def _headers(wanted: dict[str, Any], message: dict[str, Any], kind: str = "headers") -> list[str]:
    lines = []
    for name, value in wanted.items():
        found = [v for n, v in message.get(kind, []) if n == name.lower()]
        expected = (
            [] if value is None else [str(v) for v in value] if isinstance(value, list) else [str(value)]
        )
        if found != expected:
            lines.append(f"{name}: expected {expected!r}, found {found!r}")
    return lines


def _upstream(wanted: dict[str, Any], seen: Observation) -> list[str]:
    request = _last([request for side in seen.upstreams.get("up", []) for request in side["requests"]])
    lines: list[str] = []
    if "line" in wanted:
        lines += _equal(wanted["line"], request["start_line"])
    if "body" in wanted:
        lines += _equal(wanted["body"], request["body"])
    for kind in ("headers", "trailers"):
        lines += _headers(wanted.get(kind, {}), request, kind)
    return lines


def _requests(wanted: dict[str, int], seen: Observation) -> list[str]:
    lines = []
    for server, count in wanted.items():
        found = sum(len(side["requests"]) for side in seen.upstreams.get(server, []))
        lines += [f"{server}: {line}" for line in _equal(count, found)]
    return lines


def _log(wanted: Any, seen: Observation) -> list[str]:
    if isinstance(wanted, list):
        return _equal(wanted, seen.log)
    line = seen.log[-1] if seen.log else {}
    return [
        f"{name}: expected {str(value)!r}, found {line.get(name)!r}"
        for name, value in wanted.items()
        if line.get(name) != str(value)
    ]


def _stats(wanted: dict[str, int], seen: Observation) -> list[str]:
    return [
        f"{name}: expected {value}, found {seen.stats.get(name, 0)}"
        for name, value in wanted.items()
        if seen.stats.get(name, 0) != value
    ]


def _forwarded(wanted: str, seen: Observation) -> list[str]:
    return _equal(to_wire(wanted).decode("latin-1"), "".join(seen.upstream_bytes.get("up", [])[:1]))


def _body_has(wanted: str, seen: Observation) -> list[str]:
    body = _last(_responses(seen))["body"]
    return [] if wanted in (body or "") else [f"expected {wanted!r} in {body!r}"]


def _problems(wanted: list[str], seen: Observation) -> list[str]:
    text = "; ".join(seen.problems)
    return [f"expected {part!r} in {text!r}" for part in wanted if part not in text]


CHECKS: dict[str, Callable[[Any, Observation], list[str]]] = {
    "status": _status,
    "headers": lambda wanted, seen: _headers(wanted, _last(_responses(seen))),
    "trailers": lambda wanted, seen: _headers(wanted, _last(_responses(seen)), "trailers"),
    "body": lambda wanted, seen: _equal(wanted, _last(_responses(seen))["body"]),
    "body_has": _body_has,
    "closed": lambda wanted, seen: _equal(wanted, seen.connections[-1]["closed"]),
    "received": lambda wanted, seen: _equal(to_wire(wanted).decode("latin-1"), seen.downstream_bytes[-1]),
    "requests": _requests,
    "upstream": _upstream,
    "forwarded": _forwarded,
    "log": _log,
    "lines": lambda wanted, seen: _equal(wanted, len(seen.log)),
    "stats": _stats,
    "problems": _problems,
}
