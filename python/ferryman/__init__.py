"""Ferryman: an L7 proxy that takes Envoy v3 configuration.

    from ferryman import Proxy

    with Proxy.from_file("envoy.yaml") as proxy:
        print(proxy.listener_addresses)

Owns the public names. They are imported when they are first asked for, so that `import ferryman` costs
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferryman.errors import ConfigError, FerrymanError, SourceError, StartError
    from ferryman.options import Options
    from ferryman.proxy import Proxy

ENVOY_API_VERSION = "1.40.0"
"""The Envoy whose configuration and behaviour this Ferryman takes."""

__all__ = [
    "ENVOY_API_VERSION",
    "ConfigError",
    "FerrymanError",
    "Options",
    "Proxy",
    "SourceError",
    "StartError",
    "__version__",
]

_HOMES = {
    "ConfigError": "ferryman.errors",
    "FerrymanError": "ferryman.errors",
    "Options": "ferryman.options",
    "Proxy": "ferryman.proxy",
    "SourceError": "ferryman.errors",
    "StartError": "ferryman.errors",
    "__version__": "ferryman._native",
}


def __getattr__(name: str) -> Any:
    """A public name from the module that owns it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ferryman' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
