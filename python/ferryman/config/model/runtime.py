"""The runtime's layers, and values that a runtime key may override (Envoy: `config.core.v3.Runtime*`).

In every `Runtime*` record an empty `runtime_key` is none: then the default always holds.
"""

from __future__ import annotations

from ferryman.config.model.struct import Model, Tagged


class FractionalPercent(Model, frozen=True):
    """A share; one with a numerator above its denominator is all."""

    numerator: int
    denominator: int  # 100 | 10000 | 1000000


class RuntimeEntry(Model, frozen=True):
    """A key of a static layer: its text as `/runtime` shows it, and what else it can be read as."""

    key: str
    text: str
    number: float | None
    flag: bool | None
    fraction: FractionalPercent | None


class StaticLayer(Tagged, tag="static", frozen=True):
    """Values from the configuration, in the order of their keys."""

    name: str
    entries: list[RuntimeEntry]


class DiskLayer(Tagged, tag="disk", frozen=True):
    """Values from the files below `folder`; read again when `symlink_root` is replaced."""

    name: str
    symlink_root: str
    folder: str


class AdminLayer(Tagged, tag="admin", frozen=True):
    """Values that `/runtime_modify` sets."""

    name: str


RuntimeLayer = StaticLayer | DiskLayer | AdminLayer


class RuntimeFractionalPercent(Model, frozen=True):
    """How often something is to happen."""

    default_value: FractionalPercent
    runtime_key: str


class RuntimeFeatureFlag(Model, frozen=True):
    """A switch."""

    default_value: bool
    runtime_key: str


class RuntimeUInt32(Model, frozen=True):
    """A whole number, at least 0."""

    default_value: int
    runtime_key: str


class RuntimeDouble(Model, frozen=True):
    """A number; for Envoy's RuntimePercent one from 0 to 100."""

    default_value: float
    runtime_key: str
