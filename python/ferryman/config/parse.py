"""Text or wire bytes to an Envoy message, with a cursor on it.

Owns the entry points of the front half: one source or several, merged as protobuf merges (a later
singular value wins, messages are merged field by field, lists are appended). The rules of the schema are
checked by `check_rules`, apart, so that a caller can merge first.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli (--config-path, --config-yaml).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferryman.api import schema
from ferryman.config.collector import collector_paused
from ferryman.config.cursor import Cursor
from ferryman.config.decode import Decoding, fill_message
from ferryman.config.problems import NamedOrigin, Origin, Place, Problems
from ferryman.config.rules import check_rules
from ferryman.config.source import MergedSources, Source
from ferryman.config.wire import read_bytes

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["check_rules", "parse_bootstrap", "parse_bytes", "parse_message"]


def parse_bootstrap(sources: Sequence[Source], *, allow_unknown: bool = False) -> tuple[Cursor, Problems]:
    """The bootstrap that the sources make together, later ones merged over earlier ones.

    Unknown fields are errors unless `allow_unknown`. What cannot be read is left out of the message and
    reported; the caller looks at `problems.has_errors`.
    """
    problems = Problems(allow_unknown=allow_unknown)
    problems.files = [source.name for source in sources]
    merged: Message | None = None
    for source in sources:
        message = _read(source, schema.BOOTSTRAP, problems)
        if merged is None:
            merged = message
        else:
            merged.MergeFrom(message)
    if merged is None:
        merged = schema.new_message(schema.BOOTSTRAP)
    origin: Origin = sources[0] if len(sources) == 1 else MergedSources(sources)
    return Cursor(merged, problems, origin), problems


def parse_message(
    source: Source, type_name: str, *, problems: Problems | None = None, allow_unknown: bool = False
) -> tuple[Cursor, Problems]:
    """One message of the given full type name from a source."""
    kept = problems if problems is not None else Problems(allow_unknown=allow_unknown)
    return Cursor(_read(source, type_name, kept), kept, source), kept


def parse_bytes(
    data: bytes, type_name: str, name: str, *, problems: Problems | None = None
) -> tuple[Cursor, Problems]:
    """One message from wire bytes; problems carry `name` (`cluster "web"`) in place of a file."""
    kept = problems if problems is not None else Problems(allow_unknown=True)
    message = schema.new_message(type_name)
    origin = NamedOrigin(name)
    read_bytes(data, message, Decoding(kept, origin))
    return Cursor(message, kept, origin), kept


def _read(source: Source, type_name: str, problems: Problems) -> Message:
    message = schema.new_message(type_name)
    if source.format == "pb":
        read_bytes(source.data, message, Decoding(problems, source))
    elif source.format == "pb_text":
        _read_text_format(source, message, problems)
    else:
        with collector_paused():
            tree, readable = source.tree(problems)
            if readable:
                work = Decoding(problems, source)
                fill_message(message, tree, work)
            else:
                problems.doubt(())
    return message


def _read_text_format(source: Source, message: Message, problems: Problems) -> None:
    from google.protobuf import text_format

    try:
        text_format.Parse(source.text, message, descriptor_pool=schema.pool())
    except text_format.ParseError as error:
        line, column = error.GetLine() or 1, error.GetColumn() or 1
        lines = source.text.split("\n")
        excerpt = lines[line - 1] if line <= len(lines) else ""
        text = str(error).partition(" : ")[2] or str(error)
        problems.add_at("syntax", Place(source.name, line, column, excerpt), text.strip())
        problems.doubt(())
