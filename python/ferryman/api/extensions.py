"""The extensions that Envoy 1.40 is built with: category, name and the messages that configure them.

Owns the list `envoy-v3-1.40.extensions.tsv`, which `tools/extract_schema.py` asks the release itself for
(`/server_info`): 516 extensions, 380 message types. Does not know which of them Ferryman has; that is
`ferryman.config`'s business.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/extension.proto
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ferryman.api.suggestions import nearest

EXTENSIONS_FILE = "envoy-v3-1.40.extensions.tsv"

CONTRIB = (
    "envoy.extensions.compression.qatzip.",
    "envoy.extensions.compression.qatzstd.",
    "envoy.extensions.config.v3alpha.",
    "envoy.extensions.filters.http.alpn.",
    "envoy.extensions.filters.http.checksum.",
    "envoy.extensions.filters.http.dynamo.",
    "envoy.extensions.filters.http.golang.",
    "envoy.extensions.filters.http.istio_stats.",
    "envoy.extensions.filters.http.language.",
    "envoy.extensions.filters.http.peak_ewma.",
    "envoy.extensions.filters.http.peer_metadata.",
    "envoy.extensions.filters.http.squash.",
    "envoy.extensions.filters.http.sxg.",
    "envoy.extensions.filters.listener.postgres_inspector.",
    "envoy.extensions.filters.network.client_ssl_auth.",
    "envoy.extensions.filters.network.generic_proxy.codecs.kafka.",
    "envoy.extensions.filters.network.golang.",
    "envoy.extensions.filters.network.kafka_broker.",
    "envoy.extensions.filters.network.kafka_mesh.",
    "envoy.extensions.filters.network.metadata_exchange.",
    "envoy.extensions.filters.network.mysql_proxy.",
    "envoy.extensions.filters.network.postgres_proxy.",
    "envoy.extensions.filters.network.rocketmq_proxy.",
    "envoy.extensions.filters.network.sip_proxy.",
    "envoy.extensions.load_balancing_policies.peak_ewma.",
    "envoy.extensions.matching.input_matchers.hyperscan.",
    "envoy.extensions.network.connection_balance.dlb.",
    "envoy.extensions.private_key_providers.",
    "envoy.extensions.regex_engines.hyperscan.",
    "envoy.extensions.router.cluster_specifier.golang.",
    "envoy.extensions.stat_sinks.kafka.",
    "envoy.extensions.tap_sinks.udp_sink.",
    "envoy.extensions.upstreams.http.tcp.golang.",
    "envoy.extensions.vcl.",
    "envoy.extensions.kv_store_xds_delegate.",
)
"""Packages of extensions that only Envoy's `contrib` builds have; release 1.40 refuses them too."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension of Envoy 1.40: `envoy.filters.http.fault` of category `envoy.filters.http`."""

    category: str
    name: str
    types: tuple[str, ...]


@cache
def all_extensions() -> tuple[Extension, ...]:
    """Every extension, ordered by category and name."""
    text = Path(__file__).with_name(EXTENSIONS_FILE).read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return tuple(Extension(row[0], row[1], tuple(filter(None, row[2].split(",")))) for row in rows)


@cache
def by_type() -> dict[str, tuple[Extension, ...]]:
    """The extensions that a message type can configure, by the type's full name (380 of them)."""
    found: dict[str, tuple[Extension, ...]] = {}
    for extension in all_extensions():
        for full_name in extension.types:
            found[full_name] = (*found.get(full_name, ()), extension)
    return found


@cache
def in_category(category: str) -> dict[str, Extension]:
    """The extensions of one category (`envoy.filters.http`), by name."""
    return {extension.name: extension for extension in all_extensions() if extension.category == category}


@cache
def _names() -> frozenset[str]:
    return frozenset(extension.name for extension in all_extensions())


def has_name(name: str) -> bool:
    """Whether an extension of any category has this name."""
    return name in _names()


def is_contrib(full_name: str) -> bool:
    """Whether a message type belongs to an extension of Envoy's `contrib` builds."""
    return full_name.startswith(CONTRIB)


def nearest_type(full_name: str) -> str | None:
    """The known extension type whose name is most like this one, or None when none is near."""
    near = nearest(full_name, by_type(), cutoff=0.75)
    if near is not None:
        return near
    last = full_name.rpartition(".")[2]
    same_end = [known for known in by_type() if known.rpartition(".")[2] == last]
    return same_end[0] if len(same_end) == 1 else None
