"""Text in case files to bytes on the wire and back.

Owns the one rule for line ends: a text without any CR is a message head written with plain line
ends, so each LF becomes CRLF and a missing blank line at its end is added. A text with a CR in it is
sent exactly as written. Characters are Latin-1: "\\xff" in YAML is the byte 255.
"""

from __future__ import annotations

SHOWN = 65536


def to_wire(text: str) -> bytes:
    """Bytes to send for a text of a case file."""
    if "\r" in text or "\n" not in text or not text.strip():
        return text.encode("latin-1")
    if "\n\n" not in text:
        text = text.rstrip("\n") + "\n\n"
    head, _, body = text.partition("\n\n")
    return (head.replace("\n", "\r\n") + "\r\n\r\n" + body).encode("latin-1")


def from_wire(data: bytes) -> str:
    """Text for a report; long data is shown by its length and both ends."""
    text = data.decode("latin-1")
    if len(text) <= SHOWN:
        return text
    return f"{text[:64]}…[{len(text)} bytes, checksum {sum(data) & 0xFFFFFFFF}]…{text[-64:]}"
