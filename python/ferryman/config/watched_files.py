"""Files of certificates that are read again when they are replaced.

Owns WatchedDirectory, and which files of a message are watched. The data plane watches and reads them; what
it takes at a reload is judged there, what is read at load is judged by whoever reads the message.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/base.proto#config-core-v3-watcheddirectory
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ferryman.config import model
from ferryman.config.data_source import read_data_source
from ferryman.config.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferryman.config.cursor import Cursor

WATCHED_DATA_SOURCE = Fields(
    "envoy.config.core.v3.DataSource",
    "filename inline_bytes inline_string environment_variable watched_directory",
    where="of certificates",
)
_WATCHED_DIRECTORY = Fields("envoy.config.core.v3.WatchedDirectory", "path watch_modify")


def read_watched_source(cursor: Cursor) -> bytes | None:
    """The bytes of a source that may have a `watched_directory`; None with a problem."""
    return read_data_source(cursor, declared=WATCHED_DATA_SOURCE)


def watched_files(sources: Mapping[str, Cursor], whole: Cursor | None = None) -> model.WatchedFiles | None:
    """What is watched of these sources, which are named by the fields that they are read into.

    `whole`: a WatchedDirectory for all of them; a source may have one of its own.
    """
    named = {field: source.get("filename") for field, source in sources.items() if source.get("filename")}
    own = {field: source for field, source in sources.items() if source.has("watched_directory")}
    if whole is not None and not named:
        whole.problem("there is no file that could be replaced")
    for field in own.keys() - named.keys():
        own[field].problem("there is no file that could be replaced", None, "watched_directory")
    folders = [source.child("watched_directory") for source in own.values()]
    if whole is not None:
        folders.append(whole)
    if not folders:
        return None
    return model.WatchedFiles(
        directories=[_watched_directory(folder) for folder in folders],
        files=named if whole is not None else {field: named[field] for field in own if field in named},
    )


def _watched_directory(cursor: Cursor) -> model.WatchedDirectory:
    fields = _WATCHED_DIRECTORY.read(cursor)
    path = fields.get("path", "")
    if path and not Path(path).is_dir():
        cursor.problem(f"cannot watch {path}: there is no such directory", field="path")
    return model.WatchedDirectory(path=path, watch_modify=fields.get("watch_modify", False))
