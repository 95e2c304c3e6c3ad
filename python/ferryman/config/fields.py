"""Which fields of a message the lowering takes: everything else is refused by its name.

Owns the declarations that stand beside each lowering function, the refusal of all fields that are not
declared, and so the contents of `docs/not_supported.md`. A field is declared in one of four ways:

- lowered: the lowering function reads it (a test clears each one and sees the model change);
- checked: the lowering function looks into it and refuses what is not built; what passes has no effect;
- same: only the value that equals what Ferryman does passes, such as `use_original_dst: false`;
- no_effect: Envoy 1.40 does nothing with it in any configuration that passes here; the reason is given.

Does not read values; that is the business of whoever holds the declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

    from ferryman.config.cursor import Cursor

NOT_SUPPORTED: Final = "not-supported"
"""The code of every problem that says what is not built yet."""

EMPTY: Final[Mapping[str, object]] = MappingProxyType({})
"""As the value in `same`: a message without any field set."""

DECLARED: dict[tuple[str, str], Fields] = {}
"""All declarations by message type and `where`; complete once every lowering module is imported."""


class Fields:
    """The declaration for one message type."""

    __slots__ = ("_known", "_names", "checked", "lowered", "message", "no_effect", "partly", "same", "where")

    def __init__(
        self,
        message: str,
        lowered: str = "",
        *,
        checked: Mapping[str, str] = MappingProxyType({}),
        same: Mapping[str, object] = EMPTY,
        no_effect: Mapping[str, str] = MappingProxyType({}),
        partly: Mapping[str, str] = MappingProxyType({}),
        where: str = "",
    ) -> None:
        """Declare a message type, once for each place (`where`) in which it is read differently.

        `lowered`: names with spaces between. `checked`: what passes, `no_effect`: why, by name. `partly`: the
        limits of a lowered field. The texts are for the docs.
        """
        self.message = message
        self.lowered = frozenset(lowered.split())
        self.checked = checked
        self.same = same
        self.no_effect = no_effect
        self.partly = partly
        self.where = where
        self._known = self.lowered | checked.keys() | no_effect.keys()
        self._names: dict[FieldDescriptor, str] = {}
        """Those of the known fields that were met already: asking the schema for a name takes longer."""
        DECLARED[message, where] = self

    def read(self, cursor: Cursor) -> dict[str, Any]:
        """The fields that are set, by name; every one that is not declared is refused."""
        names = self._names
        set_ones = cursor.message.ListFields()
        try:
            return {names[field]: value for field, value in set_ones}
        except KeyError:
            names.update({field: field.name for field, _ in set_ones if field.name in self._known})
        fields = {field.name: value for field, value in set_ones}
        self._refuse(cursor, fields)
        return fields

    def _refuse(self, cursor: Cursor, fields: dict[str, Any]) -> None:
        for name in fields.keys() - self._known:
            if name in self.same and _is_same(fields[name], self.same[name]):
                continue
            refuse(cursor, f"{name} is not supported yet", field=name)


def refuse(cursor: Cursor, text: str, hint: str | None = None, field: str | None = None) -> None:
    """Report that something is not built yet; `text` names it."""
    cursor.problem(text, hint, field, NOT_SUPPORTED)


def _is_same(value: Any, wanted: object) -> bool:
    if wanted is EMPTY:
        return int(value.ByteSize()) == 0
    return bool(getattr(value, "value", value) == wanted)


def word(cursor: Cursor, field: str, words: tuple[str, ...]) -> str:
    """The model's word for an enum field: `words` by number. One that is not there is refused."""
    number: int = cursor.message.__getattribute__(field)
    if 0 <= number < len(words):
        return words[number]
    described = cursor.message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    name = described.name if described is not None else str(number)
    refuse(cursor, f"{field} {name} is not supported yet", field=field)
    return words[0]
