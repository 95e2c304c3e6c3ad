"""Format strings, already split into literals and command operators (Envoy: access log command operators)."""

from __future__ import annotations

from ferryman.config.model.struct import Tagged


class Literal(Tagged, tag="literal", frozen=True):
    """Text that stands as it is."""

    text: str


class Operator(Tagged, tag="operator", frozen=True):
    """A command operator, `%NAME(argument):max_length%`, of Envoy's access log page."""

    name: str
    argument: str | None
    max_length: int | None


Format = list[Literal | Operator]


class JsonFormat(Tagged, tag="format", frozen=True):
    """A value made of operators. One operator alone keeps its type (number, null, object)."""

    format: Format


class JsonObject(Tagged, tag="object", frozen=True):
    """Fields in the order in which they are written."""

    fields: list[tuple[str, JsonValue]]


class JsonArray(Tagged, tag="array", frozen=True):
    """Elements in order."""

    elements: list[JsonValue]


class JsonNumber(Tagged, tag="number", frozen=True):
    """A literal number."""

    value: float


class JsonBool(Tagged, tag="bool", frozen=True):
    """A literal boolean."""

    value: bool


class JsonNull(Tagged, tag="null", frozen=True):
    """A literal null."""


JsonValue = JsonFormat | JsonObject | JsonArray | JsonNumber | JsonBool | JsonNull
