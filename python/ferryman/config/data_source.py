"""Bytes that stand in the configuration, in a file or in an environment variable.

Owns DataSource: what a direct response's body or a log format may be read from. Everything is read once,
at load.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/base.proto#config-core-v3-datasource
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ferryman.config.fields import Fields

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_DATA_SOURCE = Fields(
    "envoy.config.core.v3.DataSource", "filename inline_bytes inline_string environment_variable"
)

_FORBIDDEN: Final = ("/dev", "/sys", "/proc")


def read_data_source(
    cursor: Cursor, limit_bytes: int | None = None, declared: Fields = _DATA_SOURCE
) -> bytes | None:
    """The bytes; None with a problem when they cannot be read or are more than `limit_bytes`."""
    fields = declared.read(cursor)
    data: bytes | None = None
    if "filename" in fields:
        data = _read_file(cursor, fields["filename"])
    elif "inline_bytes" in fields:
        data = bytes(fields["inline_bytes"])
    elif "inline_string" in fields:
        data = fields["inline_string"].encode()
    elif "environment_variable" in fields:
        data = _read_environment(cursor, fields["environment_variable"])
    if data is not None and limit_bytes is not None and len(data) > limit_bytes:
        cursor.problem(
            f"has {len(data)} bytes, and at most {limit_bytes} are allowed",
            "raise max_direct_response_body_size_bytes of the route configuration",
        )
        return None
    return data


def _read_file(cursor: Cursor, name: str) -> bytes | None:
    complaint = forbidden_path(name)
    if complaint is None:
        try:
            return Path(name).read_bytes()
        except OSError as error:
            complaint = error.strerror or str(error)
    cursor.problem(f"cannot read {name}: {complaint}", field="filename")
    return None


def forbidden_path(name: str) -> str | None:
    """Why Envoy does not read there, whatever it finds; None: it does, as it does descriptors."""
    if name.startswith("/dev/fd/"):
        return None
    real = os.path.realpath(name)
    found = [folder for folder in _FORBIDDEN if real.startswith(folder)]
    return f"no file below {found[0]} is read" if found else None


def _read_environment(cursor: Cursor, name: str) -> bytes | None:
    value = os.environb.get(name.encode())
    if value is None:
        cursor.problem(f"the environment variable {name} is not set", field="environment_variable")
    return value
