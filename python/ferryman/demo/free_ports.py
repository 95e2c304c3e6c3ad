"""A configuration with its fixed ports moved to free ones.

Owns finding ports that are taken and writing others in their place, so that the demo runs beside whatever
else is on this machine, and the examples are tested side by side.
"""

from __future__ import annotations

import socket
from typing import Any


def taken(port: int) -> bool:
    """Whether something listens at this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def port_values(configuration: Any) -> set[int]:
    """Every `port_value` but 0 anywhere in a configuration."""
    if isinstance(configuration, list):
        return {port for item in configuration for port in port_values(item)}
    if not isinstance(configuration, dict):
        return set()
    found = {port for item in configuration.values() for port in port_values(item)}
    own = configuration.get("port_value", 0)
    return found | {own} if own else found


def free_ports(ports: set[int]) -> dict[int, int]:
    """Another, free port for each of `ports`."""
    probes = {port: socket.socket() for port in sorted(ports)}
    try:
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        return {port: probe.getsockname()[1] for port, probe in probes.items()}
    finally:
        for probe in probes.values():
            probe.close()


def with_ports(configuration: Any, moved: dict[int, int]) -> Any:
    """The configuration with each `port_value` that is in `moved` replaced."""
    if isinstance(configuration, list):
        return [with_ports(item, moved) for item in configuration]
    if not isinstance(configuration, dict):
        return configuration
    return {
        key: moved.get(value, value) if key == "port_value" else with_ports(value, moved)
        for key, value in configuration.items()
    }
