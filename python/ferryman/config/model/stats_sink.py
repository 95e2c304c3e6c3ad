"""Where statistics are sent to (Envoy: `stats_sinks`)."""

from __future__ import annotations

from ferryman.config.model.address import Address
from ferryman.config.model.struct import Model, Tagged


class Datagrams(Tagged, tag="datagrams", frozen=True):
    """Datagrams to an address; as many lines in each as fit into `max_bytes`, 0: one."""

    address: Address
    max_bytes: int


class Stream(Tagged, tag="stream", frozen=True):
    """A TCP connection to a host of a cluster."""

    cluster: str


class StatsSink(Model, frozen=True):
    """One sink; `prefix` comes before each name, with a dot."""

    dialect: str  # statsd | dog_statsd | graphite_statsd
    destination: Datagrams | Stream
    prefix: str
