"""The buffer filter (Envoy: `buffer.v3`)."""

from __future__ import annotations

from ferryman.config.model.struct import Tagged


class Buffer(Tagged, tag="buffer", frozen=True):
    """Requests are held until they are whole; one with a larger body is refused."""

    max_request_bytes: int


class BufferPerRoute(Tagged, tag="buffer", frozen=True):
    """The limit on a route; None: requests are not held there."""

    max_request_bytes: int | None
