#!/usr/bin/env python3
"""Writes what is built and what is not, as the code itself declares it.

    tools/document_support.py [--check]

`docs/extensions.md`: every extension of Envoy 1.40 by category, and whether it is built.
`docs/not_supported.md`: the fields of each message that is read, the command operators and the flags. The
sources are the declarations that the refusals come from: `ferryman.config.fields`, its neighbours
`extensions` and `operators`, and `ferryman.envoy_flags`. `--check` writes nothing and exits 1 if a document
is not what comes out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ferryman.api import extensions, schema
from ferryman.config.extensions import built_types
from ferryman.config.fields import DECLARED, EMPTY, Fields
from ferryman.config.operators import BUILT_BY_FORMATTERS, NEED_FORMATTERS, NOT_BUILT
from ferryman.envoy_flags import WITHOUT_MEANING, flag_of

DOCS = Path(__file__).resolve().parent.parent / "docs"
GENERATED = "<!-- Written by tools/document_support.py from the code: do not edit. -->"
WIDTH = 110

EXTENSIONS_HEAD = f"""# Extensions

{GENERATED}

The {{all}} extensions and {{types}} configuration messages that Envoy 1.40 is built with, by category.
Ferryman knows them all and has {{built}} of them so far; a configuration with another is refused by its name:
`envoy.filters.http.lua is not supported yet`. Fields are in [not_supported.md](not_supported.md). Extensions
*without a message* are parts of Envoy itself, and old names.
"""

FIELDS_HEAD = f"""# Not supported yet

{GENERATED}

Ferryman reads the whole API of Envoy 1.40. What it does not do yet it refuses, by name and place; nothing is
ignored. Extensions (filters, access loggers, transport sockets…) are in [extensions.md](extensions.md).

## Fields

By message. *Refused* fields may not be set. Of the *limited* ones only what is named passes. *Without effect*
are fields to which Envoy gives no meaning either, in the configurations that pass here. A message that is not
listed can stand only in a field that is refused.
"""

OPERATORS_HEAD = """## Command operators

In access logs and in formats of headers and bodies, refused:
"""

FLAGS_HEAD = """## Command line

All flags of Envoy are taken. These have no effect, and a line says so when one is given:
"""


def extensions_page() -> str:
    """The text of docs/extensions.md."""
    built = built_types()
    all_built = sum(is_built(extension, built) for extension in extensions.all_extensions())
    figures = {
        "all": len(extensions.all_extensions()),
        "types": len(extensions.by_type()),
        "built": all_built,
    }
    parts = [EXTENSIONS_HEAD.format(**figures)]
    for category in sorted({extension.category for extension in extensions.all_extensions()}):
        parts.append(f"## {category}\n")
        rows = list(extensions.in_category(category).values())
        lines = ["| Extension | Configured by | Ferryman |", "| --- | --- | --- |"]
        for row in rows:
            state = "built" if is_built(row, built) else "not yet"
            lines += [f"| `{row.name}` | {names(row.types)} | {state} |"] if row.types else []
        if len(lines) > 2:
            parts.append("\n".join(lines) + "\n")
        nameless = [row.name for row in rows if not row.types]
        if nameless:
            parts.append(wrapped(f"Without a message: {names(nameless)}.") + "\n")
    return "\n".join(parts)


def is_built(extension: extensions.Extension, built: Mapping[str, frozenset[str]]) -> bool:
    """Whether a message of the extension is taken where its category stands."""
    return not built.get(extension.category, frozenset()).isdisjoint(extension.types)


def not_supported_page() -> str:
    """The text of docs/not_supported.md."""
    built_types()  # imports every lowering module, so that DECLARED is complete
    ordered = [declared for _, declared in sorted(DECLARED.items())]
    sections = [(declared, list(limits(declared))) for declared in ordered]
    parts = [FIELDS_HEAD]
    parts += [
        f"### {declared.message} {declared.where}".rstrip() + "\n\n" + "\n".join(lines) + "\n"
        for declared, lines in sections
        if lines
    ]
    whole = [declared.message for declared, lines in sections if not lines]
    parts.append("### Supported whole\n\n" + "\n".join(f"- `{message}`" for message in whole) + "\n")
    operators = [f"`%{name}%`" for name in sorted({*NOT_BUILT, *NEED_FORMATTERS} - BUILT_BY_FORMATTERS)]
    parts.append(f"{OPERATORS_HEAD}\n{wrapped(', '.join(operators))}\n")
    flags = [wrapped(f"- `{flag_of(name)}`: {reason}") for name, reason in sorted(WITHOUT_MEANING.items())]
    parts.append(f"{FLAGS_HEAD}\n" + "\n".join(flags) + "\n")
    return "\n".join(parts)


def limits(declared: Fields) -> Iterator[str]:
    """A line for each kind of limit that the message has."""
    known = {*declared.lowered, *declared.checked, *declared.no_effect, *declared.same}
    fields = [field.name for field in schema.pool().FindMessageTypeByName(declared.message).fields]
    refused = [name for name in fields if name not in known]
    if refused:
        yield wrapped(f"- Refused: {names(refused)}")
    passing = {**declared.partly, **declared.checked}
    passing |= {name: f"only {as_written(value)}" for name, value in declared.same.items()}
    for text, fields in by_text(passing):
        yield wrapped(f"- Limited: {names(fields)}: {text}")
    for text, fields in by_text(declared.no_effect):
        yield wrapped(f"- Without effect: {names(fields)}: {text}")


def as_written(value: object) -> str:
    """A value as YAML has it."""
    if value is EMPTY:
        return "an empty one"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def names(fields: Iterable[str]) -> str:
    """The names as code, with commas between."""
    return ", ".join(f"`{name}`" for name in fields)


def by_text(texts: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The texts, each once, with the names that share it."""
    grouped: dict[str, list[str]] = {}
    for name, text in texts.items():
        grouped.setdefault(text, []).append(name)
    return list(grouped.items())


def wrapped(line: str) -> str:
    """A paragraph or list item in lines of the usual length."""
    import textwrap

    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


PAGES = {"extensions.md": extensions_page, "not_supported.md": not_supported_page}


def main() -> None:
    """Write both documents, or compare them."""
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(f"docs/{name}")
    if stale:
        sys.exit(f"not what the code says: {', '.join(stale)}; run tools/document_support.py")


if __name__ == "__main__":
    main()
