"""What every piece of the model is: a frozen record with named fields, or one alternative of a choice."""

from __future__ import annotations

from msgspec import Struct


class Model(Struct, frozen=True, kw_only=True):
    """One piece of the model; encoded as a map with named fields."""


class Tagged(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One alternative of a choice; the field `kind` names it."""
