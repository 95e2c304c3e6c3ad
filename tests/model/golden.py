"""The golden files: what each configuration in this folder lowers to.

    python tests/model/golden.py    writes NAME.json (to read) and NAME.msgpack (what crosses) for NAME.yaml

`test_golden.py` checks that they are current; `crates/dataplane/tests/model.rs` reads the .msgpack files.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from ferryman.config.pipeline import LoadOptions, Lowered, load_bootstrap, read_sources

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
OPTIONS = LoadOptions(concurrency=3, drain_time_s=45, drain_strategy="immediate")
"""Fixed: the default concurrency differs from machine to machine."""


VARIABLE = ("FERRYMAN_GOLDEN_FORMAT", "%BYTES_SENT% from the environment\n")
"""Must be set, and the working directory be the root, when a configuration is lowered."""


def lower(name: str) -> Lowered:
    """The configuration NAME.yaml, lowered."""
    return load_bootstrap(read_sources([f"tests/model/{name}.yaml"]), OPTIONS)


def tree(lowered: Lowered) -> dict[str, object]:
    """What the golden files hold."""
    return {
        "bootstrap": lowered.bootstrap,
        "clusters": lowered.clusters,
        "listeners": lowered.listeners,
    }


def as_json(lowered: Lowered) -> bytes:
    return msgspec.json.format(msgspec.json.encode(tree(lowered)), indent=2) + b"\n"


def as_msgpack(lowered: Lowered) -> bytes:
    return msgspec.msgpack.encode(tree(lowered))


def write() -> None:
    os.chdir(ROOT)
    os.environ.update([VARIABLE])
    for name in NAMES:
        lowered = lower(name)
        FOLDER.joinpath(f"{name}.json").write_bytes(as_json(lowered))
        FOLDER.joinpath(f"{name}.msgpack").write_bytes(as_msgpack(lowered))


if __name__ == "__main__":
    write()
