"""The node as a proxy tells of itself: who it is, what it runs, what it can do.

Owns what Ferryman adds to the node of the bootstrap. It goes by Envoy's name and version, because control
planes and tools choose by them what they send; the build's metadata tells the truth.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/base.proto (Node).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from ferryman import ENVOY_API_VERSION, __version__
from ferryman.api.extensions import Extension, all_extensions
from ferryman.config.extensions import built_types

REVISION: Final = f"ferryman-{__version__}"
_STATUS: Final = "Clean"
_BUILD: Final = "RELEASE"
_TLS_LIBRARY: Final = "none"

_WITHOUT_TYPE: Final = frozenset({("envoy.clusters", "envoy.cluster.static")})
"""What is built of the extensions that no message configures: category and name."""


def version_text() -> str:
    """Envoy's version line: revision, version, state of the sources, kind of build, TLS library."""
    return "/".join((REVISION, ENVOY_API_VERSION, _STATUS, _BUILD, _TLS_LIBRARY))


@cache
def built_extensions() -> tuple[Extension, ...]:
    """Those of Envoy's extensions that are built."""
    return tuple(_built_extensions())


def _built_extensions() -> Iterator[Extension]:
    built = built_types()
    for extension in all_extensions():
        types = built.get(extension.category, frozenset()).intersection(extension.types)
        if types or (extension.category, extension.name) in _WITHOUT_TYPE:
            yield Extension(extension.category, extension.name, tuple(sorted(types)))


def introduce(node: Any) -> None:
    """Adds to a Node what Envoy adds to it: name and version of the software, and its extensions."""
    node.user_agent_name = "envoy"
    build = node.user_agent_build_version
    version = build.version
    version.major_number, version.minor_number, version.patch = map(int, ENVOY_API_VERSION.split("."))
    build.metadata.update(
        {
            "revision.sha": REVISION,
            "revision.status": _STATUS,
            "build.type": _BUILD,
            "ssl.version": _TLS_LIBRARY,
        }
    )
    for extension in built_extensions():
        node.extensions.add(name=extension.name, category=extension.category, type_urls=extension.types)
