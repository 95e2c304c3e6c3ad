"""The cases of the benchmark against the peers: what is sent through the proxies."""

from __future__ import annotations

from dataclasses import dataclass

BODIES = {"/64k": 64 << 10, "/1m": 1 << 20}
"""Paths that the upstream answers with a body of so many bytes; all others with `hello world`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of work."""

    name: str
    what: str
    path: str = "/"
    connections: int = 64
    close: bool = False
    """A new connection for every request."""
    tcp: bool = False
    """The proxies move bytes, they do not read HTTP."""
    http2: bool = False
    """The clients speak HTTP/2: 8 connections of 32 requests at a time."""
    tls: bool = False
    """The clients speak TLS, with an ECDSA certificate."""
    http2_upstream: bool = False
    """The host speaks HTTP/2."""
    access_log: bool = False
    """A line in the default format for each request, into a file."""
    idle_filters: bool = False
    """Ten HTTP filters before the router that look at each request and find nothing to do."""
    must: float
    """The ratio to Envoy that Ferryman must reach (design, section 8)."""


CASES = {
    case.name: case
    for case in (
        Case(name="h1", what="H1→H1, keep-alive, small", must=0.40),
        Case(name="h1-log", what="the same with the default access log", access_log=True, must=0.40),
        Case(
            name="h1-full",
            what="the same with the log and ten idle filters",
            access_log=True,
            idle_filters=True,
            must=0.40,
        ),
        Case(name="h1-1c", what="H1→H1, one downstream connection", connections=1, must=0.45),
        Case(name="h1-64k", what="H1→H1, 64 KiB body", path="/64k", must=0.85),
        Case(name="h1-1m", what="H1→H1, 1 MiB body", path="/1m", must=1.0),
        Case(name="h1-close", what="H1, a connection per request", close=True, must=0.70),
        Case(name="tcp", what="TCP proxy", tcp=True, must=0.90),
        Case(name="h1-tls", what="TLS H1→H1", tls=True, must=0.55),
        Case(name="h2", what="H2→H1", http2=True, must=0.40),
        Case(name="h2-64k", what="H2→H1, 64 KiB body", http2=True, path="/64k", must=0.80),
        Case(name="h2-tls", what="TLS H2→H1", http2=True, tls=True, must=0.45),
        Case(name="h2-h2up", what="H2→H2", http2=True, http2_upstream=True, must=0.75),
    )
}
