"""Bodies that a proxy has compressed: two compressors make different bytes of the same body.

Owns: what is compared of such a body, and which sizes are not compared beside it.
"""

from __future__ import annotations

import re
import zlib

from harness.http_message import Message

SIZES = re.compile(r"(_tx_bytes_total|_rx_bytes_total|\.total_compressed_bytes)$")
"""Stats that hold the size of a compressed body."""
LOGGED_SIZES = ("sent", "received")
"""Fields of the default log format that hold it."""


def decoded(message: Message) -> bytes | None:
    """What the body holds; for encodings that Python does not know, their name. None: it is not encoded."""
    named = {name.lower(): value for name, value in message.headers}
    encoding = named.get("content-encoding", "")
    if not message.body:
        return None
    if encoding in ("br", "zstd"):
        return f"<{encoding}>".encode()
    if encoding != "gzip" or not message.body.startswith(b"\x1f\x8b"):
        return None
    decoder = zlib.decompressobj(31)
    try:
        body = decoder.decompress(message.body)
    except zlib.error:
        return None
    return body if decoder.eof else body + b"<cut short>"
