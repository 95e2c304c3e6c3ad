"""`/config_dump`: the configuration that runs, as Envoy prints it.

Owns the parameters of the page and the layout of the answer. What each section holds is the business of
`config_sections.py`. Resources are printed one by one as they are made, so that a dump costs little more than
its text.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#get--config_dump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from ferryman import _native
from ferryman.admin.config_sections import Resources, Section, sections
from ferryman.admin.field_mask import FieldMask
from ferryman.admin.page import Page, Question, Reply, RunningConfig
from ferryman.api import schema
from ferryman.api.json_form import Entry, JsonPrinter, type_entry, write_message
from ferryman.api.json_strings import quoted

NameFilter = Callable[[str], bool]
Row = tuple[Any, Iterator[Entry]]
"""One of `configs`: a message, and the entries that come after its own."""

_ANY: Final = "google.protobuf.Any"


class Refusal(Exception):
    """A parameter is wrong: status and text."""


def answer(question: Question, running: RunningConfig) -> Reply:
    """The dump, or what is wrong with the parameters."""
    given = question.parameters
    mask_text, resource = given.get("mask", ""), given.get("resource", "")
    mask = FieldMask.read(mask_text) if mask_text else None
    try:
        names = _name_filter(given.get("name_regex", ""))
        found = sections(running, include_endpoints="include_eds" in given)
        if resource:
            rows = _resource_rows(_find_resources(found, resource), mask, names)
        else:
            rows = _section_rows(found, mask, mask_text, names)
        return Reply(_print_dump(rows))
    except Refusal as refusal:
        status, text = refusal.args
        return Reply(text.encode(), "text/plain", status)


def _name_filter(pattern: str) -> NameFilter:
    if not pattern:
        return lambda name: True
    try:
        return _native.Regex(pattern).matches
    except _native.NativeError as error:
        complaint = str(error).removeprefix(f"invalid regex '{pattern}': ")
        text = f"INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {complaint}"
        raise Refusal(400, text) from None


def _section_rows(
    found: list[Section], mask: FieldMask | None, mask_text: str, names: NameFilter
) -> Iterator[Row]:
    """All sections; with a mask those that it fits, with what it names."""
    if mask is None:
        return ((section.message, _lists(section, names)) for section in found)
    fitting = [section for section in found if mask.fits(section.message.DESCRIPTOR)]
    if not fitting:
        raise Refusal(400, f"FieldMask {mask_text} could not be successfully applied to any configs.")
    for section in fitting:
        section.resources = {name: made for name, made in section.resources.items() if mask.names(name)}
        mask.trim(section.message)
    return ((section.message, _lists(section, names)) for section in fitting)


def _lists(section: Section, names: NameFilter) -> Iterator[Entry]:
    """The resources of a section, each list with one in it."""
    for field, resources in section.resources.items():
        kept = (message for name, message in resources() if names(name))
        first = next(kept, None)
        if first is not None:
            yield quoted(field), _write_list, chain([first], kept), False


def _find_resources(found: list[Section], field: str) -> Resources:
    """The resources in a field of one of the sections."""
    for section in found:
        described = section.message.DESCRIPTOR.fields_by_name.get(field)
        if described is None:
            continue
        if not described.is_repeated:
            text = f"{field} is not a repeated field. Use ?mask={field} to get only this field"
            raise Refusal(400, text)
        return section.resources.get(field, lambda: iter(()))
    raise Refusal(404, f"{field} not found in config dump")


def _resource_rows(resources: Resources, mask: FieldMask | None, names: NameFilter) -> Iterator[Row]:
    kept = (message for name, message in resources() if names(name))
    for message in kept:
        if mask is not None and not _trim_resource(message, mask):
            text = "".join(f'\npaths: "{path}"' for path in mask.paths)
            raise Refusal(400, f"FieldMask {text}\n could not be successfully used.")
        yield message, iter(())


def _trim_resource(message: Any, mask: FieldMask) -> bool:
    """Trims a resource of a dump. The mask leads on into the Any in it. False if the mask does not fit."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None or field.message_type.full_name != _ANY or not mask.names(field.name):
            continue
        held = getattr(message, field.name)
        descriptor = schema.find_descriptor(schema.type_of_url(held.type_url))
        below = mask.below(field.name)
        if descriptor is None or not below.fits(descriptor):
            return False
        inner = schema.class_of(descriptor).FromString(held.value)
        below.trim(inner)
        held.Pack(inner)
        mask = mask.with_whole(field.name)
    if not mask.fits(message.DESCRIPTOR):
        return False
    mask.trim(message)
    return True


def _print_dump(rows: Iterator[Row]) -> bytes:
    printer = JsonPrinter()
    first = next(rows, None)
    if first is not None:
        printer.entries([('"configs"', _write_rows, chain([first], rows), False)], "")
    else:
        printer.text("{}")
    printer.text("\n")
    return printer.finish()


def _write_rows(printer: JsonPrinter, rows: Iterator[Row], margin: str, secret: bool) -> None:
    printer.items(rows, _write_row, margin)


def _write_row(printer: JsonPrinter, row: Row, margin: str, secret: bool) -> None:
    message, lists = row
    typed = type_entry(schema.url_of_type(message.DESCRIPTOR.full_name))
    printer.entries(chain([typed], printer.fields(message), lists), margin)


def _write_list(printer: JsonPrinter, messages: Iterator[Any], margin: str, secret: bool) -> None:
    printer.items(messages, write_message, margin)


_MASK_HELP: Final = (
    "The mask to apply. When both resource and mask are specified, the mask is applied to every element in "
    "the desired repeated field so that only a subset of fields are returned. The mask is parsed as a "
    "Protobuf::FieldMask"
)
_NAME_HELP: Final = (
    "Dump only the currently loaded configurations whose names match the specified regex. "
    "Can be used with both resource and mask query parameters."
)
_EDS_HELP: Final = (
    "Dump currently loaded configuration including EDS. See the response definition for more information"
)

PAGES: Final = (
    Page(
        path="/config_dump",
        help="dump current Envoy configs",
        answer=answer,
        parameters=(
            ("resource", "The resource to dump"),
            ("mask", _MASK_HELP),
            ("name_regex", _NAME_HELP),
            ("include_eds", _EDS_HELP),
        ),
    ),
)
